"""A run as text, one file a format; the folder's listing is the registry."""
