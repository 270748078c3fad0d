"""The history's file: broken, of another version, in use, without room; never a traceback, never half a run."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError
from backupcheck.history import FILE, History
from backupcheck.result import Outcome
from tests.mounts import fill, mounted
from tests.policies.seen import NOW, proof, run

NIGHT = run(proof(bytes=5, rows={"/db a": 1}))
ADDING = """
import sys
from pathlib import Path
from backupcheck.history import History
from tests.policies.seen import proof, run
history = History(Path(sys.argv[1]))
for number in range(10):
    night = run(proof(bytes=number), run_id=f"{number}-{sys.argv[2]}" if number else "the same")
    history.add(night)
    history.settle(night, night.services[0])
"""
BREAKING_OFF = """
import os, sys
from pathlib import Path
from backupcheck.history import database
insert = database.insert
def broken_off(connection, name, row, **options):
    insert(connection, name, row, **options)
    if name == "facts":
        connection.conn.execute("pragma cache_spill = 1")
        os._exit(9)
database.insert = broken_off
from tests.history.test_file import NIGHT
database.History(Path(sys.argv[1])).add(NIGHT.model_copy(update={"run_id": "second"}))
"""


def refusal(call: Callable[[], object]) -> BackupcheckError:
    with pytest.raises(BackupcheckError) as caught:
        call()
    assert caught.value.id == "history.unusable"
    assert "\n" not in caught.value.message
    return caught.value


def every_call(history: History) -> list[Callable[[], object]]:
    return [
        history.runs,
        history.services,
        lambda: history.past("notes"),
        lambda: history.remembered("notes"),
        lambda: history.known(NIGHT),
        lambda: history.baseline("notes"),
        lambda: history.add(NIGHT),
        lambda: history.settle(NIGHT, NIGHT.services[0]),
    ]


def garbage(place: Path) -> None:
    place.write_bytes(b"<html>" * 1000)


def folder(place: Path) -> None:
    place.mkdir()


def torn(place: Path) -> None:
    History(place).add(NIGHT)
    content = bytearray(place.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    place.write_bytes(content)


def view(place: Path) -> None:
    with sqlite3.connect(place) as database:
        for name in ("runs", "proofs", "baselines"):
            database.execute(f"create view {name} as select 1 as run_id")
    database.close()


def newer(place: Path) -> None:
    with sqlite3.connect(place) as database:
        database.execute("pragma user_version = 99")
    database.close()


@pytest.mark.parametrize("made", [garbage, folder, torn, view, newer])
def test_a_file_that_cannot_be_used_is_said_in_one_sentence(made: Callable[[Path], None], tmp_path: Path) -> None:
    made(tmp_path / FILE)

    for call in every_call(History(tmp_path / FILE)):
        assert str(tmp_path / FILE) in refusal(call).message


def test_a_newer_layout_is_named_and_left_alone(tmp_path: Path) -> None:
    newer(tmp_path / FILE)
    before = (tmp_path / FILE).read_bytes()
    error = refusal(lambda: History(tmp_path / FILE).add(NIGHT))

    assert error.advice.startswith("a newer backupcheck wrote it")
    assert (tmp_path / FILE).read_bytes() == before


def test_a_file_in_the_folders_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    refusal(lambda: History(tmp_path / "state" / FILE).add(NIGHT))
    assert History(tmp_path / "state" / FILE).past("notes") == ()


def test_an_outcome_that_this_version_does_not_know_is_said(tmp_path: Path) -> None:
    history = History(tmp_path / FILE)
    history.add(NIGHT)
    with sqlite3.connect(history.place) as database:
        database.execute("update proofs set outcome = 'splendid'")
    database.close()

    assert "splendid" in refusal(lambda: history.past("notes")).message


def test_an_older_layout_gets_the_columns_that_it_lacks(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("create table runs (run_id text primary key, site text, started text, finished text)")
        database.execute(
            "create table proofs (run_id text, service text, finished text, outcome text, "
            "primary key (run_id, service))"
        )
        database.execute("insert into proofs values ('old', 'notes', '2026-11-01T04:00:00.000+00:00', 'pass')")
    database.close()
    history = History(tmp_path / FILE)

    assert [(past.run_id, past.bytes) for past in history.past("notes")] == [("old", None)]
    history.add(NIGHT)
    assert [kept.past.bytes for kept in history.remembered("notes")] == [None, 5]
    assert history.last_proven("notes") == NOW


def test_columns_and_tables_of_a_newer_version_do_no_harm(tmp_path: Path) -> None:
    history = History(tmp_path / FILE)
    history.add(NIGHT)
    with sqlite3.connect(history.place) as database:
        database.execute("alter table proofs add column mood text default 'fine'")
        database.execute("create table moods (run_id text)")
    database.close()
    history.add(NIGHT.model_copy(update={"run_id": "next"}))

    assert history.count("notes") == (2, 2)


def test_reading_changes_nothing(tmp_path: Path) -> None:
    history = History(tmp_path / FILE)
    history.add(NIGHT)
    before = history.place.read_bytes()
    history.known(NIGHT)
    history.remembered("notes")

    assert history.place.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [FILE]


def test_others_may_not_read_it(tmp_path: Path) -> None:
    History(tmp_path / FILE).add(NIGHT)

    assert (tmp_path / FILE).stat().st_mode & 0o027 == 0


def test_two_processes_at_once_keep_all_of_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ADDING, str(tmp_path / FILE)]
    both = [
        subprocess.Popen([*words, name], stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]) for name in "ab"
    ]
    said = [process.communicate(timeout=120)[1] for process in both]

    assert said == [b"", b""]
    assert len(History(tmp_path / FILE).runs(100)) == 19
    assert History(tmp_path / FILE).count("notes") == (19, 19)


def test_a_run_that_was_killed_while_it_was_kept_is_not_there_by_half(tmp_path: Path) -> None:
    history = History(tmp_path / FILE)
    history.add(NIGHT)
    words = [sys.executable, "-c", BREAKING_OFF, str(history.place)]
    killed = subprocess.run(words, check=False, capture_output=True, cwd=Path(__file__).parents[2])

    assert (killed.returncode, killed.stderr) == (9, b"")
    assert [row["run_id"] for row in history.runs()] == [NIGHT.run_id]
    assert history.count("notes") == (1, 1)


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=256k") as small:
        history = History(small / FILE)
        history.add(NIGHT)
        history.settle(NIGHT, NIGHT.services[0])
        fill(small / "filler")
        many = proof(rows={f"/db table {number}": number for number in range(500)})
        error = refusal(lambda: history.add(run(many, run_id="second")))

        assert "full" in error.message or "disk" in error.message
        assert history.count("notes") == (1, 1)
        assert history.baseline("notes") == {"bytes": 5, "rows /db a": 1}
        (small / "filler").unlink()
        history.add(run(many, run_id="second"))
        assert history.count("notes") == (2, 2)


def test_a_read_only_disk_can_be_read_and_not_changed(tmp_path: Path) -> None:
    history = History(tmp_path / "state" / FILE)
    history.add(NIGHT)
    with mounted(tmp_path / "seen", source=tmp_path / "state") as seen:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(seen)], check=True)
        frozen = History(seen / FILE)

        assert frozen.last_proven("notes") == NOW
        assert [past.outcome for past in frozen.past("notes")] == [Outcome.PASS]
        refusal(lambda: frozen.add(run(proof(), run_id="second")))
        refusal(lambda: History(seen / "none" / FILE).add(NIGHT))
