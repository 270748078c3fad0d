"""The repository, with a real restic."""
