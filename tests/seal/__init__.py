"""The seal's file."""
