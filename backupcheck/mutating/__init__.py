"""Puts mutants, one at a time, into a copy of a restored service, and asks its spec of each."""
