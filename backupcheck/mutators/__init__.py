"""The ways to make mutants, one file a kind; the folder's listing is the registry."""
