"""The pictures of a source are encrypted: the night is red, it is named once, and no baseline moves."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backupcheck.history import FILE, History
from tests.lab.makers.pictures import jpeg
from tests.night import Report
from tests.smallsite import SERVICES, SmallSite, small_site

PICTURES = 60
LOCKED = 24
"""Of more names at once the pull itself refuses to delete so many in the mirror."""
SPEC = """\
service: album
source: {host: local, root: ../source, paths: [/srv/album/]}
checks:
  - seal: {}
  - files: {glob: "/srv/album/*", count: {gte: 60}}
"""
POLICY = "policies: [{growth: {}}]\n"


class Album:
    """A site with one service of sixty pictures, and what its nights said."""

    def __init__(self, site: SmallSite) -> None:
        self.site = site
        self.folder = site.source / "srv/album"
        for name in SERVICES:
            (site.specs / f"{name}.yaml").unlink()
        (site.specs / "album.yaml").write_text(SPEC)
        site.site.write_text(site.site.read_text() + POLICY)
        self.folder.mkdir()
        self.photograph(1)
        self.first = self.night()
        self.before = self.marks
        for path in sorted(self.folder.iterdir())[:LOCKED]:
            locked(path)
        self.locked = self.night()
        self.every(Path.unlink)
        self.photograph(2)
        self.every(encrypted)
        self.encrypted = self.night()
        self.after = self.marks
        self.accepted = site.command("history", "--accept", "album")

    @property
    def marks(self) -> bytes | None:
        """What the next night is compared with."""
        return History(self.site.folder / "state" / FILE).content("album").marks

    def photograph(self, seed: int) -> None:
        rng = random.Random(seed)
        for number in range(PICTURES):
            (self.folder / f"{number:02}.jpg").write_bytes(jpeg(rng, 48, 48))

    def every(self, change: Callable[[Path], None]) -> None:
        for path in sorted(self.folder.iterdir()):
            change(path)

    def night(self) -> Report:
        return self.site.night()


def encrypted(path: Path) -> None:
    """As one who asks for money does it, with OpenSSL under the same name."""
    line = ["openssl", "enc", "-aes-256-ctr", "-pbkdf2", "-iter", "1", "-pass", "pass:pay", "-in", path.name]
    done = subprocess.run(line, cwd=path.parent, capture_output=True, check=True)
    path.write_bytes(done.stdout)


def locked(path: Path) -> None:
    encrypted(path)
    path.rename(path.with_name(path.name + ".locked"))


@pytest.fixture(scope="module")
def album() -> Iterator[Album]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    with small_site() as site:
        yield Album(site)


def of_growth(report: Report, *outcomes: str) -> list[dict[str, Any]]:
    """The findings of the policy with these outcomes."""
    (policy,) = [policy for policy in report.run["policies"] if policy["kind"] == "growth"]
    return [finding for finding in policy["findings"] if finding["outcome"] in (outcomes or ("fail", "error"))]


def test_a_healthy_album_is_green(album: Album) -> None:
    passed = {finding["id"]: finding["message"] for finding in of_growth(album.first, "pass")}

    assert album.first.status == 0
    assert passed["growth.looks-encrypted"] == "none of 60 files of known types looks encrypted"
    assert of_growth(album.first, "fail", "error", "warn") == []


def test_a_new_ending_behind_every_name_is_named_though_its_type_is_not_known(album: Album) -> None:
    (named,) = of_growth(album.locked, "fail", "error", "warn")

    assert album.locked.status == 4
    assert (named["id"], named["subject"]) == ("growth.looks-encrypted", "album")
    assert "24 of 60 files have other content and .locked behind their old names" in named["message"]


def test_encrypted_pictures_are_named_once(album: Album) -> None:
    (named,) = of_growth(album.encrypted, "fail", "error", "warn")

    assert album.encrypted.status == 4
    assert album.encrypted.outcomes() == {"album": "pass"}
    assert (named["id"], named["subject"], named["actual"]) == ("growth.looks-encrypted", "album", "60 of 60")
    assert "/srv/album/00.jpg" in named["message"]
    assert "stop `forget` and `prune`" in named["advice"]


def test_what_is_encrypted_is_no_baseline(album: Album) -> None:
    """The night after the locked one is still compared with the one before."""
    (named,) = of_growth(album.encrypted)

    assert "60 of 60 files have become random bytes since it was good" in named["message"]
    assert album.before is not None
    assert album.before == album.after


def test_a_persons_word_is_told(album: Album) -> None:
    said = album.accepted.stdout.decode()

    assert (album.accepted.code, album.accepted.stderr) == (0, "")
    assert "album files that look encrypted: 0 -> 60" in said
    assert "album files with other content: 0 -> 60" in said
