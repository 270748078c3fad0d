"""A service made for cases of CouchDB: a vault of notes as LiveSync keeps it, and what is done to its files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from backupcheck.couchfile import iter_documents
from tests.checks.couchdata import DATA, restored
from tests.couchfile.writer import Leaf, Written, write_couch
from tests.faults.corpus.data import SPECS, After, Data, Harmed, Made
from tests.faults.corpus.pulled import Pulled
from tests.faults.livesync import ADMIN, RANGE, SUFFIX, LiveSync, healthy

SHARDS = f"{DATA}/shards/{RANGE}"
VAULT, USERS, MAP = f"{SHARDS}/vault{SUFFIX}.couch", f"{SHARDS}/_users{SUFFIX}.couch", f"{DATA}/_dbs.couch"
BLOCK = 4096
SPEC = (SPECS / "vault.yaml").read_text()
Harm = Callable[[Harmed], object]
Change = Callable[[LiveSync], object]


def vault(root: Path) -> None:
    """The folders of a server that has the vault, with what edits, conflicts and deletions leave in it."""
    healthy().write(root)


def real(root: Path) -> None:
    """The folders of that real server."""
    restored(root)
    settings = root / "opt/couchdb/etc/local.d"
    settings.mkdir(parents=True)
    (settings / "docker.ini").write_text(ADMIN)


COPIED = Made(vault, SPEC, tests=True)
"""Its files were copied while the server was stopped: nothing was counted, and its people ask as well."""
LOCAL = SPEC.replace("host: vault", "host: local")
CAPTURED = Pulled(vault, LOCAL)
"""The capture `couchdb` copies and counts it; the harm is done at the source."""
ON_THE_WAY = Pulled(vault, LOCAL, After.COUNTING)
SEALED = Pulled(vault, LOCAL, After.SEAL)
REAL = Data("vault", After.COUNTING)
"""Sixteen databases as a real CouchDB wrote them, in one and in two shards, with indexes; counted before."""
OF_A_REAL_SERVER = Pulled(real, LOCAL)
"""The same server, captured at the source."""


def file(path: str, harm: Callable[[Path], object]) -> Harm:
    """Something is done to one file."""
    return lambda data: harm(data.place(path))


def cut(size: Callable[[int], int]) -> Callable[[Path], object]:
    """A file is cut to a size that follows from its own."""
    return lambda place: os.truncate(place, size(place.stat().st_size))


def back_to(share: float) -> Callable[[Path], object]:
    """A file is as it was when it had so much of its size: CouchDB only appends, a header at the end of each."""

    def harm(place: Path) -> None:
        content = place.read_bytes()
        for at in range(int(len(content) * share) // BLOCK * BLOCK, -1, -BLOCK):
            if content[at] == 1:
                return os.truncate(place, at + 5 + int.from_bytes(content[at + 1 : at + 5], "big"))
        raise AssertionError("no header before this place")

    return harm


def appended(content: bytes) -> Callable[[Path], object]:
    """Bytes come to a file's end."""
    return lambda place: place.write_bytes(place.read_bytes() + content)


def written_anew(change: Change, make: Callable[[], LiveSync] = healthy) -> Harm:
    """The server has another vault than it had: what its owner, or a device, did to it."""

    def harm(data: Harmed) -> None:
        made = make()
        change(made)
        shutil.rmtree(data.place("/opt"))
        made.write(data.place("/"))

    return harm


def lost(*names: str) -> Change:
    """Documents, or `_local` ones, are not there."""
    return lambda made: [(made.leaves.pop(name, None), made.local.pop(name, None)) for name in names]


def body(name: str, **more: object) -> Change:
    """Another body of a document."""

    def change(made: LiveSync) -> None:
        leaf = made.leaves[name][0]
        assert isinstance(leaf.body, dict)
        made.leaves[name][0] = replace(leaf, body={**leaf.body, **more})  # type: ignore[dict-item]

    return change


def deleted(wanted: Callable[[str], bool]) -> Change:
    """Documents of some names are deleted, and a stub stays of each."""

    def change(made: LiveSync) -> None:
        for name in filter(wanted, list(made.leaves)):
            made.leaves[name] = [Leaf({}, depth=2, deleted=True)]

    return change


def no_database(place: Path) -> None:
    """A database that was never written to, under a name that the shard map has."""
    write_couch(place, [])


def bit_of_a_body(data: Harmed) -> None:
    """One bit of a document that lies uncompressed in its file."""
    folder = data.place(DATA)
    one = next(one for one in iter_documents(folder, "nocomp") if one.id == "d003")
    text = one.body["body"]
    assert isinstance(text, str)
    _flip(one.file, one.file.read_bytes().rindex(text[:24].encode()) + 4)


def bit_of_an_attachment(data: Harmed) -> None:
    """One bit of an attachment, of which CouchDB gives out what is left without a word."""
    for one in iter_documents(data.place(DATA), "att"):
        for attachment in one.attachments:
            if attachment.encoding == "identity" and attachment.stored_length > 1000:
                return _flip(one.file, attachment.pieces[0] + 100)
    raise AssertionError("no such attachment")


def _flip(place: Path, at: int) -> None:
    content = bytearray(place.read_bytes())
    content[at] ^= 16
    place.write_bytes(content)


def places_changed(one: str, other: str) -> Harm:
    """Two files come under each other's name."""

    def harm(data: Harmed) -> None:
        first, second = data.place(one), data.place(other)
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)

    return harm


def renamed(path: str, name: str) -> Harm:
    return lambda data: data.place(path).rename(data.place(name))


def compacted(made: LiveSync) -> list[Written]:
    """The documents of a vault in the order in which the writer numbers them."""
    return [Written(name.encode(), tuple(leaves)) for name, leaves in sorted(made.leaves.items())]
