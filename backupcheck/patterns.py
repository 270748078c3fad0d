"""Absolute path patterns: `*`, `?` and `[a-z]` within a name, `**` over folders.

Names that begin with a dot are names like all others, for a backup that lost its `.env` is no good. `**` stands
for any number of folders, also none; at the pattern's end it stands for all that is below, not for the folder
itself. Matching is quick for any name: a hostile one cannot make it go back and forth.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from pathlib import Path

ANY_FOLDERS = "**"


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a whole path matches an absolute pattern."""
    parts = Path(pattern).parts[1:]
    return _over_folders(parts) if ANY_FOLDERS in parts else _name_by_name(parts)


def within_any(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path, or a folder around it, matches one of the patterns."""
    matchers = [matcher(pattern) for pattern in patterns]

    def within(path: str) -> bool:
        names = _names(path) if matchers else []
        around = ["/" + "/".join(names[:length]) for length in range(1, len(names) + 1)]
        return any(matches(place) for place in around for matches in matchers)

    return within


def fixed_part(pattern: str) -> str:
    """The leading folders of a pattern that have no wildcard in them; the whole path if none has."""
    fixed: list[str] = []
    for part in Path(pattern).parts[1:]:
        if any(letter in part for letter in "*?["):
            break
        fixed.append(part)
    return "/" + "/".join(fixed)


def _names(path: str) -> list[str]:
    return path.strip("/").split("/")


def _asker(part: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(part)).match


def _name_by_name(parts: tuple[str, ...]) -> Callable[[str], bool]:
    askers = [_asker(part) for part in parts]

    def matches(path: str) -> bool:
        names = _names(path)
        return len(names) == len(askers) and all(ask(name) for ask, name in zip(askers, names, strict=True))

    return matches


def _over_folders(parts: tuple[str, ...]) -> Callable[[str], bool]:
    """All ways to match at once: a set of how many of the pattern's parts the names so far may have used up."""
    askers = [_asker(part) for part in parts]
    last = len(parts) - 1

    def spread(used: Iterable[int]) -> set[int]:
        """`**` may also stand for no folder, except at the end."""
        found = set()
        for step in used:
            found.add(step)
            while step < last and parts[step] == ANY_FOLDERS:
                step += 1
                found.add(step)
        return found

    def after(used: set[int], name: str) -> set[int]:
        found = set()
        for step in used - {last + 1}:
            if parts[step] == ANY_FOLDERS:
                found |= {step, last + 1} if step == last else {step}
            elif askers[step](name):
                found.add(step + 1)
        return found

    def matches(path: str) -> bool:
        used = spread({0})
        for name in _names(path):
            used = spread(after(used, name))
        return last + 1 in used

    return matches
