"""Real repositories for policies, and what a disk does to them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from backupcheck.restic.access import Access
from backupcheck.restic.repository import Repository

PASSWORD = "correct horse\n"
BACKUPS = 2


def make(folder: Path, name: str = "repository", files: dict[str, bytes] | None = None) -> Repository:
    """A repository in `folder` with one snapshot of the site `homelab`: files of the service `notes`, or these."""
    mirror = folder / "mirror"
    for path, content in (files or {"notes/opt/notes/a": b"a"}).items():
        (mirror / path).parent.mkdir(parents=True, exist_ok=True)
        (mirror / path).write_bytes(content)
    (folder / "password").write_text(PASSWORD)
    repository = Repository(Access(str(folder / name), folder / "password"))
    repository.init()
    repository.backup(mirror, "homelab", ("backupcheck",))
    return repository


def make_packs(folder: Path) -> Repository:
    """A repository with a few packs, some with an even and some with an odd first byte."""
    repository = make(folder)
    for number in range(BACKUPS):
        (folder / "mirror" / "notes" / "opt" / "notes" / str(number)).write_bytes(os.urandom(1000))
        repository.backup(folder / "mirror", "homelab", ("backupcheck",))
    return repository


def copy(base: Path, folder: Path) -> None:
    """A copy of a folder with a repository, that a test may damage."""
    shutil.copytree(base, folder, dirs_exist_ok=True)
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def packs(folder: Path) -> list[Path]:
    """The packs of the repository in `folder`, by id."""
    return sorted((folder / "repository" / "data").glob("??/*"))


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x20
    file.write_bytes(content)
