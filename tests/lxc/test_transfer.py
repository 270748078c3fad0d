"""Files keep their names, modes and owners on the way in, and do no harm on the way out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backupcheck.errors import ScratchError
from backupcheck.lxc import Container, Inside
from backupcheck.lxc.transfer import Entry

pytestmark = pytest.mark.lxc


def test_a_written_file_has_its_mode_and_owner_and_its_folders_are_made(box: Container) -> None:
    box.write("/srv/new/key", b"secret\0", Entry(mode=0o400, uid=999, gid=996))

    assert box.read("/srv/new/key") == b"secret\0"
    assert box.run(Inside(("stat", "-c", "%a %u %g", "/srv/new/key"))).text == "400 999 996\n"


def test_a_name_with_a_line_break_survives_writing(box: Container) -> None:
    box.write("/srv/two\nlines -rf *", b"x")

    assert box.read("/srv/two\nlines -rf *") == b"x"


def test_a_pushed_tree_arrives_with_odd_names_links_modes_and_owners(box: Container, tmp_path: Path) -> None:
    (tmp_path / "-f").mkdir(mode=0o750)
    (tmp_path / "-f" / "new\nline").write_bytes(b"1")
    (tmp_path / "link").symlink_to("-f/new\nline")
    os.chown(tmp_path / "-f" / "new\nline", 911, 912)
    box.run(Inside(("mkdir", "-p", "/srv/pushed")))

    box.push(tmp_path, "/srv/pushed")

    assert box.read("/srv/pushed/link") == b"1"
    assert box.run(Inside(("stat", "-c", "%a %u %g", "--", "/srv/pushed/-f/new\nline"))).text == "644 911 912\n"


def test_pushing_leaves_folders_that_exist_as_they_are(box: Container, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir(mode=0o700)

    box.push(tmp_path)

    assert box.run(Inside(("stat", "-c", "%a", "/tmp"))).text == "1777\n"


def test_pushing_to_a_folder_that_is_missing_is_an_error(box: Container, tmp_path: Path) -> None:
    with pytest.raises(ScratchError, match="cannot unpack in /srv/nowhere"):
        box.push(tmp_path, "/srv/nowhere")


def test_a_pulled_tree_belongs_to_the_caller_and_has_no_setuid_bits(box: Container, tmp_path: Path) -> None:
    script = (
        "mkdir /srv/out && cp /bin/true '/srv/out/a b' && chmod 4755 '/srv/out/a b' && chown 55 '/srv/out/a b'"
    )
    box.run(Inside(("sh", "-c", script)))

    box.pull("/srv/out", tmp_path)

    status = (tmp_path / "a b").stat()
    assert (status.st_uid, status.st_mode & 0o7000) == (os.getuid(), 0)


def test_a_pulled_link_leads_nothing_outside_the_target(box: Container, tmp_path: Path) -> None:
    outside, target = tmp_path / "outside", tmp_path / "target"
    outside.mkdir()
    target.mkdir()
    hostile = (
        "import io, sys, tarfile\n"
        "archive = tarfile.open(fileobj=sys.stdout.buffer, mode='w|')\n"
        "link = tarfile.TarInfo('door'); link.type = tarfile.SYMTYPE; link.linkname = sys.argv[1]\n"
        "archive.addfile(link)\n"
        "for name in ('door/in', '../outside/up'):\n"
        "    file = tarfile.TarInfo(name); file.size = 1; archive.addfile(file, io.BytesIO(b'x'))\n"
        "archive.close()\n"
    )
    box.write(
        "/usr/local/bin/tar", f'#!/bin/sh\nexec python3 -c "{hostile}" {outside}\n'.encode(), Entry(mode=0o755)
    )

    try:
        with pytest.raises(ScratchError):
            box.pull("/srv", target)
    finally:
        box.run(Inside(("rm", "/usr/local/bin/tar")))

    assert list(outside.iterdir()) == []
