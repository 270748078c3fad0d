"""The files of the caddy container: the guarded Caddy, and the certificate authority that it asks."""
