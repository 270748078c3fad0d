"""SQLite's logs: a write-ahead log or a rollback journal that was left out, cut, damaged or another's."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.data import After, Harmed, Made
from tests.faults.corpus.logs import (
    Change,
    changed,
    checkpointed,
    closed,
    given_up,
    hot,
    left,
    live,
    noted,
    persisting,
    resumed,
    small,
    truncating,
)
from tests.faults.corpus.notes import (
    CAPTURE,
    NOTES,
    ON_THE_WAY,
    PAGE,
    SPEC,
    cut,
    gone,
    replaced,
    written,
)
from tests.faults.corpus.pulled import Pulled, Sourced

LOG, JOURNAL, SHARED = f"{NOTES}-wal", f"{NOTES}-journal", f"{NOTES}-shm"
FRAME = PAGE + 24
CANARY = f"capture: [canary: {{sqlite: {{path: {NOTES}}}}}]\n"
WITH_CANARY = f"{SPEC}  - canary: {{sqlite: {{path: {NOTES}}}}}\n{CANARY}"


LIVE, HOT = Made(live, SPEC), Made(hot, SPEC)
CLOSED = Made(closed, SPEC)
AT_SOURCE = Pulled(live, SPEC + CAPTURE)
WATCHED = Pulled(closed, WITH_CANARY)


def later(data: Harmed, *changes: Change) -> dict[str, bytes]:
    """Database and log of a later time, by their names; what lies there stays as it is."""
    place = data.place(NOTES)
    copy = place.with_name("copy.db")
    for end in ("", "-wal"):
        if Path(f"{place}{end}").exists():
            shutil.copy(f"{place}{end}", f"{copy}{end}")
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("pragma synchronous=off")
        connection.execute("pragma wal_autocheckpoint=0")
        connection.execute("pragma wal_checkpoint(truncate)")
        for change in changes:
            change(connection)
        found = {end: Path(f"{copy}{end}").read_bytes() for end in ("", "-wal")}
    for file in place.parent.glob("copy.db*"):
        file.unlink()
    return found


def newer_database(*changes: Change) -> Callable[[Harmed], object]:
    """The database was copied later than its log: that puts it back, and integrity_check says ok."""

    def harm(data: Harmed) -> None:
        data.place(NOTES).write_bytes(later(data, *changes, checkpointed)[""])

    return harm


def newer_log(data: Harmed) -> None:
    """The log was copied later than its database, and a checkpoint lies between them."""
    data.place(LOG).write_bytes(later(data, noted(2000, 150), checkpointed, changed)["-wal"])


def log_of_another(data: Harmed) -> None:
    """Of another database of the same application: it was restored beside the log that lay there."""
    other = data.folder / "other"
    other.mkdir()
    left(
        other,
        "wal",
        noted(4000),
        lambda connection: connection.execute("delete from tag where name > 'tag 02'"),
        checkpointed,
        noted(5000),
    )
    shutil.copy(other / LOG[1:], data.place(LOG))


def left_from_before(*changes: Change) -> Callable[[Harmed], object]:
    """A database came into the place of one whose log still lies there."""

    def harm(data: Harmed) -> None:
        place = data.place(NOTES)
        older = place.read_bytes()
        with closing(sqlite3.connect(place, isolation_level=None)) as connection:
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=off")
            connection.execute("pragma wal_autocheckpoint=0")
            for change in changes:
                change(connection)
            log = Path(f"{place}-wal").read_bytes()
        place.write_bytes(older)
        data.place(LOG).write_bytes(log)

    return harm


def an_hour_before(connection: sqlite3.Connection) -> None:
    connection.execute("update visit set seen_at = '2026-11-20 10:00:58' where rowid = 60")


def zeros_after_a_power_cut(data: Harmed) -> None:
    """The file system had written the log's size, but not yet its content."""
    place = data.place(LOG)
    place.write_bytes(bytes(place.stat().st_size))


def without_log(data: Sourced) -> None:
    """An exclude that meant other files leaves the log of a running application out; of a later second."""
    time.sleep(1)
    source = data.spec.source.model_copy(update={"exclude": ("/srv/notes/*-wal", "/srv/notes/*-shm")})
    data.spec = data.spec.model_copy(update={"source": source})
    application = data.stack.enter_context(closing(sqlite3.connect(data.place(NOTES), isolation_level=None)))
    noted(3000)(application)


def half_of_the_journal(data: Harmed) -> None:
    cut(lambda size: size // 2, JOURNAL)(data)


def journal_of_yesterday(data: Harmed) -> None:
    """The database was put in order and used since; the journal of the crash lies beside it again."""
    journal = data.place(JOURNAL).read_bytes()
    with data.sqlite(NOTES) as connection:
        noted(1000, 100)(connection)
        connection.execute("delete from note where id between 20 and 90")
    data.place(JOURNAL).write_bytes(journal)


FAULTS = (
    Fault("an exclude that leaves the log out", WATCHED, without_log, "canary.stale"),
    Fault(
        "a grown database beside an older log",
        LIVE,
        newer_database(noted(2000, 200)),
        ("sqlite.wal-stale", "sqlite.malformed"),
    ),
    Fault("a log that is newer than its database", LIVE, newer_log, "sqlite.malformed"),
    Fault("a log of another database", LIVE, log_of_another, "sqlite.malformed"),
    Fault(
        "a bit flipped in the middle of a log",
        LIVE,
        written(32 + 30 * FRAME + 500, b"\x07", LOG),
        "sqlite.wal-corrupt",
    ),
    Fault("a bit flipped in a log's header", LIVE, written(17, b"\x07", LOG), "sqlite.wal-corrupt"),
    Fault("a log of zeros after a power cut", LIVE, zeros_after_a_power_cut, "sqlite.wal-corrupt"),
    Fault("a log without its database", LIVE, gone(), "sqlite.missing"),
    Fault("a database of no bytes beside its log", LIVE, replaced(lambda place: b""), "sqlite.empty-file"),
    Fault(
        "a log cut at a commit's end in the repository",
        Made(live, SPEC, After.SEAL),
        cut(lambda size: 32 + (size // FRAME // 2) * FRAME, LOG),
        "seal.size-changed",
    ),
    Fault(
        "a log left out by the repository's excludes",
        Made(live, SPEC, After.SEAL),
        gone(LOG),
        "seal.file-lost",
    ),
    Fault(
        "a captured database beside the log that lay there",
        ON_THE_WAY,
        left_from_before(noted(1000)),
        ("sqlite.rows-not-as-captured", "sqlite.newest-not-as-captured", "sqlite.sequence-not-as-captured"),
    ),
    Fault(
        "a captured database put back by one page of an old log",
        ON_THE_WAY,
        left_from_before(an_hour_before),
        "sqlite.newest-not-as-captured",
    ),
    Fault(
        "a log at the source that is older than its database",
        AT_SOURCE,
        newer_database(noted(2000, 200)),
        unable="capture.damaged",
    ),
    Fault(
        "a flipped bit in the log at the source",
        AT_SOURCE,
        written(32 + 30 * FRAME + 500, b"\x07", LOG),
        unable="capture.damaged",
    ),
    Fault("a hot journal left out", HOT, gone(JOURNAL), "sqlite.malformed"),
    Fault("half of a hot journal", HOT, half_of_the_journal, "sqlite.malformed"),
    Fault(
        "a hot journal of zeros",
        HOT,
        replaced(lambda place: bytes(place.stat().st_size), JOURNAL),
        "sqlite.malformed",
    ),
    Fault("a hot journal of yesterday", HOT, journal_of_yesterday, "sqlite.malformed"),
)


def nothing(data: Harmed) -> None:
    """It is odd from its beginning."""


def shared(data: Harmed) -> None:
    """The shared memory of a running application was copied as well."""
    data.place(SHARED).write_bytes(os.urandom(32768))


HEALTHY = (
    Healthy("a live log", LIVE, nothing),
    Healthy("a live log, and the application's shared memory", LIVE, shared),
    Healthy("a log that was begun anew over an older one", Made(resumed, SPEC), nothing),
    Healthy("a log with a transaction that was given up", Made(given_up, SPEC), nothing),
    Healthy("a log that makes the database smaller", Made(small, SPEC), nothing),
    Healthy(
        "a log that a crash cut within a change", LIVE, cut(lambda size: size - 500, LOG), "sqlite.wal-partial"
    ),
    Healthy("a database in WAL mode after a clean end", CLOSED, nothing),
    Healthy("a hot rollback journal", HOT, nothing),
    Healthy("a journal that is kept, its header zeros", Made(persisting, SPEC), nothing),
    Healthy("a journal of no bytes", Made(truncating, SPEC), nothing),
    Healthy("a log at the source of an application that crashed", AT_SOURCE, nothing),
)
