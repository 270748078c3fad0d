"""A database, or a dump of one, is that of the snapshot before: nothing that came since is in it."""

from __future__ import annotations

import filecmp
import shutil
from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import databases
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Artefact, Origin, below


class Yesterday(Mutator):
    """As a copy leaves it that nobody made anew: a dump job that stopped, a pull of the wrong folder."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each database and dump that is another than in the snapshot before."""
        for one in origin.holding("sqlite", "dump") if origin.yesterday else ():
            assert origin.yesterday is not None
            old = below(origin.yesterday, one.path)
            if not old.is_file() or old.is_symlink() or filecmp.cmp(old, one.below(origin.root), shallow=False):
                continue
            paths = databases.pieces(one.path) if one.holds == "sqlite" else (one.path,)

            def harm(root: Path, paths: tuple[str, ...] = paths, yesterday: Path = origin.yesterday) -> bool:
                return _put_back(root, yesterday, paths)

            yield self.mutant(one.path, "it is that of the snapshot before", paths, _cure(origin, one), harm)


def _cure(origin: Origin, one: Artefact) -> str:
    """A value that only today's data can have; both where it is written and where it is asked."""
    place: dict[str, object] = {"sqlite": {"path": one.path}}
    if one.holds == "dump":
        captures = [taken for taken in origin.spec.capture if one.path in taken.provides()]
        names = [str(getattr(taken, "database", "")) for taken in captures]
        place = {"postgres": {"dump": one.path, "database": next(filter(None, names), "DATABASE")}}
    written = {
        kind: {key: said for key, said in fields.items() if key != "dump"} for kind, fields in _plain(place)
    }
    return f"{line('canary', **place)}\n# and below `capture`: {line('canary', **written)}"


def _plain(place: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    for kind, fields in place.items():
        if isinstance(fields, dict):
            yield kind, fields


def _put_back(root: Path, yesterday: Path, paths: tuple[str, ...]) -> bool:
    for path in paths:
        old, now = below(yesterday, path), below(root, path)
        now.unlink(missing_ok=True)
        if old.is_file() and not old.is_symlink():
            shutil.copy2(old, now)
    return True
