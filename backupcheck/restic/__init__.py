"""restic by subprocess: the repository, how it is opened, its failures by name."""
