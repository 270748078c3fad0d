"""What must be the same, beside the data, for a proof to say today what it said when it was made."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from backupcheck.plan import repository_of
from backupcheck.policy import needs_content
from backupcheck.seams import Engine
from backupcheck.spec import Site, Spec

PACKAGE = "backupcheck"


class Key(BaseModel):
    """Of which repository and whose snapshots, by which spec, asked by which code with which tools, and where.

    `spec` is the digest of the spec, `code` that of the checks and of all that they stand on, `image` the version
    of the scratch image; `inspects` says whether it is looked at what the restored files are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str
    host: str
    tags: tuple[str, ...]
    mirror: str
    spec: str
    code: str
    tools: tuple[str, ...]
    engine: str
    image: str
    inspects: bool

    @property
    def text(self) -> str:
        """The key as it is kept and compared."""
        return self.model_dump_json()


def key_of(site: Site, spec: Spec, engine: Engine, restic: str) -> Key | None:
    """The key of a proof that is made here and now; None where something of it is not known, so that no proof may
    be carried. `restic` is its version."""
    image, code = engine.version(spec.image), _code_of(spec)
    if not (image and code and re.match(r"\d", restic)):
        return None
    return Key(
        repository=repository_of(site).access.name,
        host=site.snapshot_host,
        tags=site.repository.tags,
        mirror=str(site.mirror),
        spec=spec.digest,
        code=code,
        tools=(f"restic {restic}", *_tools()),
        engine=engine.kind(),
        image=image,
        inspects=needs_content(site, spec),
    )


def _code_of(spec: Spec) -> str:
    """The digest of the source of every package that asks something of a service; empty where one has none."""
    asking = {PACKAGE, *(type(check).__module__.partition(".")[0] for check in spec.checks)}
    digests = [source_digest(package) for package in sorted(asking)]
    return hashlib.sha256("".join(digests).encode()).hexdigest() if all(digests) else ""


@cache
def source_digest(package: str) -> str:
    """The digest of all Python files of an imported package or module; empty where there are none."""
    place = getattr(sys.modules.get(package), "__file__", None)
    if place is None:
        return ""
    file = Path(place)
    files = sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]
    whole = hashlib.sha256()
    for each in files:
        data = each.read_bytes()
        whole.update(f"{each.relative_to(file.parent)} {len(data)}\n".encode() + data)
    return whole.hexdigest() if files else ""


@cache
def _tools() -> tuple[str, ...]:
    """What the checks stand on here: Python, SQLite, the libraries, and as whom they ask."""
    named = (re.match(r"[\w.-]+", line) for line in metadata.requires(PACKAGE) or () if "extra ==" not in line)
    libraries = [f"{name[0]} {_version(name[0])}" for name in named if name]
    return (f"python {sys.version}", f"sqlite {sqlite3.sqlite_version}", f"user {os.geteuid()}", *libraries)


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not there"
