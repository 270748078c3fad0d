"""An image is either whole or not there, whatever happens to the process that makes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backupcheck.errors import ScratchError
from backupcheck.lxc import Image
from backupcheck.lxc.image import shift_owners

pytestmark = [
    pytest.mark.lxc,
    pytest.mark.skipif(
        os.geteuid() != 0 and os.environ.get("CI") != "true", reason="owners are shifted by root only"
    ),
]

QUICK = """#!/bin/sh
for last; do previous=$target; target=$last; done
mkdir -p "$previous/etc" && echo made > "$previous/etc/made"
cp "$0" "$previous/etc/setuid" && chmod 4755 "$previous/etc/setuid"
"""
SLOW = QUICK + "exec sleep 4713\n"
BROKEN = "#!/bin/sh\necho 'I: downloading' >&2\necho 'E: no such package: nosuch' >&2\nexit 25\n"
IMAGE = Image("tried", packages=("one",))
BUILDER = "from backupcheck.lxc import Image; Image('tried', packages=('one',)).ensure()"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("BACKUPCHECK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "cache"


def bootstrap_is(script: str, cache: Path) -> None:
    program = cache.parent / "bin" / "mmdebstrap"
    program.write_text(script)
    program.chmod(0o755)


def test_an_image_is_made_once_and_its_owners_are_shifted(cache: Path) -> None:
    bootstrap_is(QUICK, cache)
    path = IMAGE.ensure()
    bootstrap_is(BROKEN, cache)

    assert IMAGE.ensure() == path
    assert (path / "etc" / "made").stat().st_uid == 100_000
    assert (path / "etc" / "setuid").stat().st_mode & 0o7777 == 0o4755


def test_a_build_that_fails_names_the_reason_and_leaves_nothing(cache: Path) -> None:
    bootstrap_is(BROKEN, cache)

    with pytest.raises(ScratchError, match="the image tried cannot be made: E: no such package: nosuch"):
        IMAGE.ensure()

    assert [path.name for path in cache.iterdir()] == [".tried.lock"]


def test_a_build_killed_half_way_is_not_used_and_its_rest_is_removed(cache: Path) -> None:
    bootstrap_is(SLOW, cache)
    with subprocess.Popen([sys.executable, "-c", BUILDER]) as builder:
        until(lambda: any(cache.glob(".tried.building-*/etc/setuid")))
        builder.send_signal(signal.SIGKILL)
    assert not IMAGE.path.exists()
    bootstrap_is(QUICK, cache)

    IMAGE.ensure()

    assert sorted(path.name for path in cache.iterdir()) == [".tried.lock", IMAGE.key]
    until(lambda: not sleeping())


def test_a_second_process_waits_for_the_first_and_uses_its_image(cache: Path) -> None:
    bootstrap_is(QUICK + 'sleep 1; echo x >> "$(dirname $previous)/builds"\n', cache)

    with (
        subprocess.Popen([sys.executable, "-c", BUILDER]) as one,
        subprocess.Popen([sys.executable, "-c", BUILDER]) as two,
    ):
        codes = (one.wait(30), two.wait(30))

    assert codes == (0, 0)
    assert (cache / "builds").read_text() == "x\n"


def test_another_recipe_is_another_image() -> None:
    assert Image("tried", packages=("two",)).key != IMAGE.key
    assert Image("tried", packages=("one",), parent=Image("below")).key != IMAGE.key
    assert Image("tried", packages=("one",)).key == IMAGE.key


def test_shifting_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")

    shift_owners(tmp_path / "root", 100_000)

    assert (tmp_path / "outside").stat().st_uid == 0
    assert (tmp_path / "root" / "link").lstat().st_uid == 100_000


def until(true: object, within: float = 20.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def sleeping() -> bool:
    return any(b"4713" in path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
