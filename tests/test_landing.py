"""Where a service comes down at a host: what the host's shell says of its folders, and what follows from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from backupcheck.errors import PushError
from backupcheck.restore.landing import (
    CLOSE,
    LOOK,
    MARK,
    OPEN,
    PUBLISH,
    Landing,
    Place,
    Seen,
    above,
    landings,
    obstacles,
    outermost,
    read_look,
)
from tests.mounts import mounted

STAGING = ".backupcheck-restore-app"


def look(*paths: str) -> Seen:
    """What this machine's shell says."""
    said = subprocess.run(["sh", "-c", LOOK, "restore", STAGING, *paths], capture_output=True, check=True)
    return read_look("nas", paths, said.stdout)


def seen(kinds: dict[str, str], mounts: frozenset[str] = frozenset({"/"})) -> Seen:
    return Seen(0, frozenset({0}), True, mounts, {path: Place(kind, real=path) for path, kind in kinds.items()})


def shell(script: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-c", script, "restore", STAGING, *words], capture_output=True, check=False)


def test_names_are_given_whatever_they_are(tmp_path: Path) -> None:
    names = [b"-rf", b"two\nlines\n", b"\xff", b" ", b"*", b".hidden", b"..two", b"it's", b"dangling", b"folder"]
    folder = os.fsencode(tmp_path / "-the folder")
    (tmp_path / "-the folder").mkdir()
    assert shell(OPEN, "app 1 2", os.fsdecode(folder)).returncode == 0
    staging = folder + b"/" + STAGING.encode()
    for name in names[:-2]:
        Path(os.fsdecode(staging + b"/tree/" + name)).write_bytes(name)
    Path(os.fsdecode(staging + b"/tree/dangling")).symlink_to("/no/where")
    Path(os.fsdecode(staging + b"/tree/folder/in")).mkdir(parents=True)
    Path(os.fsdecode(folder + b"/folder")).mkdir()
    for script in (MARK, PUBLISH, PUBLISH, CLOSE):
        done = shell(script, os.fsdecode(folder))
        assert (done.returncode, done.stderr) == (0, b"")

    assert sorted(os.fsencode(path.name) for path in (tmp_path / "-the folder").iterdir()) == sorted(names)
    assert (tmp_path / "-the folder/folder/in").is_dir()


@pytest.mark.parametrize("there", ["file", "full folder", "dangling link"])
def test_what_came_to_be_there_meanwhile_is_not_overwritten(tmp_path: Path, there: str) -> None:
    shell(OPEN, "app 1 2", str(tmp_path))
    comes = tmp_path / STAGING / "tree/name"
    place = tmp_path / "name"
    if there == "file":
        comes.write_text("another")
        place.write_text("precious")
    elif there == "full folder":
        comes.mkdir()
        (place / "precious").mkdir(parents=True)
    else:
        comes.write_text("another")
        place.symlink_to("precious")
    kept = place.lstat()
    done = shell(PUBLISH, str(tmp_path))
    closed = shell(CLOSE, str(tmp_path))

    assert (done.returncode, closed.returncode) == (1, 1)
    assert place.lstat() == kept
    assert comes.exists()


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / STAGING).symlink_to("victim")

    assert shell(OPEN, "app 1 2", str(tmp_path)).returncode == 1
    assert list((tmp_path / "victim").iterdir()) == []


def test_each_kind_of_place_is_told_apart(tmp_path: Path) -> None:
    for name in ("empty", "full/x", "only newlines/\n\n", f"begun/{STAGING}", f"whole/{STAGING}/tree"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / f"whole/{STAGING}/whole").touch()
    (tmp_path / f"whole/{STAGING}/about").write_text("app 123\n")
    (tmp_path / "lost/lost+found").mkdir(parents=True)
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / STAGING).symlink_to("/etc")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "dangling").symlink_to("nowhere")
    names = ["empty", "full", "only newlines", "lost", "file", "link", "dangling", "absent"]
    paths = [str(tmp_path / name) for name in (*names, "begun", "whole", "strange")]
    places = look(*paths).places
    kinds = {name: (places[f"{tmp_path}/{name}"].kind, places[f"{tmp_path}/{name}"].link) for name in names}

    assert kinds == {
        "empty": ("empty", False),
        "full": ("full", False),
        "only newlines": ("full", False),
        "lost": ("full", False),
        "file": ("file", False),
        "link": ("empty", True),
        "dangling": ("absent", True),
        "absent": ("absent", False),
    }
    assert [places[path].state for path in paths[-3:]] == ["begun", "whole", "strange"]
    assert places[str(tmp_path / "whole")].about == "app 123"
    assert places[str(tmp_path / "link")].real == str(tmp_path.resolve() / "empty")


def test_what_no_shell_said_is_an_error() -> None:
    for said in (b"", b"hello\n", b"0\0" * 5, b"x\0" * 11):
        with pytest.raises(PushError) as caught:
            read_look("nas", ["/srv"], said)
        assert caught.value.id == "restore.host-unclear"


def test_what_lies_below_another_is_no_path_of_its_own() -> None:
    assert outermost(["/a/", "/a/b", "/ab", "/a"]) == ("/a", "/ab")
    assert outermost(["/", "/a"]) == ("",)
    assert above("/", "/a/b") == ("/", "/a", "/a/b")
    assert above("/new", "") == ("/new",)


def test_a_path_comes_into_the_lowest_folder_above_it_that_is_there() -> None:
    there = seen(
        {"/": "full", "/opt": "full", "/opt/app": "absent", "/opt/app/data": "absent", "/opt/app/.env": "absent",
         "/etc": "full", "/etc/app": "empty", "/tmp": "full", "/tmp/a.sql": "absent",
         "/var": "full", "/var/dumps": "absent", "/var/dumps/b.sql": "absent"}
    )  # fmt: skip
    pulled = ("/opt/app/data/", "/opt/app/.env", "/etc/app/")

    assert landings(there, "/", pulled, ("/tmp/a.sql", "/var/dumps/b.sql")) == (
        Landing("/opt", ("/opt/./app/data", "/opt/./app/.env")),
        Landing("/etc", ("/etc/./app",)),
        Landing("/tmp", ("/tmp/./a.sql",)),
        Landing("/var", (), ("/var/./dumps/b.sql",)),
    )


def test_a_disk_and_the_root_itself_are_filled_from_inside() -> None:
    there = seen({"/new": "full", "/new/srv": "empty"}, frozenset({"/", "/new/srv"}))

    assert landings(there, "/new", ("/srv",), ()) == (Landing("/new/srv", ("/srv/./",), inside=True),)
    assert landings(seen({"/new": "empty"}), "/new", ("",), ()) == (Landing("/new", ("/./",), inside=True),)


def test_everything_in_the_way_is_named() -> None:
    there = seen({"/": "full", "/a": "full", "/b": "file", "/b/c": "absent", "/d": "closed", "/e": "empty"})
    linked = Seen(0, frozenset(), True, frozenset(), {**there.places, "/e": Place("empty", link=True)})

    assert list(obstacles(linked, "/", ["/a", "/b/c", "/d", "/e"])) == [
        "/a is not empty",
        "/b is no folder",
        "/d is closed to the user there",
        "/e is a symlink",
    ]
    assert list(obstacles(there, "/", ["/e"])) == []


def test_the_room_of_a_disk_is_its_own(tmp_path: Path) -> None:
    with mounted(tmp_path / "a disk", "size=1m,nr_inodes=30") as disk:
        (disk / "lost+found").mkdir()
        found = look(str(disk), str(tmp_path))
    place, other = found.places[str(disk)], found.places[str(tmp_path)]

    assert (place.kind, place.free, place.names) == ("empty", 2**20, 28)
    assert place.real in found.mounts
    assert place.device != other.device
