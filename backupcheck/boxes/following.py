"""Follows the rows of a query into a restored tree, to the file that each of them names."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, StrictStr

from backupcheck.boxes.rows import Row
from backupcheck.errors import UnsafePath
from backupcheck.result import Text
from backupcheck.seams import Facts
from backupcheck.tree import Tree, named

COLUMN = re.compile(r"\{(\w+)(?::(url|name))?\}")
MOST_SHOWN = 100
LONGEST_ROW = 300


def _is_template(path: str) -> str:
    if not COLUMN.search(path):
        raise ValueError("names no column of the query: write one as {name}")
    fixed = COLUMN.sub("", path)
    if "{" in fixed or "}" in fixed:
        raise ValueError("has a brace that is no column: write {name}, {name:url} or {name:name}")
    if not path.startswith(("/", "{")) or ".." in fixed.split("/"):
        raise ValueError("must be an absolute path without `..`, such as /opt/app/uploads/{file}")
    return path


Template = Annotated[StrictStr, AfterValidator(_is_template)]


class Place(Facts):
    """Where a row leads, the row, and what is there."""

    path: Text
    row: Text = ""
    found: Text = ""


class Places(Facts):
    """How many, and the first hundred of them."""

    count: int = 0
    first: tuple[Place, ...] = ()


class Following:
    """Follows rows into a tree; of the paths only digests are kept."""

    def __init__(self, tree: Tree, template: str) -> None:
        self._tree = tree
        self._template = template
        self._seen: set[bytes] = set()
        self._counts: dict[str, int] = {}
        self._first: dict[str, list[Place]] = {}
        self.rows = 0
        self.files = 0

    @property
    def referred(self) -> int:
        """How many paths rows lead to."""
        return len(self._seen)

    def follow(self, row: Row) -> None:
        """Look where a row leads. Raises `KeyError` for a column that it has not."""
        self.rows += 1
        path = _filled(self._template, row)
        if path is None:
            return
        digest = _digest(os.fsencode(path))
        if digest in self._seen:
            return
        self._seen.add(digest)
        kind, found = self._at(path)
        if kind and self._is_noted(kind):
            text = ", ".join(f"{name}={value}" for name, value in row.items())
            self._first[kind].append(Place(path=path, row=text[:LONGEST_ROW], found=found))

    def _at(self, path: str) -> tuple[str, str]:
        """What is wrong with a path, if anything, and what is there."""
        if "\0" in path or ".." in path.split("/") or not path.startswith("/"):
            return "unsafe", "no path within its folder"
        try:
            status = self._tree.status(path)
        except UnsafePath:
            return "missing", "nothing that can be followed"
        if status is None:
            return "missing", "nothing"
        if not stat.S_ISREG(status.st_mode):
            return "missing", named(status.st_mode)
        return ("empty", "an empty file") if status.st_size == 0 else ("", "")

    def find_orphans(self, pattern: str) -> None:
        """Count the files of a pattern, and those that no row led to."""
        for entry in self._tree.glob(pattern):
            if entry.is_file:
                self.files += 1
                if _digest(entry.path) not in self._seen and self._is_noted("orphan"):
                    self._first["orphan"].append(Place(path=entry.text))

    def places(self, kind: str) -> Places:
        """Where rows lead that are `missing`, `empty` or `unsafe`; or what is an `orphan`."""
        return Places(count=self._counts.get(kind, 0), first=tuple(self._first.get(kind, ())))

    def _is_noted(self, kind: str) -> bool:
        """Count one more; whether it is one of those that are named."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return len(self._first.setdefault(kind, [])) < MOST_SHOWN


def _filled(template: str, row: Row) -> str | None:
    """A row's path, a slash once; None if one of its columns is empty."""
    values = [_cell(row[name], change) for name, change in COLUMN.findall(template)]
    if not all(values):
        return None
    rest = iter(values)
    return re.sub("/+", "/", COLUMN.sub(lambda _: next(rest), template))


def _cell(value: str | None, change: str) -> str:
    text = value or ""
    if change == "url":
        text = unquote(text, errors="surrogateescape")
    return text.rpartition("/")[2] if change == "name" else text


def _digest(path: bytes) -> bytes:
    return hashlib.blake2b(path, digest_size=16).digest()
