"""Sweeps beyond the table: bits flipped at random places, files cut at line ends and anywhere, pages made blank.

After the seal nothing may be missed: it has every file's hash. What else would have seen the mutant is counted,
so that the matrix shows how much rests on the seal alone. FAULTS=all takes every place instead of some.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.faults.corpus.case import Said
from tests.faults.corpus.data import After, Data
from tests.faults.corpus.rooms import Rooms
from tests.faults.corpus.tally import TALLY

pytestmark = [pytest.mark.lxc, pytest.mark.lab]

WHOLE = os.environ.get("FAULTS") == "all"
SEED = 20
Mutant = tuple[str, bytes]


@dataclass(frozen=True)
class Artefact:
    """A file of a service, the first that the glob finds, and how many mutants of each sort are taken."""

    service: str
    glob: str
    some: int
    page: int = 0
    lines: bool = False


ARTEFACTS = (
    Artefact("lldap", "var/lib/lldap/users.db", 6, page=4096),
    Artefact("lldap", "var/lib/lldap/private_key", 3),
    Artefact("wishlist", "opt/wishlist/data/prod.db", 6, page=4096),
    Artefact("wishlist", "opt/wishlist/uploads/*.webp", 3),
    Artefact("authelia", "etc/authelia/configuration.yml", 4, lines=True),
    Artefact("caddy", "var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt", 3, lines=True),
    Artefact("caddy", "var/lib/caddy/.local/share/caddy/pki/authorities/local/root.key", 3, lines=True),
    Artefact("vault", "opt/couchdb/data/shards/00000000-7fffffff/vault.*.couch", 6, page=4096),
    Artefact("mealie", "tmp/mealie_backup.sql", 2, lines=True),
)


@pytest.mark.parametrize("artefact", ARTEFACTS, ids=lambda artefact: artefact.glob.rpartition("/")[2])
def test_no_mutant_is_missed_after_the_seal(artefact: Artefact, rooms: Rooms) -> None:
    counts: Counter[str] = Counter()
    missed = []
    with Data(artefact.service, After.SEAL).open(rooms) as data:
        place = min(data.root.glob(artefact.glob))
        healthy = place.read_bytes()
        assert not data.said().red
        for name, content in mutants(artefact, healthy):
            place.write_bytes(content)
            oracle = seen_by(data.said())
            counts[oracle] += 1
            missed += [name] if oracle == "missed" else []
    TALLY.sweeps[f"{artefact.service}: {artefact.glob.rpartition('/')[2]}"] = counts

    assert missed == []
    assert counts.total() >= artefact.some


def mutants(artefact: Artefact, content: bytes) -> Iterator[Mutant]:
    """Each differs from the content."""
    chance = random.Random(SEED)
    size = len(content)
    for place in _chosen(chance, range(size), artefact.some):
        flipped = bytearray(content)
        flipped[place] ^= 1 << chance.randrange(8)
        yield f"a bit of byte {place} flipped", bytes(flipped)
    ends = [at + 1 for at in range(size - 1) if content[at : at + 1] == b"\n"] if artefact.lines else []
    for place in (*_chosen(chance, ends, artefact.some), *_chosen(chance, range(size), artefact.some)):
        yield f"cut after {place} bytes", content[:place]
    pages = range(0, size, artefact.page) if artefact.page else ()
    for place in _chosen(chance, pages, artefact.some):
        blank = content[:place] + bytes(artefact.page) + content[place + artefact.page :]
        if blank != content:
            yield f"a blank page at {place}", blank


def _chosen(chance: random.Random, places: range | list[int] | tuple[()], some: int) -> list[int]:
    return list(places) if WHOLE or len(places) <= some else sorted(chance.sample(places, some))


def seen_by(said: Said) -> str:
    """The first oracle that saw it."""
    by = {_oracle(id) for id in said.red}
    return next((oracle for oracle in ("structure", "counts", "history", "seal") if oracle in by), "missed")


def _oracle(id: str) -> str:
    if id.startswith("seal."):
        return "seal"
    if id.startswith("growth."):
        return "history"
    return "counts" if id.endswith("captured") else "structure"
