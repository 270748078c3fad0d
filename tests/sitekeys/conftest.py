"""One sshd for all tests of the site's keys, a site for each, and the command without a process of its own."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck import sitekeys
from backupcheck.sitekeys import KeysOptions
from backupcheck.spec import load_site, load_specs
from tests.sitekeys.place import Keys, Place, Said
from tests.sshd import Sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, server: Sshd) -> Place:
    server.pin()
    return Place.made(tmp_path, server)


@pytest.fixture
def keys(place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Keys:
    """`backupcheck keys` without a terminal; the site and its specs are read each time."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def run(only: str = "", **options: object) -> Said:
        site = load_site(place.site_file)
        specs = load_specs(site.specs)
        wanted = [spec for spec in specs if only in ("", spec.service)]
        code = sitekeys.keys(site, specs, wanted, KeysOptions(**options))  # type: ignore[arg-type]
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return run
