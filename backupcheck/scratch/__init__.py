"""Disposable places to restore into, one file an engine; the folder's listing is the registry."""
