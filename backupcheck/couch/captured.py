"""What a capture counted in a CouchDB data folder when it arrived, and whether the restored one still has it."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue, ValidationError

from backupcheck.couch.report import Contents, Database, Shard, Trouble
from backupcheck.couchfile import Code
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seams import CaptureReport, Facts

OLDER = "this is not the copy that was captured: restore another snapshot, and look at where this one was kept"
MOST_NAMED = 20


class CapturedDatabase(Facts):
    """How much one database held when it was captured."""

    documents: int
    deleted: int


class Captured(Facts):
    """A data folder as it was captured: its databases by name, and all their files and the system's."""

    databases: dict[Text, CapturedDatabase]
    files: tuple[Shard, ...]


def captured_of(contents: Contents) -> Captured:
    """What a capture keeps of a folder that it verified."""
    return Captured(
        databases={
            one.name: CapturedDatabase(documents=one.documents, deleted=one.deleted) for one in contents.databases
        },
        files=tuple(part for _, part in sorted(contents.parts.items())),
    )


def as_json(captured: Captured) -> dict[str, JsonValue]:
    """As a capture's report carries it into the seal."""
    value: dict[str, JsonValue] = captured.model_dump(mode="json")
    return value


def read_captured(report: CaptureReport | None) -> Captured | None:
    """What a capture's report says; None where there is none, or none that can be read."""
    if report is None:
        return None
    try:
        return Captured.model_validate(report.found)
    except ValidationError:
        return None


def with_known_tails(contents: Contents, captured: Captured) -> Contents:
    """The same, but the tails that the capture met in files of just this size are marked as known."""
    same = {*captured.files}.intersection(contents.parts.values())
    named = {part.file for part in same}

    def known(trouble: Trouble) -> bool:
        return trouble.code is Code.TAIL_AFTER_HEADER and not trouble.zeros and trouble.file in named

    troubles = tuple(one.model_copy(update={"known": known(one)}) for one in contents.troubles)

    def counted(database: Database) -> Database:
        tails = sum(part.tail > 0 and part in same for part in database.parts)
        return database.model_copy(update={"known_tails": min(tails, database.tails)})

    return contents.model_copy(update={"troubles": troubles, "databases": tuple(map(counted, contents.databases))})


def judge_captured(contents: Contents, captured: Captured, data: str) -> Iterator[Finding]:
    """One finding for each database that does not hold what was captured, one for each file that went back; or
    one that says that all is as it was."""
    wrong = [*_counts(contents, captured), *_rolled_back(contents, captured)]
    yield from wrong[:MOST_NAMED]
    if more := wrong[MOST_NAMED:]:
        yield _bad("documents-not-as-captured", data, "", "", f"{len(more)} more such differences")
    if not wrong:
        documents = sum(one.documents for one in captured.databases.values())
        yield Finding(
            id="couchdb.documents-not-as-captured",
            outcome=Outcome.PASS,
            subject=data,
            expected=documents,
            actual=documents,
            message=f"{len(captured.databases)} databases hold just the {documents} documents that were captured",
        )


def _counts(contents: Contents, captured: Captured) -> Iterator[Finding]:
    restored = {one.name: one for one in contents.databases}
    for name in sorted({*restored, *captured.databases}):
        before, after = captured.databases.get(name), restored.get(name)
        then = _shown(before.documents, before.deleted) if before else "no such database"
        now = _shown(after.documents, after.deleted) if after else "no such database"
        if then != now:
            message = f"{name}: captured were {then}, restored are {now}"
            yield _bad("documents-not-as-captured", name, then, now, message)


def _rolled_back(contents: Contents, captured: Captured) -> Iterator[Finding]:
    restored = contents.parts
    for before in captured.files:
        after = restored.get(before.file)
        if after is not None and after.update_seq != before.update_seq:
            then, now = f"update sequence {before.update_seq}", f"update sequence {after.update_seq}"
            message = f"{before.file}: captured at {then}, restored at {now}"
            yield _bad("shard-not-as-captured", before.file, then, now, message)


def _shown(documents: int, deleted: int) -> str:
    return f"{documents} documents and {deleted} deleted ones"


def _bad(end: str, subject: str, expected: str, actual: str, message: str) -> Finding:
    return Finding(
        id=f"couchdb.{end}",
        outcome=Outcome.FAIL,
        subject=subject,
        expected=expected,
        actual=actual,
        message=message,
        advice=OLDER,
    )
