"""Restores of several services by one call of restic: those whose checks take longest, and beside them all others.

A call opens the repository, which takes longer than a small service's data, and does so on a single core; so there
are two. If anything at all goes wrong in one that restores several, nothing of it is kept, and each service is
restored by itself: so every fault is that of the service that has it, and no service suffers from another's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backupcheck.boxes import folder as scratchfolder
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.plan import Stored
from backupcheck.restic.repository import Repository
from backupcheck.tree import Tree

SHORT = 1.0
"""Checks of so few seconds are not worth a call of their own."""
PER_FILE = 40_000
"""A file takes as long to restore as so many bytes do."""
RESTORED = "restored"


@dataclass(frozen=True)
class Landed:
    """A restored service: its tree, restic's lines about what is lost, and seconds; of a joint restore its share,
    by bytes and files."""

    tree: Tree
    damage: tuple[str, ...]
    seconds: float


def phases(services: Mapping[str, Stored]) -> tuple[tuple[str, ...], ...]:
    """Which services are restored together, those that are asked longest first; two at most."""
    heaviest = max((stored.weight for stored in services.values()), default=0.0)
    ordered = sorted(services, key=lambda name: -services[name].weight)
    first = tuple(name for name in ordered if services[name].weight >= max(SHORT, heaviest / 2))
    rest = tuple(name for name in ordered if name not in first)
    return tuple(phase for phase in (first, rest) if phase)


def restored_alone(repository: Repository, snapshot: str, stored: Stored, folder: Path) -> Landed:
    """One service, below `folder`; raises as `Repository.restore`."""
    alone = folder / "alone"
    try:
        restored = repository.restore(snapshot, stored.path, alone)
        return Landed(Tree(_moved(alone, stored, folder)), restored.damage, restored.seconds)
    finally:
        scratchfolder.remove(alone)


def restored_together(
    repository: Repository, snapshot: str, services: Mapping[str, Stored], folders: Mapping[str, Path]
) -> dict[str, Landed]:
    """Several services, each below its own of `folders`, which share a parent; none at all if anything went wrong.

    Raises `Interrupted`.
    """
    joint = next(iter(folders.values())).parent / "+".join(["joint", next(iter(services))])
    try:
        paths = [stored.path for stored in services.values()]
        restored = repository.restore(snapshot, paths[0], joint, *paths[1:])
        if restored.damage:
            return {}
        return {
            name: Landed(Tree(_moved(joint, stored, folders[name])), (), restored.seconds * share)
            for (name, stored), share in zip(services.items(), _shares(list(services.values())), strict=True)
        }
    except Interrupted:
        raise
    except (BackupcheckError, OSError):
        for folder in folders.values():
            scratchfolder.remove(folder / RESTORED)
        return {}
    finally:
        scratchfolder.remove(joint)


def _moved(joint: Path, stored: Stored, folder: Path) -> Path:
    """Where a service's tree has come to lie; there is none if restic restored none.

    What is above it in the snapshot stays behind: its modes would keep the boxes' users out.
    """
    target = folder / RESTORED
    restored = joint / stored.path.lstrip("/")
    if restored.is_dir() and not restored.is_symlink():
        restored.rename(target)
    return target


def _shares(services: Sequence[Stored]) -> list[float]:
    costs = [1 + stored.bytes + PER_FILE * stored.files for stored in services]
    return [cost / sum(costs) for cost in costs]
