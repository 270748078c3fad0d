"""Mealie's data, generated from a seed: rows for a real Postgres server, and the files that belong to them."""
