"""The tests, in the package's own order."""
