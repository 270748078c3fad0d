"""A CouchDB data folder: its shard map, every record of every shard, and what its databases hold."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from backupcheck.couch.captured import Captured, judge_captured, read_captured, with_known_tails
from backupcheck.couch.judging import ASK_SOURCE, judge_server
from backupcheck.couch.report import Contents, Database, Trouble, verify
from backupcheck.couch.server import ServerFacts, look
from backupcheck.couchfile import Code
from backupcheck.fields import AbsolutePath
from backupcheck.matchers import Expected, compared, describe
from backupcheck.questions import Asked
from backupcheck.result import Finding, Outcome, Text, printable
from backupcheck.seal.captured import captured
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import named

MOST_DATABASES = 100
NAMED_BY_EMPTY = (Code.DBS_MISSING, Code.NODES_MISSING)
"""Of a folder that holds no database it goes without saying that these are not there."""
CONSEQUENCES = (Code.SHARD_UNLISTED, Code.VIEW_AHEAD_OF_SHARD)
"""What damage to another file may bring about; shown after that."""

ADVICE = {
    Code.TAIL_AFTER_HEADER: "if copies are taken while CouchDB writes, say so: `live_copy: true`; else pull again",
    Code.SHARD_MISSING: "look for the file at the source and pull again: a compaction may have renamed it",
    Code.DBS_MISSING: "back up the whole data folder: without its shard map CouchDB serves none of the databases",
    Code.SHARD_UNLISTED: "see whether the shard map is older than the shards: both must be of the same pull",
    Code.VIEW_AHEAD_OF_SHARD: "the shard is older than its index, or was cut: restore it from another snapshot",
}
REPAIR = "restore the file from an older snapshot and compare it with the source"


class Holding(Asked):
    """What a database must hold; each is asked only where it is given."""

    documents: Expected | None = Field(None, description="how many live documents")
    deleted: Expected | None = Field(None, description="how many deleted documents")
    attachments: Expected | None = Field(None, description="how many attachments, of all live revisions")
    conflicts: Expected | None = Field(None, description="how many live revisions that lost")


class CouchdbFacts(Facts):
    """`found` is what lies at the place; `contents` is None where that is no folder, `server` if not wanted.

    `captured` is what the capture of the folder counted, None where the seal has no such capture.
    """

    found: Text
    contents: Contents | None = None
    server: ServerFacts | None = None
    captured: Captured | None = None


class Couchdb(Check[CouchdbFacts]):
    """Whether a CouchDB would serve all its databases from this data folder, and what they hold.

    Without a server, every record of every file is read and compared with all that is known of it: the shard map,
    the headers, both trees, checksums, counts, attachments, the indexes. CouchDB itself says nothing of most such
    damage: it answers 200 and serves what is left. Where the box has a CouchDB, it is started there on a copy and
    every document is read over HTTP as well; with `server: required` that must be, `server: "off"` leaves it.

        - couchdb:
            data: /opt/couchdb/data
            databases:
              vault: {documents: {gte: 1}, conflicts: 0}
              _users: {documents: {gte: 1}}

    With `live_copy: true` bytes after a file's last header are a warning: they are normal for a copy that is taken
    while CouchDB writes, and all that can be seen of a file that was cut otherwise. Zeros there are never normal.
    Where the capture `couchdb` brought the folder, that is not needed: its databases must hold just the documents
    that the capture counted, and its files end just as they did then.

    Findings: `couchdb.missing`, `couchdb.empty`, `couchdb.database-missing`, `couchdb.damage` (passes: every
    record was read), `couchdb.documents-not-as-captured`, `couchdb.shard-not-as-captured`, `couchdb.documents`,
    `couchdb.deleted`, `couchdb.attachments`, `couchdb.conflicts`, `couchdb.server`, `couchdb.server-start`,
    `couchdb.server-counts`, `couchdb.server-read`; and one for each thing that can be
    wrong with a file, such as `couchdb.shard-missing`, `couchdb.no-valid-header`, `couchdb.tail-after-header`,
    `couchdb.checksum-mismatch`. The first twenty of each are shown, and how many more there are.
    """

    pace: ClassVar[float] = 1 / 20e6

    data: AbsolutePath = Field(description="the data folder, where `_dbs.couch` and `shards` lie")
    databases: dict[str, Holding] = Field(default_factory=dict, description="databases that must be there")
    live_copy: StrictBool = Field(False, description="whether the copy is taken while CouchDB writes")
    server: Literal["auto", "off", "required"] = Field(
        "auto", description='whether a CouchDB in the box is asked as well; write "off" with quotes'
    )
    timeout: StrictInt | StrictFloat = Field(1800, gt=0, description="seconds for reading the files")

    def subject(self) -> str:
        """The data folder."""
        return self.data

    def observe(self, box: Box) -> CouchdbFacts:
        """Raises `UnsafePath` where a symlink leads to the folder, `ToolTimedOut` and `ProcessError` where the
        files could not be read to the end."""
        try:
            place = box.tree.place(self.data)
            mode = place.lstat().st_mode
        except FileNotFoundError:
            return CouchdbFacts(found="nothing")
        if not stat.S_ISDIR(mode):
            return CouchdbFacts(found=named(mode))
        contents = verify(place, self.timeout)
        known = read_captured(captured(box.tree, "couchdb", self.data.rstrip("/")))
        if known is not None:
            contents = with_known_tails(contents, known)
        server = self._ask_server(box, contents)
        return CouchdbFacts(found="a folder", contents=contents, server=server, captured=known)

    def _ask_server(self, box: Box, contents: Contents) -> ServerFacts | None:
        if self.server == "off":
            return None
        if any(not self._is_tolerated(trouble) for trouble in contents.troubles) or not contents.databases:
            return ServerFacts(state="not-asked", message="no server is started on damaged data")
        names = tuple(database.name for database in contents.databases)
        return look(box, self.data, contents.server_name, names, self.timeout)

    def judge(self, facts: CouchdbFacts, moment: Moment) -> Iterator[Finding]:
        """The folder, each thing that is wrong in it, each database, and what the server said."""
        contents = facts.contents
        yield self._answer(
            "missing", contents is not None, "the data folder is there", "there is no data folder", facts.found
        )
        if contents is None:
            return
        there = len(contents.databases)
        yield self._answer("empty", there > 0, "it holds databases", "it holds no database at all", there)
        yield from self._judge_troubles(contents)
        if facts.captured is not None:
            yield from judge_captured(contents, facts.captured, self.data)
        yield from self._judge_databases(contents)
        if facts.server is not None:
            yield from judge_server(facts.server, contents, self.data, required=self.server == "required")

    def _judge_troubles(self, contents: Contents) -> Iterator[Finding]:
        """Each error that was kept, one line a code for minor ones, and how many more there are."""
        named = () if contents.databases else NAMED_BY_EMPTY
        by_code: dict[Code, list[Trouble]] = {}
        for trouble in contents.troubles:
            if trouble.code not in named:
                by_code.setdefault(trouble.code, []).append(trouble)
        for code in sorted(by_code, key=CONSEQUENCES.__contains__):
            troubles = by_code[code]
            errors = [trouble for trouble in troubles if not trouble.minor]
            shown = errors or troubles[:1]
            yield from map(self._trouble, shown)
            if (more := contents.counts[code] - len(shown)) > 0:
                tolerated = all(map(self._is_tolerated, shown))
                yield self._further(code.value, f"{more} more of the same kind", tolerated=tolerated)
        if (more := contents.errors - contents.listed_errors) > 0:
            yield self._further("further-damage", f"{more} more errors, which were only counted", tolerated=False)

    def _is_tolerated(self, trouble: Trouble) -> bool:
        """Whether it is no more than a warning."""
        live = self.live_copy and trouble.code is Code.TAIL_AFTER_HEADER and not trouble.zeros
        return trouble.minor or trouble.known or live

    def _trouble(self, trouble: Trouble) -> Finding:
        about = "" if trouble.subject in trouble.file else f"{trouble.subject}: "
        where = "" if trouble.offset is None else f" (at byte {trouble.offset})"
        return Finding(
            id=f"couchdb.{trouble.code}",
            outcome=Outcome.WARN if self._is_tolerated(trouble) else Outcome.FAIL,
            subject=f"{self.data.rstrip('/')}/{trouble.file}",
            message=f"{about}{trouble.message}{where}",
            advice="" if self._is_tolerated(trouble) else ADVICE.get(trouble.code, REPAIR),
        )

    def _further(self, end: str, message: str, *, tolerated: bool) -> Finding:
        outcome = Outcome.WARN if tolerated else Outcome.FAIL
        return Finding(id=f"couchdb.{end}", outcome=outcome, subject=self.data, message=message)

    def _judge_databases(self, contents: Contents) -> Iterator[Finding]:
        sound = [one for one in contents.databases if one.listed and self._is_sound(one)]
        for database in sound[:MOST_DATABASES]:
            yield self._sound(database.name, _described(database))
        if rest := sound[MOST_DATABASES:]:
            documents = sum(database.documents for database in rest)
            yield self._sound(self.data, f"{len(rest)} more databases, {documents} documents")
        there = {database.name: database for database in contents.databases}
        for name, holding in self.databases.items():
            yield from self._judge_holding(name, holding, there.get(printable(name)))

    def _is_sound(self, database: Database) -> bool:
        return database.errors <= (database.tails if self.live_copy else database.known_tails)

    def _sound(self, subject: str, described: str) -> Finding:
        return Finding(
            id="couchdb.damage",
            outcome=Outcome.PASS,
            subject=subject,
            expected="no damage",
            actual="no damage",
            message=f"every record was read: {described}",
        )

    def _judge_holding(self, name: str, holding: Holding, database: Database | None) -> Iterator[Finding]:
        there = database is not None
        yield Finding(
            id="couchdb.database-missing",
            outcome=Outcome.PASS if there else Outcome.FAIL,
            subject=name,
            expected="a database of this name",
            actual="present" if there else "nothing",
            message=f"the database {name} is there" if there else f"the database {name} is missing",
            advice="" if there else "see whether it exists at the source, and whether the pull leaves it out",
        )
        if database is None:
            return
        for end in Holding.model_fields:
            expected: Expected | None = getattr(holding, end)
            if expected is None:
                continue
            count: int = getattr(database, end)
            if self._is_sound(database):
                yield compared(f"couchdb.{end}", name, expected, count, f"{name} has {count} {end}", ASK_SOURCE)
            else:
                yield _uncounted(end, name, expected, count)

    def _answer(self, end: str, good: bool, if_good: str, if_bad: str, actual: str | int) -> Finding:
        return Finding(
            id=f"couchdb.{end}",
            outcome=Outcome.PASS if good else Outcome.FAIL,
            subject=self.data,
            actual=actual,
            message=if_good if good else if_bad,
            advice="" if good else "see whether `data` names the right folder and the pull brings it",
        )


def _described(database: Database) -> str:
    return (
        f"{database.documents} documents, {database.deleted} deleted, {database.attachments} attachments,"
        f" {database.conflicts} conflicts, {database.bytes} bytes, shards: {database.shards}"
    )


def _uncounted(end: str, name: str, expected: Expected, count: int) -> Finding:
    return Finding(
        id=f"couchdb.{end}",
        outcome=Outcome.SKIP,
        subject=name,
        expected=describe(expected),
        actual=count,
        message=f"not asked of a damaged database; {count} {end} can still be read",
    )
