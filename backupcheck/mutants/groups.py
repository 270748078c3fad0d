"""Files of a like: of one depth and name's end in one part of the tree, of which one stands for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from backupcheck.mutants.mutant import chosen
from backupcheck.mutants.origin import Artefact, Origin

TOP = 3
"""How many folders from the top files of a like share."""
MADE_AGAIN = (".view", ".log")
"""Ends of names of what a service makes anew when it is gone."""


@dataclass(frozen=True)
class Group:
    """Files that are not empty; `pattern` finds just them, None where no pattern does, or there is one only."""

    files: tuple[Artefact, ...]
    pattern: str | None


def chosen_groups(origin: Origin, artefacts: Iterable[Artefact]) -> list[Group]:
    """Those that the spec names, and a few others: those of most files, then of most bytes, first."""
    found: dict[tuple[object, ...], list[Artefact]] = {}
    for one in artefacts:
        place = PurePosixPath(one.path)
        if place.suffix not in MADE_AGAIN:
            alike = (len(place.parts), place.parts[1 : TOP + 1][: len(place.parts) - 2], place.suffix)
            found.setdefault(alike if place.suffix else (str(place.parent),), []).append(one)
    groups = [_group(files) for files in found.values() if any(one.size for one in files)]
    groups.sort(key=_order)
    return chosen(groups, lambda group: any(origin.is_named(one.path) for one in group.files))


def _group(files: list[Artefact]) -> Group:
    full = tuple(one for one in files if one.size)
    alone = len(files) == 1 or not PurePosixPath(files[0].path).suffix or len(full) < len(files)
    return Group(full, None if alone else _pattern(files))


def _pattern(files: list[Artefact]) -> str:
    places = [PurePosixPath(one.path).parts[1:] for one in files]
    folders = [names[0] if len(set(names)) == 1 else "*" for names in zip(*places, strict=True)][:-1]
    return "/" + "/".join((*folders, f"*{PurePosixPath(files[0].path).suffix}"))


def _order(group: Group) -> tuple[int, int, str]:
    return -len(group.files), -sum(one.size for one in group.files), group.files[0].path
