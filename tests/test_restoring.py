"""What is measured of a restored service, whatever its marker and its seal say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck.canary.value import new
from backupcheck.mirror import mark
from backupcheck.plan import Stored
from backupcheck.restoring import Measured, measured, restore_findings
from backupcheck.result import CheckResult, Finding, Outcome, check_result
from backupcheck.seal.manifest import PULL, SEAL, Header, describe, entries, write
from backupcheck.seams import CaptureReport
from backupcheck.tree import Tree

BEGAN = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
ROWS = CaptureReport(kind="sqlite", path="/data/one.db", bytes=5, rows={"user": 3}, newest={"user.seen": "2026"})
MORE = CaptureReport(kind="postgres", path="/tmp/two.sql", bytes=5, rows={"user": 4}, newest={"user.at": None})


def canary(path: str, written: datetime) -> CaptureReport:
    return CaptureReport(kind="canary", path=path, bytes=0, found={"value": new(written).text})


def service(folder: Path, *reports: CaptureReport) -> Tree:
    """A service as it is after a restore: its data, its seal and its marker."""
    (folder / "data").mkdir()
    (folder / "data/one.db").write_text("data!")
    tree = Tree(folder)
    names = [describe(entry, tree, "blake3") for entry in entries(tree)]
    header = Header("notes", BEGAN, "source")
    write(folder / SEAL.lstrip("/"), header, names, (one.model_dump_json() for one in reports))
    mark(folder, BEGAN, BEGAN)
    return tree


def asked(*outcomes: Outcome) -> tuple[CheckResult, ...]:
    return tuple(
        check_result("canary", "canary", [Finding(id="canary.lost", outcome=outcome, subject="x", message="x")])
        for outcome in outcomes
    )


def test_rows_and_newest_times_are_by_path(tmp_path: Path) -> None:
    found = measured(service(tmp_path, ROWS, MORE))

    assert found.pulled == BEGAN
    assert found.rows == {"/data/one.db user": 3, "/tmp/two.sql user": 4}
    assert found.newest == {"/data/one.db user.seen": "2026", "/tmp/two.sql user.at": None}
    assert found.canary is None


def test_the_oldest_canary_counts(tmp_path: Path) -> None:
    later = BEGAN.replace(minute=45)

    assert measured(service(tmp_path, canary("/a", later), canary("/b", BEGAN))).canary == BEGAN


def test_a_canary_counts_only_where_every_check_of_one_found_it() -> None:
    found = Measured(canary=BEGAN)

    assert found.read_back(asked(Outcome.PASS, Outcome.PASS)) == BEGAN
    assert found.read_back(asked(Outcome.PASS, Outcome.FAIL)) is None
    assert found.read_back(asked(Outcome.ERROR)) is None
    assert found.read_back(()) is None
    assert Measured().read_back(asked(Outcome.PASS)) is None


def test_nothing_is_measured_of_what_was_not_restored(tmp_path: Path) -> None:
    assert measured(Tree(tmp_path / "none")) == Measured()
    assert measured(Tree(tmp_path)) == Measured()


@pytest.mark.parametrize(
    "marker",
    [b"", b"[", b"[]", b"null", b'{"started": 5}', b'{"started": "yesterday"}', b'{"started": ["2026"]}', b"\xff",
     b'{"started": "0001-01-01T00:00:00+23:00"}', b'{"started": "9999-12-31T23:00:00-23:00"}', b"[" * 100_000],
    ids=range(11),
)  # fmt: skip
def test_a_marker_that_says_no_time_measures_nothing_and_raises_nothing(tmp_path: Path, marker: bytes) -> None:
    tree = service(tmp_path, ROWS)
    (tmp_path / PULL.lstrip("/")).write_bytes(marker)

    assert (measured(tree).pulled, measured(tree).rows) == (None, {"/data/one.db user": 3})


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-11-23T04:30:00+02:00", BEGAN),
        ("2026-11-23T02:30:00", BEGAN),
        ("2026-11-23T02:30:00Z", BEGAN),
    ],
)
def test_a_markers_time_is_told_in_utc(tmp_path: Path, said: str, meant: datetime) -> None:
    tree = service(tmp_path)
    (tmp_path / PULL.lstrip("/")).write_text(json.dumps({"started": said}))
    pulled = measured(tree).pulled

    assert pulled == meant
    assert pulled.utcoffset() == meant.utcoffset()


def test_a_marker_that_leads_away_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    tree = service(tmp_path / "service")
    (tmp_path / "secret").write_text(json.dumps({"started": BEGAN.isoformat()}))
    place = tmp_path / "service" / PULL.lstrip("/")
    place.unlink()
    place.symlink_to(tmp_path / "secret")

    assert measured(tree).pulled is None


@pytest.mark.parametrize("fact", [b'{"fact": {"kind": 1}}', b'{"fact": [', b'{"fact": ' + b"[" * 10_000])
def test_a_seal_that_says_nonsense_measures_nothing(tmp_path: Path, fact: bytes) -> None:
    tree = service(tmp_path)
    (tmp_path / SEAL.lstrip("/")).write_bytes(fact + b"\n")

    assert measured(tree).rows == {}


def test_a_restore_of_all_that_is_listed_passes(tmp_path: Path) -> None:
    tree = service(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    stored = Stored("/notes", len(files), sum(path.stat().st_size for path in files))
    (finding,) = restore_findings("notes", stored, tree, ())

    assert finding.outcome is Outcome.PASS


@pytest.mark.parametrize(("files", "size"), [(1, 0), (0, 1), (-1, 0), (0, -1)])
def test_a_file_or_a_byte_too_few_or_too_many_fails(tmp_path: Path, files: int, size: int) -> None:
    (tmp_path / "one").write_bytes(b"12345")
    stored = Stored("/notes", 1 + files, 5 + size)
    (finding,) = restore_findings("notes", stored, Tree(tmp_path), ())

    assert (finding.id, finding.outcome) == ("restore.incomplete", Outcome.FAIL)
    assert finding.actual == "1 files, 5 bytes"


def test_what_restic_named_as_lost_is_named_and_there_is_an_end_to_it(tmp_path: Path) -> None:
    damage = [f"ignoring error for /notes/srv/{number}: pack is gone" for number in range(100)]
    findings = list(restore_findings("notes", Stored("/notes", 100, 0), Tree(tmp_path / "none"), damage))

    *lost, rest = findings
    assert [finding.id for finding in lost] == ["repository.data-damaged"] * 20
    assert {finding.outcome for finding in lost} == {Outcome.FAIL}
    assert "/notes/srv/0: pack is gone" in lost[0].message
    assert lost[0].subject == "/srv/0"
    assert (rest.outcome, rest.message) == (Outcome.SKIP, "not asked, because of repository.data-damaged")
