"""Throw-away clusters, and dumps."""
