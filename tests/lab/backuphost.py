"""CT300, the backup container: as it comes from Proxmox, before Ansible has been there."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path
from typing import ClassVar

from backupcheck import proc
from backupcheck.lxc import Limits, Mount, Port, ServiceContainer
from backupcheck.lxc.fixture import Surroundings
from backupcheck.lxc.image import cache_folder
from tests.lab.image import BACKUP
from tests.lab.lab import REPOSITORY_ROOT, Lab

WHEELHOUSE = "/srv/wheelhouse"
STORAGE = "/mnt/storage"
SECONDS = 600.0
PROXY = re.compile(r"(https?|no)_proxy", re.IGNORECASE)


class BackupHost(ServiceContainer):
    """An unprivileged container with the storage read-only, its folder `backups` read-write, and some wheels."""

    name = "ct300"
    address = "198.18.3.0"
    image = BACKUP
    limits = Limits()
    storage: ClassVar[Path]

    @classmethod
    def of_lab(cls, lab: Lab, wheels: Path) -> BackupHost:
        """The one of a lab; it ends with this process, at the latest."""
        storage = lab.fleet.folder / "storage"
        (storage / "backups").mkdir(parents=True, exist_ok=True)
        mounts = (
            Mount(storage, STORAGE),
            Mount(storage / "backups", f"{STORAGE}/backups", read_only=False),
            Mount(wheels, WHEELHOUSE),
        )
        kind = type(cls.__name__, (cls,), {"mounts": mounts, "storage": storage, "__doc__": cls.__doc__})
        port = Port(lab.fleet.network, cls.address)
        made: BackupHost = kind(Surroundings(lab.fleet.folder / "containers", port, lab.fleet.ssh, kept=False))
        return made


def wheelhouse(folder: Path) -> Path:
    """A folder with wheels of this checkout and of all that it needs, for the container's Python."""
    shutil.copytree(_dependencies(), folder, dirs_exist_ok=True)
    _pip("wheel", "--no-deps", f"--wheel-dir={folder}", str(REPOSITORY_ROOT))
    return folder


def _dependencies() -> Path:
    """The wheels that pyproject.toml asks for; downloaded once, beside the images."""
    python = max(path.name.removeprefix("python") for path in (BACKUP.ensure() / "usr/bin").glob("python3.??"))
    project = (REPOSITORY_ROOT / "pyproject.toml").read_bytes()
    folder = cache_folder().parent / f"wheels-{python}-{hashlib.sha256(project).hexdigest()[:12]}"
    if not folder.is_dir():
        draft = folder.with_name(f".{folder.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        chosen = ("--only-binary=:all:", f"--python-version={python}", f"--dest={draft}")
        own = draft / "own"
        _pip("wheel", "--no-deps", f"--wheel-dir={own}", str(REPOSITORY_ROOT))
        _pip("download", *chosen, str(next(own.glob("*.whl"))))
        shutil.rmtree(own)
        next(draft.glob("backupcheck-*.whl")).unlink()
        draft.rename(folder)
    return folder


def _pip(*words: str) -> None:
    argv = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words)
    env = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or PROXY.fullmatch(name)}
    proc.run(proc.Command(argv, SECONDS, env=env))
