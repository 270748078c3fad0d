"""What runs at the source before and after a pull, and what becomes of it when one of them fails."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from backupcheck import allowed, proc
from backupcheck.capture.sqlite import Sqlite
from backupcheck.errors import Interrupted
from backupcheck.identity import question
from backupcheck.result import Outcome
from backupcheck.spec import HookSpec
from tests.sshd import Sshd
from tests.sync.place import DATA, DATABASE, Place


def noting(place: Place, word: str, rest: str = "") -> HookSpec:
    return HookSpec(run=("sh", "-c", f"echo {word} >> {place.roots}/noted; {rest}"), timeout=60)


def noted(place: Place) -> list[str]:
    file = place.roots / "noted"
    return file.read_text().split() if file.exists() else []


def test_the_hooks_run_around_all_that_is_taken_and_before_the_seal(place: Place) -> None:
    before = noting(place, "before", f"echo made > {place.data('one')}/made")
    after = noting(place, "after", f"rm {place.data('one')}/made")

    finding = place.pull(place.spec("one", before=before, after=after))["one"]

    assert finding.outcome is Outcome.PASS
    assert noted(place) == ["before", "after"]
    assert (place.mirrored("one") / "made").read_text() == "made\n"


def test_where_before_fails_nothing_is_taken_and_after_mends_what_it_began(place: Place) -> None:
    before = noting(place, "before", "echo the disk is busy >&2; exit 3")

    findings = place.findings(place.spec("one", before=before, after=noting(place, "after")))

    assert [(each.id, each.outcome) for each in findings] == [("sync.hook-failed", Outcome.ERROR)]
    assert "the hook `before` failed" in findings[0].message
    assert "the disk is busy" in findings[0].message
    assert noted(place) == ["before", "after"]
    assert not place.mirrored("one").exists()


def test_where_after_fails_the_copy_is_whole_and_the_run_red(place: Place) -> None:
    spec = place.spec("one", after=noting(place, "after", "exit 4"))

    (synced,) = place.synced(spec)

    assert [(each.id, each.outcome) for each in synced.result.findings] == [
        ("sync.hook-failed", Outcome.ERROR),
        ("sync.incomplete", Outcome.PASS),
    ]
    assert not synced.good
    assert place.marker("one")["finished"] is not None


def test_a_failed_pull_does_not_keep_after_from_running_nor_hide_its_failure(place: Place) -> None:
    shutil.rmtree(place.data("one"))

    findings = place.findings(place.spec("one", after=noting(place, "after", "exit 4")))

    assert [each.id for each in findings] == ["sync.source-missing", "sync.hook-failed"]
    assert noted(place) == ["after"]


def test_a_hook_that_hangs_or_is_not_there_has_failed(place: Place) -> None:
    hanging = place.spec("one", before=HookSpec(run=("sleep", "600"), timeout=1))
    missing = place.spec("two", before=HookSpec(run=("nosuch-program",)))

    found = place.pull(hanging, missing)

    assert [found[name].id for name in ("one", "two")] == ["sync.hook-failed"] * 2


def test_a_sync_may_run_and_pull_these_and_nothing_else(place: Place) -> None:
    hook, capture = HookSpec(run=("systemctl", "stop", "app")), Sqlite(path=DATABASE)
    spec = place.spec("one", (capture,), before=hook, after=hook)
    root = spec.source.root

    assert allowed.commands(spec) == (question(root), hook.run, *capture.commands(root))
    assert (f"{DATA}/",) in allowed.pulls(spec)
    assert set(capture.pulls()) <= set(allowed.pulls(spec))
    assert allowed.pulls(place.spec("one", paths=())) == ()


def test_all_that_a_sync_runs_at_a_source_is_allowed(place: Place, sshd: Sshd, tmp_path: Path) -> None:
    sqlite3.connect(place.data("one") / "app.db").execute("create table t (n)").connection.close()
    spec = place.spec("one", (Sqlite(path=DATABASE),), before=noting(place, "a"), after=noting(place, "b"))
    sshd.through(f'printf "%s\\0" "$3" >> {tmp_path}/asked')
    finding = place.pull(spec)["one"]
    asked = (tmp_path / "asked").read_text().split("\0")[:-1]

    assert finding.outcome is Outcome.PASS
    programs = [words for words in asked if not words.startswith("rsync --server")]
    assert set(programs) <= {shlex.join(words) for words in allowed.commands(spec)}
    assert len(programs) >= 4


# the last of this file, for the interruption ends the sshd of the others too
def test_after_runs_though_the_sync_was_interrupted(place: Place) -> None:
    hooks = noting(place, "before", "sleep 600"), noting(place, "after")
    spec = place.spec("one", host="local", before=hooks[0], after=hooks[1])

    def interrupt() -> None:
        while "before" not in noted(place):
            time.sleep(0.01)
        proc.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(Interrupted):
            place.synced(spec)
    finally:
        thread.join()
        proc.resume()

    assert noted(place) == ["before", "after"]
