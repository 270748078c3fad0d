"""The seal: every name of a service as it was pulled, written and compared as a stream."""
