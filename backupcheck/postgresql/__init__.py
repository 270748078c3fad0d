"""Throw-away Postgres clusters in boxes, and dumps: read, loaded, asked."""
