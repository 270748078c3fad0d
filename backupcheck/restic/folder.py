"""What restic cannot tell apart, looked into where the repository is a folder of this machine."""

from __future__ import annotations

from pathlib import Path

from backupcheck.errors import BackupcheckError, BadBackup
from backupcheck.restic.failures import DAMAGED, NOT_FOUND, WRONG_PASSWORD


def looked_into(known: BackupcheckError, folder: Path) -> BackupcheckError:
    """The failure, or what it comes of as the repository's folder shows: keys, configuration or index are lost."""
    if known.id == WRONG_PASSWORD and _is_empty(folder / "keys"):
        return BadBackup(
            f"the repository {folder} has no keys any more, so no password opens it",
            id="repository.keys-missing",
            advice="restore the keys/ folder of the repository from its copy",
        )
    if known.id == NOT_FOUND and not _is_empty(folder / "keys"):
        return BadBackup(
            f"the repository {folder} has lost its file `config`",
            id="repository.config-missing",
            advice="restore that file from the repository's copy; never run `restic init` over it",
        )
    if known.id == DAMAGED and _is_empty(folder / "index"):
        return BadBackup(
            f"the repository {folder} has lost its index; the data may be whole",
            id="repository.index-missing",
            advice="restore index/ from the repository's copy, or have `restic rebuild-index` (from 0.16 on "
            "`restic repair index`) make it of the packs; then run `restic check --read-data`",
        )
    return known


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False
