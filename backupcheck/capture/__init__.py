"""Consistent copies taken at the source, one file a kind; the folder's listing is the registry."""
