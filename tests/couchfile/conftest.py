"""The real data directory of a CouchDB 3.5.0, and what its server said of it."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from backupcheck.couchfile import verify_file

from .samples import some_documents
from .writer import write_couch

DATA = Path(__file__).parent.parent / "data" / "couchdb"


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory, to be read only."""
    folder = tmp_path_factory.mktemp("couchdb")
    with tarfile.open(DATA / "couchdb-3.5.0.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def copy(real: Path, tmp_path: Path) -> Path:
    """The data directory, to be damaged."""
    return Path(shutil.copytree(real, tmp_path / "data"))


@pytest.fixture(scope="session")
def expected() -> dict[str, Any]:
    """By database, what the server said over HTTP."""
    found: dict[str, Any] = json.loads((DATA / "couchdb-3.5.0.expected.json").read_text())
    return found


@pytest.fixture
def healthy(tmp_path: Path) -> Path:
    path = tmp_path / "healthy.couch"
    write_couch(path, some_documents(), local={"_local/a": {"b": 1}}, security={"members": {"names": ["x"]}})
    assert verify_file(path).problems == ()
    return path
