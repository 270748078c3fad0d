"""What only LiveSync knows: the documents without which no device can open the vault."""

from __future__ import annotations

from collections.abc import Callable

from backupcheck.fixtures import RestoredCouchdb

NEEDED = {"obsydian_livesync_version", "_local/obsidian_livesync_sync_parameters"}


def test_the_vault_has_what_every_device_asks_for_first(couchdb: Callable[[str], RestoredCouchdb]) -> None:
    """The vault's version and its encryption's parameters are there."""
    ids = {document.id for document in couchdb("/opt/couchdb/data").documents("vault")}

    assert NEEDED - ids == set()
