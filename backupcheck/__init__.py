"""backupcheck proves every night that each self-hosted service would come back."""

__version__ = "0.1.0"
