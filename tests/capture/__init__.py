"""The captures, by real databases."""
