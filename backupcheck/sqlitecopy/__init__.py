"""A copy of a SQLite database: how it is taken at the source, made whole on arrival, and known again restored."""
