"""The site's own keys, what each source lets them do, and the hosts' keys that are pinned."""

from backupcheck.sitekeys.command import KeysOptions, keys
from backupcheck.sitekeys.look import look

__all__ = ["KeysOptions", "keys", "look"]
