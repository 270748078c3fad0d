"""What is as it was is not read again, and whatever may have changed is."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backupcheck import unchanged
from backupcheck.errors import BadBackup
from backupcheck.seal import manifest
from backupcheck.seal.manifest import SEAL
from backupcheck.source import Pulled
from backupcheck.spec import Spec, load_spec
from backupcheck.sync.preflight import turn
from backupcheck.sync.sealing import Arrival, Seal, sealed
from backupcheck.tree import Tree
from tests.names import names_in

SPEC = "{service: notes, source: {host: local, paths: [/srv/notes/]}, checks: [{seal: {}}]}"
NAMES = ("a", "b", "c/d", "c-e", "z")
LARGE = 4 * 2**20
NOTHING = Pulled()
B, D = "srv/notes/b", "srv/notes/c/d"


@dataclass
class Copy:
    """A service's folder in the mirror, and what is known of its last seal."""

    folder: Path
    known: Path
    spec: Spec

    def seal(self, pulled: Pulled = NOTHING, **arrival: Any) -> Seal:
        """Seal it, not in the tick of the clock in which something was changed."""
        newest = max(path.lstat().st_ctime_ns for path in self.folder.rglob("*"))
        while (unchanged.clock(self.folder) or 0) <= newest:
            time.sleep(0.001)
        found = sealed(self.spec, self.folder, (), Arrival(pulled, known=self.known, **arrival))
        self.require_true()
        return found

    def require_true(self) -> None:
        """The seal says what a reading of everything finds."""
        tree = Tree(self.folder)
        walked = [manifest.describe(entry, tree, "blake3") for entry in manifest.entries(tree)]
        with manifest.reading(tree, SEAL) as reading:
            assert list(reading.entries()) == walked

    def refused(self, **arrival: Any) -> str:
        with pytest.raises(BadBackup) as caught:
            self.seal(**arrival)
        return caught.value.id

    def header(self, **changes: object) -> None:
        """Change what is said of all that is known."""
        raw = self.known.read_bytes()
        header = json.loads(raw[: unchanged.HEADER]) | changes
        self.known.write_bytes(json.dumps(header).encode().ljust(unchanged.HEADER) + raw[unchanged.HEADER :])

    def rot(self, path: str) -> None:
        """Change a byte of a file as a disk does, of which the file system knows nothing: a change time cannot be
        set back, so what is known of the file is brought up to it."""
        file = self.folder / path
        status = file.stat()
        content = bytearray(file.read_bytes())
        content[0] ^= 1
        file.write_bytes(content)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        with (self.folder / SEAL.lstrip("/")).open("rb") as seal:
            lines = seal.read().splitlines(keepends=True)[1:]
        entries = manifest.entries(Tree(self.folder))
        keys = (unchanged.key(entry, line) for entry, line in zip(entries, lines, strict=False))
        self.known.write_bytes(self.known.read_bytes()[: unchanged.HEADER] + b"".join(keys))
        self.header(began=file.stat().st_ctime_ns + 1)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy that was sealed once."""
    file = tmp_path / "notes.yaml"
    file.write_text(SPEC)
    folder = tmp_path / "mirror/notes"
    for name in NAMES:
        place = folder / "srv/notes" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"content of {name}")
    (folder / "srv/notes/link").symlink_to("a")
    (folder / B).write_bytes(os.urandom(LARGE))
    made = Copy(folder, unchanged.place_of(tmp_path / "state", "notes"), load_spec(file))
    assert made.seal().read == len(NAMES)
    return made


def bytes_read() -> int:
    """By this process until now, from anywhere (proc_pid_io(5))."""
    found = re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())
    assert found is not None
    return int(found[1])


def test_what_did_not_change_is_not_read(copy: Copy) -> None:
    assert [copy.seal().read for _ in range(2)] == [0, 0]
    before = bytes_read()
    sealed(copy.spec, copy.folder, (), Arrival(known=copy.known))
    assert bytes_read() - before < LARGE / 10

    before = bytes_read()
    sealed(copy.spec, copy.folder, (), Arrival(known=copy.known, whole=True))
    assert bytes_read() - before > LARGE


def test_only_its_owner_may_read_what_is_known_and_nothing_else_is_left(copy: Copy) -> None:
    copy.seal()

    assert copy.known.stat().st_mode & 0o777 == 0o600
    assert copy.known.parent.stat().st_mode & 0o777 == 0o700
    assert names_in(copy.known.parent) == ["notes"]
    assert names_in(copy.folder / ".backupcheck") == ["seal.jsonl"]


def in_its_place(file: Path) -> None:
    other = file.with_name("other")
    shutil.copy2(file, other)
    other.rename(file)


CHANGES: dict[str, Callable[[Path], object]] = {
    "its content": lambda file: file.write_text("other content"),
    "its mode": lambda file: file.chmod(0o600),
    "its time": lambda file: os.utime(file, ns=(1, 1)),
    "nothing but its change time": lambda file: file.chmod(file.stat().st_mode & 0o777),
    "another file in its place, the same in all": in_its_place,
    "a second name of it": lambda file: os.link(file, file.with_name("d2")),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_was_touched_is_read(copy: Copy, change: Callable[[Path], object]) -> None:
    change(copy.folder / D)

    assert copy.seal().read == 1 + (copy.folder / "srv/notes/c/d2").exists()
    assert copy.seal().read == 0


def test_a_change_under_the_same_size_and_time_is_found_each_night(copy: Copy) -> None:
    file = copy.folder / D
    status = file.stat()
    file.write_text(file.read_text().swapcase())
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert [copy.refused() for _ in range(2)] == ["sync.mirror-damaged"] * 2


def test_names_come_and_go_beside_those_that_stay(copy: Copy) -> None:
    for name in ("0", "aa", "c/a", "c/z", "zz"):
        (copy.folder / "srv/notes" / name).write_text(name)
    for name in ("a", "z", "link"):
        (copy.folder / "srv/notes" / name).unlink()

    assert copy.seal().read == 5
    assert copy.seal().read == 0


def test_what_a_pull_says_that_it_brought_is_read(copy: Copy) -> None:
    assert copy.seal(Pulled(brought=frozenset({f"/{D}".encode()}))).read == 1


def test_a_file_that_changed_in_the_tick_of_the_sealing_is_not_known(tmp_path: Path, copy: Copy) -> None:
    entry = Tree(copy.folder).entry(f"/{D}")
    assert entry is not None
    changed = entry.status.st_ctime_ns

    def of(began: int) -> bytes:
        with unchanged.Keeping(tmp_path / "known", began) as keeping:
            keeping.add(entry, b"line")
            keeping.all_added("digest", datetime.now(UTC))
        with (tmp_path / "known").open("rb") as file:
            return next(unchanged.keys(file))

    assert [of(changed - 1), of(changed)] == [unchanged.UNKNOWN] * 2
    assert of(changed + 1) == unchanged.key(entry, b"line")


def test_a_file_that_changed_while_all_was_sealed_is_read_the_next_time(copy: Copy) -> None:
    file, seen = copy.folder / D, []

    def going_on() -> None:
        seen.append(1)
        if len(seen) == 1:
            file.chmod(0o640)

    assert copy.seal(going_on=going_on).read == 1
    assert copy.seal().read == 1
    assert copy.seal().read == 0


def cut(copy: Copy) -> None:
    copy.known.write_bytes(copy.known.read_bytes()[: unchanged.HEADER])


def emptied(copy: Copy) -> None:
    copy.known.write_bytes(b"")


def shifted(copy: Copy) -> None:
    raw = copy.known.read_bytes()
    copy.known.write_bytes(raw[: unchanged.HEADER] + raw[unchanged.HEADER + unchanged.KEY :])


def of_an_older_seal(copy: Copy) -> None:
    older = copy.known.read_bytes()
    copy.seal()
    copy.known.write_bytes(older)


def resealed_by_another_site(copy: Copy) -> None:
    sealed(copy.spec, copy.folder, ())


def no_seal(copy: Copy) -> None:
    (copy.folder / SEAL.lstrip("/")).unlink()


def edited_seal(copy: Copy) -> None:
    seal = copy.folder / SEAL.lstrip("/")
    seal.write_bytes(re.sub(rb'"h": "(.)', rb'"h": "\1', seal.read_bytes()).replace(b"1000", b"1001") + b"\n")


LOST: dict[str, Callable[[Copy], object]] = {
    "gone": lambda copy: copy.known.unlink(),
    "empty": emptied,
    "without its keys": cut,
    "one key short": shifted,
    "no JSON": lambda copy: copy.known.write_bytes(b"\xff" * 4096),
    "of another version": lambda copy: copy.header(version=0),
    "of another seal": of_an_older_seal,
    "the mirror sealed elsewhere": resealed_by_another_site,
    "the seal gone": no_seal,
    "the seal not whole": edited_seal,
    "the clock gone back": lambda copy: copy.header(began=2**62),
    "the machine started anew": lambda copy: copy.header(boot="another"),
    "a time without a zone": lambda copy: copy.header(read="2026-11-23T00:00:00"),
}


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
def test_where_nothing_is_known_everything_is_read(copy: Copy, lose: Callable[[Copy], object]) -> None:
    lose(copy)

    assert copy.seal().read >= len(NAMES) - 1
    assert copy.seal().read == 0


def test_what_was_long_on_the_disk_when_it_was_sealed_is_known_after_a_power_cut_too(
    copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.header(boot="another")
    monkeypatch.setattr(unchanged, "WRITTEN", 0)

    assert copy.seal().read == 0


def test_a_loss_is_noticed_also_where_less_is_known_than_was_sealed(copy: Copy) -> None:
    cut(copy)
    shutil.rmtree(copy.folder / "srv/notes")
    (copy.folder / "srv/notes").mkdir()
    with pytest.raises(BadBackup, match="has no files any more below /srv/notes"):
        copy.seal()


def test_a_line_of_the_seal_that_was_exchanged_is_not_taken_over(copy: Copy) -> None:
    """Who writes the seal anew, with a digest that fits it, writes none that is known."""
    seal = copy.folder / SEAL.lstrip("/")
    lines = seal.read_bytes().splitlines(keepends=True)
    digest = manifest.hasher("blake3")
    lines[4] = re.sub(rb'"h": "....', b'"h": "0000', lines[4])
    for line in lines[:-1]:
        digest.update(line)
    trailer = json.loads(lines[-1]) | {"digest": digest.hexdigest()}
    seal.write_bytes(b"".join(lines[:-1]) + json.dumps(trailer).encode() + b"\n")
    copy.header(seal=digest.hexdigest())

    assert copy.refused() == "sync.mirror-damaged"


def test_a_disk_that_changes_data_by_itself_is_found_in_turn_and_until_it_is_mended(copy: Copy) -> None:
    read = unchanged.last_read(copy.known)
    copy.rot(D)
    with pytest.raises(AssertionError):  # silent: the seal says what was sealed, the disk another
        copy.seal()
    copy.rot(B)

    assert [copy.refused(whole=True) for _ in range(2)] == ["sync.mirror-damaged"] * 2
    assert unchanged.last_read(copy.known) == read


def test_when_all_was_read_last_is_kept_until_all_is_read_again(copy: Copy) -> None:
    first = unchanged.last_read(copy.known)
    copy.seal()
    (copy.folder / D).write_text("other")
    copy.seal()
    assert unchanged.last_read(copy.known) == first is not None
    copy.seal(whole=True)

    assert (unchanged.last_read(copy.known) or first) > first


def test_a_sealing_that_did_not_end_leaves_what_is_known_as_it_was(copy: Copy) -> None:
    known, calls = copy.known.read_bytes(), []
    (copy.folder / D).write_text("other")

    def going_on() -> None:
        calls.append(1)
        if len(calls) == 5:
            raise BadBackup("too late", id="sync.timed-out")

    with pytest.raises(BadBackup):
        copy.seal(going_on=going_on)

    assert (copy.known.read_bytes(), names_in(copy.known.parent)) == (known, ["notes"])
    assert copy.seal().read == 1


def test_what_cannot_be_kept_in_mind_is_said_and_the_seal_is_good(copy: Copy) -> None:
    shutil.rmtree(copy.known.parent)
    copy.known.parent.write_text("no folder")
    seal = copy.seal()

    assert seal.read == len(NAMES)
    assert "cannot be kept in mind (" in seal.notes[0]


def test_a_turn_comes_within_its_days_for_all_services_and_after_a_clock_that_went_wrong() -> None:
    night = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
    due: dict[str, list[int]] = {}
    for service in ("mealie", "caddy", "vault", "lldap"):
        last = night
        for number in range(60):
            if turn(service, 7, last, now := night + timedelta(days=number)):
                last = now
                due.setdefault(service, []).append(number)

    assert all(nights[0] <= 7 and {b - a for a, b in pairwise(nights)} == {7} for nights in due.values())
    assert len({nights[0] for nights in due.values()}) > 1
    assert turn("vault", 7, night + timedelta(seconds=1), night)
    assert all(turn("vault", 1, night, night + timedelta(days=1)) for _ in due)


def test_memory_stays_flat(tmp_path: Path, copy: Copy) -> None:
    def peak(names: int) -> int:
        for number in range(names):
            (copy.folder / f"srv/notes/many-{number:05}").touch()
        copy.seal()
        tracemalloc.start()
        sealed(copy.spec, copy.folder, (), Arrival(known=copy.known))
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(1)
    few = peak(500)

    assert peak(3000) < few + 2500 * 250  # of which the names of one folder, which are put in order, are the most
