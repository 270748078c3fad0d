"""backupcheck proves every night that each self-hosted service would come back."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("backupcheck")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
