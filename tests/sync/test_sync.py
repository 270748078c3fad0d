"""The whole pull of several services from a real sshd: captures, files, seal, marker."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.capture.sqlite import Sqlite
from backupcheck.errors import Interrupted
from backupcheck.result import Outcome
from backupcheck.seal import manifest
from backupcheck.seal.manifest import PULL, SEAL
from backupcheck.tree import Tree
from tests.mounts import mounted
from tests.names import names_in
from tests.sshd import Sshd
from tests.sync.place import DATABASE, Place


def sealed(folder: Path) -> list[manifest.Sealed]:
    with manifest.reading(Tree(folder), SEAL) as reading:
        return list(reading.entries())


def walked(folder: Path) -> list[manifest.Sealed]:
    tree = Tree(folder)
    return [manifest.describe(entry, tree, "blake3") for entry in manifest.entries(tree)]


def test_services_with_the_same_names_are_pulled_side_by_side(place: Place) -> None:
    findings = place.pull(place.spec("one"), place.spec("two"))

    assert [finding.outcome for finding in findings.values()] == [Outcome.PASS] * 2
    assert [(place.mirrored(name) / "same").read_text() for name in ("one", "two")] == ["of one", "of two"]
    assert place.site.mirror.stat().st_mode & 0o777 == 0o700


def test_the_seal_is_what_a_fresh_walk_finds_and_only_its_owner_reads_it(place: Place) -> None:
    place.pull(place.spec("one"))
    folder = place.site.mirror / "one"

    assert sealed(folder) == walked(folder)
    assert {item.path for item in sealed(folder)} >= {b"/opt/app/data/same", b"/opt/app/data/link"}
    assert (folder / SEAL.lstrip("/")).stat().st_mode & 0o777 == 0o600


def test_the_marker_says_complete_only_after_the_seal(place: Place) -> None:
    place.pull(place.spec("one"))
    marker = place.marker("one")
    with manifest.reading(Tree(place.site.mirror / "one"), SEAL) as reading:
        taken = reading.header.taken.isoformat()

    assert str(marker["started"]) < taken <= str(marker["finished"])
    assert marker["failed"] is None


def test_a_failed_pull_leaves_the_old_seal_and_a_marker_that_says_so(place: Place, sshd: Sshd) -> None:
    place.pull(place.spec("one"))
    before = (place.site.mirror / "one" / SEAL.lstrip("/")).read_bytes()
    sshd.authorize("none")
    finding = place.pull(place.spec("one"))["one"]
    marker = place.marker("one")

    assert (finding.id, finding.outcome) == ("sync.auth-denied", Outcome.ERROR)
    assert (place.site.mirror / "one" / SEAL.lstrip("/")).read_bytes() == before
    assert marker["finished"] is None
    assert marker["failed"] == {"id": finding.id, "message": finding.message, "bad": False}
    assert (place.mirrored("one") / "same").exists()


def test_a_pull_that_is_under_way_is_marked_as_begun(place: Place, sshd: Sshd) -> None:
    place.pull(place.spec("one"))
    sshd.through(f'cp "{place.site.mirror}/one{PULL}" {place.roots}/seen')
    place.pull(place.spec("one"))
    seen = json.loads((place.roots / "seen").read_bytes())

    assert (seen["finished"], seen["failed"]) == (None, None)


def test_one_services_failure_leaves_the_others_alone(place: Place) -> None:
    shutil.rmtree(place.data("one"))
    findings = place.pull(place.spec("one"), place.spec("two"), place.spec("three", host="nosuch.invalid"))

    assert {name: finding.id for name, finding in findings.items() if finding.outcome is not Outcome.PASS} == {
        "one": "sync.source-missing",
        "three": "sync.unreachable",
    }
    assert findings["two"].outcome is Outcome.PASS


def test_an_empty_source_is_bad_and_leaves_no_seal(place: Place) -> None:
    shutil.rmtree(place.data("one"))
    place.data("one").mkdir()
    finding = place.pull(place.spec("one"))["one"]

    assert (finding.id, finding.outcome) == ("sync.source-empty", Outcome.FAIL)
    assert not (place.site.mirror / "one" / SEAL.lstrip("/")).exists()


def test_what_is_deleted_at_the_source_goes_and_what_was_captured_stays(place: Place) -> None:
    with sqlite3.connect(place.data("one") / "app.db") as live:
        live.execute("pragma journal_mode=wal")
        live.execute("create table t (n)")
        live.commit()
        spec = place.spec("one", (Sqlite(path=DATABASE),))
        place.pull(spec)
        (place.data("one") / "same").unlink()
        finding = place.pull(spec)["one"]
    live.close()

    assert finding.outcome is Outcome.PASS
    assert names_in(place.mirrored("one")) == ["app.db", "deep", "link"]
    assert sealed(place.site.mirror / "one") == walked(place.site.mirror / "one")


def test_a_failed_capture_stops_the_service_before_its_files(place: Place) -> None:
    finding = place.pull(place.spec("one", (Sqlite(path="/opt/nosuch.db"),)))["one"]

    assert finding.id == "sync.source-missing"
    assert not place.mirrored("one").exists()


def test_a_capture_alone_is_a_service(place: Place) -> None:
    with sqlite3.connect(place.data("one") / "app.db") as live:
        live.execute("create table t (n)")
    live.close()
    finding = place.pull(place.spec("one", (Sqlite(path=DATABASE),), paths=()))["one"]

    assert finding.outcome is Outcome.PASS
    assert names_in(place.mirrored("one")) == ["app.db"]


def test_this_machine_is_a_source_too(place: Place) -> None:
    finding = place.pull(place.spec("one", host="local"))["one"]

    assert finding.outcome is Outcome.PASS
    assert (place.mirrored("one") / "same").read_text() == "of one"


def test_a_full_mirror_is_named(place: Place) -> None:
    (place.data("one") / "large").write_bytes(os.urandom(2 * 2**20))
    site = place.site.model_copy(update={"reserve": "1K"})
    with mounted(place.site.mirror):
        finding = Place(site, place.roots).pull(place.spec("one"))["one"]

    assert (finding.id, finding.outcome) == ("sync.target-full", Outcome.ERROR)


def test_a_mirror_that_cannot_be_made_is_an_answer_for_every_service(place: Place) -> None:
    site = place.site.model_copy(update={"mirror": Path("/proc/none/mirror")})
    findings = Place(site, place.roots).pull(place.spec("one"), place.spec("two"))

    assert [finding.outcome for finding in findings.values()] == [Outcome.ERROR] * 2


def test_a_defect_in_one_capture_is_an_answer_without_data(place: Place) -> None:
    class Broken(Sqlite):
        def take(self, source: object, folder: Path) -> object:  # type: ignore[override]
            raise ValueError("a secret of the data")

    findings = place.pull(place.spec("one", (Broken(path=DATABASE),)), place.spec("two"))

    assert (findings["one"].id, findings["two"].outcome) == ("sync.crashed", Outcome.PASS)
    assert "secret" not in findings["one"].message


def test_an_interrupted_sync_ends_at_once_and_no_service_is_marked_complete(place: Place, sshd: Sshd) -> None:
    sshd.through("sleep 30")
    threading.Timer(1, proc.interrupt).start()
    try:
        with pytest.raises(Interrupted):
            place.synced(place.spec("one"), place.spec("two"))
    finally:
        proc.resume()

    assert [place.marker(name)["finished"] for name in ("one", "two")] == [None, None]
