"""Questions put to a box, one file a kind; the folder's listing is the registry."""
