"""Rows of Mealie's tables, generated from a seed, as the text of Postgres' COPY."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import re
import unicodedata
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from tests.lab.makers.family import before

Claims = dict[str, str | int | bool]
Value = str | int | float | bool | datetime | date | uuid.UUID | None


@dataclass(frozen=True)
class Recipe:
    """What the files on disk must agree with."""

    id: uuid.UUID
    slug: str
    has_image: bool
    asset: str | None


@dataclass
class Mealie:
    """All of one Mealie's rows: `tables` in an order that its foreign keys allow."""

    rng: random.Random
    secret: str
    tables: dict[str, list[dict[str, Value]]] = field(default_factory=dict)
    recipes: list[Recipe] = field(default_factory=list)
    users: list[uuid.UUID] = field(default_factory=list)

    def add(self, table: str, **values: Value) -> None:
        """Add a row that says when it was made and changed, as most of Mealie's do."""
        made = before(self.rng, 700).replace(tzinfo=None)
        changed = made + timedelta(minutes=self.rng.randrange(90))
        self.add_undated(table, created_at=made, update_at=changed, **values)

    def add_undated(self, table: str, **values: Value) -> None:
        """Add a row that does not."""
        self.tables.setdefault(table, []).append(values)

    def id(self) -> uuid.UUID:
        """A new random id, of the seed."""
        return uuid.UUID(int=self.rng.getrandbits(128), version=4)

    def named(self, table: str, names: tuple[str, ...], **values: Value) -> list[uuid.UUID]:
        """One row a name, with its slug; the new ids."""
        ids = []
        for name in names:
            ids.append(self.id())
            self.add(table, id=ids[-1], name=name, slug=slug(name), **values)
        return ids

    def sql(self) -> str:
        """COPY statements for every table, and the sequences set behind them."""
        return "".join(
            (*(_copy(table, rows) for table, rows in self.tables.items()), *map(_sequence, self._numbered()))
        )

    def _numbered(self) -> Iterator[str]:
        return (table for table, rows in self.tables.items() if isinstance(rows[0].get("id"), int))


def slug(name: str) -> str:
    """`name` as part of a URL."""
    return re.sub(r"[^a-z0-9]+", "-", plain(name)).strip("-")


def plain(text: str) -> str:
    """`text` in lower case without accents, as Mealie keeps it for searching."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def jwt(claims: Claims, secret: str) -> str:
    """A token signed with HS256, as Mealie hands it out."""
    parts = [
        _base64(json.dumps(part, separators=(",", ":")).encode())
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    ]
    signature = hmac.new(secret.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join((*parts, _base64(signature)))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _copy(table: str, rows: list[dict[str, Value]]) -> str:
    columns = ", ".join(f'"{name}"' for name in rows[0])
    lines = "".join("\t".join(_copied(value) for value in row.values()) + "\n" for row in rows)
    return f"COPY {table} ({columns}) FROM stdin;\n{lines}\\.\n"


def _copied(value: Value) -> str:
    if value is None:
        return r"\N"
    return str(value).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n")


def _sequence(table: str) -> str:
    return f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}));\n"
