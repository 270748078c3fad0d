"""A CouchDB's data folder over a real sshd, while its files grow, go and come: never torn, damage by its name."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.capture.couchdb import Couchdb, all_but
from backupcheck.checks import couchdb as check
from backupcheck.couch import report as couchreport
from backupcheck.errors import BackupcheckError, BadBackup, PullError, UnsafePath
from backupcheck.remote import Local
from backupcheck.result import Finding, Outcome
from backupcheck.seal.manifest import SEAL, Header, describe, entries, write
from backupcheck.seams import CaptureReport
from backupcheck.source import Source
from backupcheck.tree import Tree
from tests.capture.couchsource import MAP, Acting, CouchSource, both
from tests.checks.couchdata import DATA, restored
from tests.checks.plain import PlainBox, bad, failed, findings, spec
from tests.names import names_in
from tests.sshd import Sshd

CAPTURE = Couchdb(data=DATA)
SMALL = ("nocomp", "part", "_users")
NOCOMP = "shards/00000000-ffffffff/nocomp.1795387310.couch"
OLD = "shards/00000000-ffffffff/old.1795387000.couch"
PART = "shards/80000000-ffffffff/part.1795387309.couch"
Q1 = "shards/00000000-ffffffff/vault_q1.1795387306.couch"
Q1_INDEX = ".shards/00000000-ffffffff/vault_q1.1795387306_design/mrview/4c215684ddf1020196ebebeafce87d30.view"
ROUNDS = int(os.environ.get("COUCHDB_ROUNDS", "4"))
STEPS = 12
GATE = """import os, sys
passed = 0
while piece := os.read(0, 65536):
    passed += len(piece)
    if passed > 400 and os.path.exists(sys.argv[1]):
        os.rename(sys.argv[1], sys.argv[2])
    while piece:
        piece = piece[os.write(1, piece):]
"""
"""Passes a stream on; a file is renamed when the list of files has come, before it is passed on."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def sshd(server: Sshd) -> Sshd:
    server.through("")
    return server


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole real folder, to be read only."""
    return restored(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, real: Path) -> CouchSource:
    """A source with three small databases, to be copied."""
    source = CouchSource(tmp_path_factory.mktemp("origin") / "root", real)
    source.add(*SMALL)
    return source


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, origin: CouchSource) -> Path:
    """What was captured of it, to be copied."""
    folder = tmp_path_factory.mktemp("night") / "vault"
    folder.mkdir()
    taken(Local(str(origin.root)), folder)
    return folder


@pytest.fixture
def couch(tmp_path: Path, origin: CouchSource) -> CouchSource:
    return origin.copy(tmp_path / "root")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A mirror folder without anything."""
    folder = tmp_path / "mirror/vault"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def second(tmp_path: Path, night: Path) -> Path:
    """A mirror folder that holds what was captured the night before."""
    return shutil.copytree(night, tmp_path / "second/vault")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    found = [place for place in folder.rglob("*") if place.is_file()]
    return {str(place.relative_to(folder)): place.read_bytes() for place in found}


def copied(mirror: Path) -> dict[str, bytes]:
    return contents(mirror / DATA.lstrip("/"))


def seal(mirror: Path, *reports: CaptureReport) -> None:
    """Write the seal, as a sync does when all has come."""
    tree = Tree(mirror)
    names = [describe(entry, tree, "blake3") for entry in entries(tree)]
    facts = (one.model_dump_json() for one in reports)
    write(mirror / SEAL.lstrip("/"), Header("vault", datetime.now(UTC), "source"), names, facts)


def taken(source: Source, mirror: Path, capture: Couchdb = CAPTURE) -> CaptureReport:
    """Take it and seal it; nothing but the seal is left beside the data."""
    report = capture.take(source, mirror)
    seal(mirror, report)
    assert names_in(mirror / ".backupcheck") == ["seal.jsonl"]
    return report


def refusal(source: Source, mirror: Path, error: type[BackupcheckError] = BadBackup) -> BackupcheckError:
    """Why it was not taken; what the mirror had stays, to the last byte."""
    before = contents(mirror / "opt")
    with pytest.raises(error) as caught:
        CAPTURE.take(source, mirror)
    assert contents(mirror / "opt") == before
    assert caught.value.advice or caught.value.id == "sync.unknown"
    return caught.value


def judged(mirror: Path, **fields: JsonValue) -> list[Finding]:
    """What the check says of the mirror as if it were restored."""
    return findings(spec(check.Couchdb, data=DATA, server="off", **fields), PlainBox(mirror, "vault"))


class TestACopy:
    def test_of_a_whole_folder_is_the_same_to_the_last_byte(self, sshd: Sshd, real: Path, mirror: Path) -> None:
        source = Acting(sshd.source(str(real.parents[2])))
        report = taken(source, mirror)

        assert copied(mirror) == contents(real)
        assert (report.kind, report.path) == ("couchdb", DATA)
        assert report.bytes == sum(map(len, contents(real).values()))
        assert (len(report.rows), report.rows["vault"], report.rows["_users"]) == (16, 4131, 3)
        assert len(source.pulls) == 3
        assert {one.paths for one in source.pulls} == set(CAPTURE.pulls()) == {(f"{DATA}/",)}
        assert CAPTURE.commands("/") == ()
        assert CAPTURE.provides() == (DATA,)

    def test_passes_the_check_which_demands_just_what_was_captured(self, couch: CouchSource, second: Path) -> None:
        found = judged(second)
        (compared,) = [one for one in found if one.id == "couchdb.documents-not-as-captured"]

        assert bad(found) == set()
        assert (compared.outcome, compared.actual) == (Outcome.PASS, 81 + 200 + 3)

    def test_brings_only_what_changed_the_next_time_and_deletes_what_is_gone(
        self, couch: CouchSource, second: Path
    ) -> None:
        before = (second / DATA.lstrip("/") / NOCOMP).stat()
        couch.drop("part")
        couch.add("empty")
        taken(Local(str(couch.root)), second)
        after = (second / DATA.lstrip("/") / NOCOMP).stat()

        assert copied(second) == contents(couch.data)
        assert (before.st_ino, after.st_nlink) == (after.st_ino, 1)

    def test_has_the_modes_and_owners_of_all_folders_on_the_way(
        self, sshd: Sshd, couch: CouchSource, mirror: Path
    ) -> None:
        couch.data.chmod(0o750)
        couch.data.parent.chmod(0o751)
        taken(sshd.source(str(couch.root)), mirror)
        place = mirror / DATA.lstrip("/")

        assert [one.stat().st_mode & 0o777 for one in (place, place.parent)] == [0o750, 0o751]

    def test_may_lose_all_indexes(self, couch: CouchSource, mirror: Path) -> None:
        couch.add("vault_q1")
        couch.put(Q1_INDEX)
        taken(Local(str(couch.root)), mirror)
        shutil.rmtree(couch.data / ".shards")
        taken(Local(str(couch.root)), mirror)

        assert copied(mirror) == contents(couch.data)

    def test_of_indexes_that_lie_elsewhere_comes_with_them(
        self, sshd: Sshd, couch: CouchSource, mirror: Path
    ) -> None:
        elsewhere = couch.root / "var/views/.shards/one.view"
        elsewhere.parent.mkdir(parents=True)
        elsewhere.write_text("an index")
        capture = Couchdb(data=DATA + "/", index="/var/views")
        source = Acting(sshd.source(str(couch.root)))
        taken(source, mirror, capture)

        assert (mirror / "var/views/.shards/one.view").read_text() == "an index"
        assert copied(mirror) == contents(couch.data)
        assert capture.provides() == (DATA, "/var/views")
        assert {one.paths for one in source.pulls} == set(capture.pulls()) == {(f"{DATA}/", "/var/views/")}


class TestALiveSource:
    def test_never_gives_an_index_that_is_newer_than_its_shard(
        self, sshd: Sshd, couch: CouchSource, mirror: Path
    ) -> None:
        couch.add("vault_q1")
        couch.put(Q1, couch.headers(Q1)[5])
        live = Acting(sshd.source(str(couch.root)), {1: both(lambda: couch.put(Q1), lambda: couch.put(Q1_INDEX))})
        taken(live, mirror)

        assert len(live.pulls) == 3
        assert NOCOMP in copied(mirror)
        assert Q1_INDEX not in copied(mirror)
        assert copied(mirror)[Q1] == (couch.real / Q1).read_bytes()

    def test_may_grow_in_the_middle_of_a_block(self, couch: CouchSource, mirror: Path) -> None:
        header = couch.headers(NOCOMP)[3]
        couch.put(NOCOMP, header + 1000)
        source = Acting(Local(str(couch.root)))
        report = taken(source, mirror)

        assert len(source.pulls) == 3
        assert report.notes == (f"{NOCOMP} ends in 1000 bytes after its last header: CouchDB was writing",)
        assert bad(judged(mirror)) == {("couchdb.tail-after-header", "warn")}
        assert bad(judged(mirror, databases={"nocomp": {"documents": {"gte": 1}}})) == {
            ("couchdb.tail-after-header", "warn")
        }

    def test_may_write_its_shard_map_just_now(self, couch: CouchSource, mirror: Path) -> None:
        with (couch.data / MAP).open("ab") as file:
            file.write(b"\0half a record")
        taken(Local(str(couch.root)), mirror)

        assert bad(judged(mirror)) == {("couchdb.tail-after-header", "warn")}

    def test_may_make_a_database_before_its_shard_map_is_copied(
        self, sshd: Sshd, couch: CouchSource, mirror: Path
    ) -> None:
        source = Acting(sshd.source(str(couch.root)), {2: lambda: couch.add("empty")})
        report = taken(source, mirror)

        assert len(source.pulls) == 6
        assert set(report.rows) == {*SMALL, "empty"}
        assert copied(mirror) == contents(couch.data)

    def test_may_delete_a_database_after_its_shards_were_copied(self, couch: CouchSource, mirror: Path) -> None:
        source = Acting(Local(str(couch.root)), {2: lambda: couch.drop("part")})
        report = taken(source, mirror)

        assert len(source.pulls) == 6
        assert set(report.rows) == {*SMALL} - {"part"}
        assert copied(mirror) == contents(couch.data)

    def test_may_be_in_the_middle_of_a_compaction(self, couch: CouchSource, mirror: Path) -> None:
        for end in (".compact.data", ".compact.meta"):
            (couch.data / (NOCOMP + end)).write_text("not done yet")
        taken(Local(str(couch.root)), mirror)

        assert {name for name in copied(mirror) if "compact" in name} == set()

    def test_may_have_stopped_between_the_renames_of_a_compaction(self, couch: CouchSource, mirror: Path) -> None:
        (couch.data / NOCOMP).rename(couch.data / (NOCOMP + ".compact"))
        report = taken(Local(str(couch.root)), mirror)

        assert report.rows["nocomp"] == 81
        assert NOCOMP + ".compact" in copied(mirror)

    def test_whose_name_is_not_there_at_a_compactions_end_is_copied_again(
        self, couch: CouchSource, second: Path
    ) -> None:
        away = couch.data / "away"
        acts: dict[int, Callable[[], object]] = {
            1: lambda: (couch.data / NOCOMP).rename(away),
            2: both(away.unlink, lambda: _compacted(couch)),
        }
        source = Acting(Local(str(couch.root)), acts)
        report = taken(source, second)

        assert (len(source.pulls), report.rows["nocomp"]) == (6, 81)
        assert copied(second) == contents(couch.data)

    def test_whose_name_vanishes_in_the_middle_of_a_pull_is_copied_again(
        self, sshd: Sshd, couch: CouchSource, mirror: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "gate.py").write_text(GATE)
        away = tmp_path / "away"
        gate = f'"$@" | {sys.executable} {tmp_path}/gate.py {couch.data / NOCOMP} {away}; exit 0'
        acts: dict[int, Callable[[], object]] = {
            1: lambda: sshd.through(gate),
            2: both(lambda: sshd.through(""), away.unlink, lambda: _compacted(couch)),
        }
        source = Acting(sshd.source(str(couch.root)), acts)
        report = taken(source, mirror)

        assert (len(source.pulls), report.rows["nocomp"]) == (6, 81)
        assert copied(mirror) == contents(couch.data)

    def test_that_was_torn_once_is_copied_again(self, couch: CouchSource, mirror: Path) -> None:
        acts = {1: lambda: _flip(couch.data / NOCOMP), 3: lambda: couch.put(NOCOMP)}
        source = Acting(Local(str(couch.root)), acts)
        taken(source, mirror)

        assert len(source.pulls) == 6
        assert copied(mirror) == contents(couch.data)

    def test_that_never_rests_is_no_damage_and_the_last_copy_stays(self, couch: CouchSource, second: Path) -> None:
        files = NOCOMP, PART

        def swap(number: int) -> Callable[[], object]:
            away, back = files[number % 2], files[1 - number % 2]
            return both(lambda: couch.put(back), (couch.data / away).unlink)

        acts = {number: swap(number) for number in range(0, 15, 3)}
        error = refusal(Acting(Local(str(couch.root)), acts), second, PullError)

        assert error.id == "capture.unsettled"

    def test_gives_no_false_alarm_while_it_grows_at_random(self, real: Path, tmp_path: Path, mirror: Path) -> None:
        source = CouchSource(tmp_path / "root", real)
        growth = Growth(source, random.Random(ROUNDS))
        live = Acting(Local(str(source.root)), dict.fromkeys(range(100 * ROUNDS), growth.start))
        reports = [taken(live, mirror) for _ in range(ROUNDS)]
        growth.wait()
        while_it_grew = bad(judged(mirror))
        growth.finish()
        taken(Local(str(source.root)), mirror)
        databases = [len(report.rows) for report in reports]
        written = [report.bytes for report in reports]

        assert (databases, written) == (sorted(databases), sorted(written))
        assert while_it_grew <= {("couchdb.tail-after-header", "warn")}
        assert copied(mirror) == contents(real)


class Growth:
    """Makes the real folder again, byte by byte and in CouchDB's order, some steps beside each pull."""

    def __init__(self, source: CouchSource, chance: random.Random) -> None:
        self.source = source
        self.chance = chance
        self.growing: dict[str, int] = {}
        self.thread: threading.Thread | None = None
        self.waiting = source.creations()
        while len(self.growing) < len(SMALL):
            self.make(*self.waiting.pop(0))

    def grow(self, file: str, size: int) -> None:
        """Let a file grow to this size; no file becomes smaller."""
        place = self.source.data / file
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab") as opened:
            opened.write((self.source.real / file).read_bytes()[opened.tell() : size])

    def make(self, size: int, names: set[str]) -> None:
        """The shards of databases, each with its first header; then the shard map that names them."""
        for file in (file for name in names for file in self.source.shards(name)):
            first = self.source.headers(file)[0]
            self.grow(file, first)
            self.growing[file] = first
        self.grow(MAP, size - 100)
        self.grow(MAP, size)

    def start(self) -> None:
        """Go on in the background for some steps."""
        self.wait()
        self.thread = threading.Thread(target=both(*(STEPS * [self.step])))
        self.thread.start()

    def wait(self) -> None:
        if self.thread is not None:
            self.thread.join()

    def step(self) -> None:
        """Append to a file, or now and then make a database."""
        if self.waiting and self.chance.random() < 0.02:
            self.make(*self.waiting.pop(0))
        elif self.growing:
            file = self.chance.choice(sorted(self.growing))
            self.growing[file] += self.chance.randrange(1, 20_000)
            self.grow(file, self.growing[file])
            if self.growing[file] >= (self.source.real / file).stat().st_size:
                del self.growing[file]

    def finish(self) -> None:
        self.wait()
        for name in contents(self.source.real):
            self.grow(name, (self.source.real / name).stat().st_size)


def _compacted(couch: CouchSource) -> None:
    """A compaction's end: another, smaller file of the same documents has the name."""
    shutil.copy(couch.real / "shards/00000000-ffffffff/deflate.1795387310.couch", couch.data / NOCOMP)


def _flip(file: Path) -> None:
    """One bit in each block after the first header: some of it lies in a document."""
    content = bytearray(file.read_bytes())
    for at in range(8192 + 2000, len(content), 4096):
        content[at] ^= 0x10
    file.write_bytes(content)
    _at_another_time(file)


def _at_another_time(file: Path) -> None:
    """rsync compares times by the second."""
    os.utime(file, (1.8e9, 1.8e9))


def _append(content: bytes) -> Callable[[Path], object]:
    def harm(file: Path) -> None:
        with file.open("ab") as opened:
            opened.write(content)

    return harm


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def _linked(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/passwd")


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    (NOCOMP, _flip, "checksum-mismatch"),
    (NOCOMP, Path.unlink, "shard-missing"),
    (NOCOMP, lambda file: os.truncate(file, 0), "no-valid-header"),
    (NOCOMP, _cut, "tail-after-header"),
    (NOCOMP, _append(bytes(5000)), "tail-after-header"),
    (NOCOMP, _linked, "not-a-regular-file"),
    (MAP, Path.unlink, "dbs-missing"),
    (OLD, lambda file: shutil.copy(file.with_name(Path(NOCOMP).name), file), "shard-unlisted"),
]


class TestDamage:
    @pytest.mark.parametrize(("file", "harm", "code"), DAMAGE, ids=[f"{code} {file}" for file, _, code in DAMAGE])
    def test_at_the_source_is_named_with_its_file_and_the_last_copy_stays(
        self, couch: CouchSource, second: Path, file: str, harm: Callable[[Path], object], code: str
    ) -> None:
        harm(couch.data / file)
        source = Acting(Local(str(couch.root)))
        error = refusal(source, second)

        assert error.id == "capture.damaged"
        assert f"{file}: " in error.message
        assert code in error.message
        assert len(source.pulls) == 6
        assert names_in(second / ".backupcheck") == ["seal.jsonl"]

    def test_in_the_mirror_is_not_the_sources_and_is_healed(self, couch: CouchSource, second: Path) -> None:
        file = second / DATA.lstrip("/") / NOCOMP
        status = file.stat()
        _flip(file)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        source = Acting(Local(str(couch.root)))
        taken(source, second)

        assert copied(second) == contents(couch.data)
        assert [pull.compare for pull in source.pulls] == [False] * 3 + [True] * 3

    def test_of_a_source_that_never_was_captured_is_named_too(
        self, sshd: Sshd, couch: CouchSource, mirror: Path
    ) -> None:
        _flip(couch.data / NOCOMP)
        error = refusal(sshd.source(str(couch.root)), mirror)

        assert (error.id, error.exit_status) == ("capture.damaged", 1)
        assert names_in(mirror) == [".backupcheck"]

    def test_is_told_from_the_unrest_of_other_databases(self, couch: CouchSource, mirror: Path) -> None:
        couch.add("deflate")
        _flip(couch.data / NOCOMP)
        acts = {0: lambda: couch.drop("deflate"), 5: lambda: couch.add("deflate")}
        error = refusal(Acting(Local(str(couch.root)), acts), mirror)

        assert error.id == "capture.damaged"
        assert NOCOMP in error.message
        assert "deflate" not in error.message

    def test_of_nothing_at_all_is_an_empty_source(self, couch: CouchSource, second: Path) -> None:
        shutil.rmtree(couch.data)
        couch.data.mkdir()

        assert refusal(Local(str(couch.root)), second, BackupcheckError).id == "sync.source-empty"

    def test_of_nothing_at_all_the_first_time_is_an_empty_source(self, couch: CouchSource, mirror: Path) -> None:
        shutil.rmtree(couch.data)
        couch.data.mkdir()

        assert refusal(Local(str(couch.root)), mirror).id == "sync.source-empty"

    def test_of_a_folder_that_is_not_there_is_a_missing_source(self, couch: CouchSource, mirror: Path) -> None:
        shutil.rmtree(couch.data)

        assert refusal(Local(str(couch.root)), mirror, PullError).id == "sync.source-missing"


@pytest.fixture(scope="module")
def tailed(tmp_path_factory: pytest.TempPathFactory, origin: CouchSource) -> Path:
    """What was captured of a file that was being written."""
    folder = tmp_path_factory.mktemp("tailed")
    couch = origin.copy(folder / "root")
    couch.put(NOCOMP, couch.headers(NOCOMP)[-2] + 1000)
    (folder / "vault").mkdir()
    taken(Local(str(couch.root)), folder / "vault")
    return folder / "vault"


@pytest.fixture
def box(tailed: Path, tmp_path: Path) -> Path:
    """The same, restored."""
    return shutil.copytree(tailed, tmp_path / "box")


class TestTheCheck:
    def test_passes_for_a_file_that_was_being_written(self, box: Path) -> None:
        assert bad(judged(box)) == {("couchdb.tail-after-header", "warn")}

    @pytest.mark.parametrize(
        ("harm", "ids"),
        [
            (lambda couch, file: os.truncate(file, couch.headers(NOCOMP)[1]), {"shard", "documents"}),
            (lambda couch, file: os.truncate(file, couch.headers(NOCOMP)[1] + 9), {"shard", "documents", "tail"}),
            (lambda couch, file: os.truncate(file, couch.headers(NOCOMP)[-3]), {"shard"}),
            (lambda couch, file: os.truncate(file, file.stat().st_size - 1), {"tail"}),
            (lambda couch, file: shutil.copy(couch.real / NOCOMP, file), {"shard", "documents"}),
        ],
    )
    def test_fails_for_any_other_state_than_the_captured_one(
        self, couch: CouchSource, box: Path, harm: Callable[[CouchSource, Path], object], ids: set[str]
    ) -> None:
        names = {
            "shard": "couchdb.shard-not-as-captured",
            "documents": "couchdb.documents-not-as-captured",
            "tail": "couchdb.tail-after-header",
        }
        harm(couch, box / DATA.lstrip("/") / NOCOMP)

        assert bad(judged(box)) == failed(*(names[one] for one in ids))

    def test_fails_for_a_database_that_was_not_captured_and_for_one_that_is_gone(
        self, couch: CouchSource, box: Path
    ) -> None:
        couch.put(NOCOMP, couch.headers(NOCOMP)[-2] + 1000)
        couch.drop("part")
        couch.add("empty")
        shutil.rmtree(box / DATA.lstrip("/"))
        shutil.copytree(couch.data, box / DATA.lstrip("/"))
        found = [one for one in judged(box) if one.id == "couchdb.documents-not-as-captured"]

        assert {(one.subject, one.outcome) for one in found} == {("part", Outcome.FAIL), ("empty", Outcome.FAIL)}

    def test_demands_nothing_where_nothing_was_captured(self, box: Path) -> None:
        seal(box)

        assert bad(judged(box)) == failed("couchdb.tail-after-header")

    def test_takes_a_report_that_cannot_be_read_for_none(self, box: Path) -> None:
        seal(box, CaptureReport(kind="couchdb", path=DATA, bytes=1, found={"databases": 7}))

        assert bad(judged(box)) == failed("couchdb.tail-after-header")


class TestAFailure:
    def test_of_the_connection_in_the_middle_keeps_the_mirror_and_the_next_goes_on(
        self, sshd: Sshd, couch: CouchSource, second: Path
    ) -> None:
        couch.add("deflate")
        cut = {2: lambda: sshd.through('kill -9 "$PPID"')}
        error = refusal(Acting(sshd.source(str(couch.root)), cut), second, PullError)
        kept = {Path(name).name for name in contents(second / ".backupcheck/couchdb-draft")}
        links = {place.stat().st_nlink for place in (second / "opt").rglob("*.couch")}
        sshd.through("")
        taken(sshd.source(str(couch.root)), second)

        assert error.id.startswith("sync.")
        assert (kept, links) == ({"deflate.1795387310.couch"}, {1})
        assert copied(second) == contents(couch.data)

    def test_of_the_verifier_says_nothing_of_the_data(
        self, couch: CouchSource, mirror: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(couchreport, "MEMORY", 2**20)

        assert refusal(Local(str(couch.root)), mirror, PullError).id == "capture.unverified"

    def test_to_end_in_time_is_named(self, couch: CouchSource, mirror: Path) -> None:
        slow = Acting(Local(str(couch.root)), {1: lambda: time.sleep(2.1)})
        with pytest.raises(PullError) as caught:
            Couchdb(data=DATA, timeout=2).take(slow, mirror)

        assert caught.value.id == "sync.timed-out"


def test_a_folder_that_the_source_made_a_symlink_leads_no_write_elsewhere(
    couch: CouchSource, mirror: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir()
    (mirror / "opt").mkdir()
    (mirror / "opt/couchdb").symlink_to(tmp_path / "victim")
    with pytest.raises(UnsafePath, match="symlink"):
        CAPTURE.take(Local(str(couch.root)), mirror)

    assert names_in(tmp_path / "victim") == []


def test_a_symlink_in_the_place_of_the_data_is_replaced_and_not_followed(
    couch: CouchSource, mirror: Path, tmp_path: Path
) -> None:
    (tmp_path / "victim").mkdir()
    (mirror / "opt/couchdb").mkdir(parents=True)
    (mirror / "opt/couchdb/data").symlink_to(tmp_path / "victim")
    taken(Local(str(couch.root)), mirror)

    assert names_in(tmp_path / "victim") == []
    assert copied(mirror) == contents(couch.data)


@pytest.mark.parametrize(
    "fields",
    [
        {"data": "/"},
        {"data": "opt/couchdb"},
        {"data": "/opt/*/data"},
        {"data": "/opt/[a]/data"},
        {"data": "/opt/../data"},
        {"data": "/opt/da\nta"},
        {"data": DATA, "tries": 1},
        {"data": DATA, "timeout": 0},
        {"data": DATA, "server": "off"},
    ],
)
def test_what_no_spec_may_say_is_refused(fields: dict[str, JsonValue]) -> None:
    with pytest.raises(ValidationError):
        Couchdb.model_validate_json(json.dumps(fields))


@pytest.mark.parametrize(
    "name", ["shards", "shard", "s", "shardss", ".shards", "_dbs.couch", "shared", "x", "sh ards"]
)
def test_the_patterns_keep_everything_away_but_one_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / name).write_text("content")
    words = [f"--exclude=/{pattern}" for pattern in all_but("shards")]
    subprocess.run(["rsync", "-a", *words, f"{tmp_path}/from/", f"{tmp_path}/to/"], check=True)

    assert names_in(tmp_path / "to") == [name] * (name == "shards")
