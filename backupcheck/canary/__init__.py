"""The canary: its value, and how it is written at a source."""
