"""A service's data, harmed at the source, on its way into the mirror, or afterwards; asked as a drill asks it.

Between the harm and the questions lies what a night does, but for the repository: the copy is sealed as a sync
would have sealed it, and its sizes are compared with the history of a healthy week.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

from backupcheck.asking import ask, named_once
from backupcheck.errors import BackupcheckError, BadBackup
from backupcheck.history import FILE, History
from backupcheck.inspecting import content_of
from backupcheck.mirror import mark
from backupcheck.plan import repository_of
from backupcheck.policies.growth import OLD, Growth
from backupcheck.policy import View
from backupcheck.probes.sqlite_copy import counted
from backupcheck.restoring import measured
from backupcheck.result import CheckResult, Finding, Outcome, Proof, Run, check_result, finding_of
from backupcheck.scratch.process import Process
from backupcheck.seal.captured import reports
from backupcheck.seal.manifest import SEAL
from backupcheck.seams import Box, BoxRequest, CaptureReport, Moment
from backupcheck.spec import Spec, load_site, load_spec
from backupcheck.sync.sealing import sealed
from backupcheck.tree import Tree
from backupcheck.waivers import Waivers
from tests.faults.corpus.case import Said, Stand, said
from tests.faults.corpus.rooms import Rooms, copied, folder
from tests.faults.questions import in_python
from tests.faults.restored import said_by_tests
from tests.lab.lab import REPOSITORY_ROOT

SPECS = REPOSITORY_ROOT / "specs"
SITE = """\
site: corpus
mirror: mirror
repository: {url: repository, password_file: password}
scratch: {folder: scratch}
reports: reports
state: state
"""
BOXED = ("mealie", "jellyfin", "wishlist")
"""The services whose tests in Python want a real box; the others' read files alone."""
NO_PROGRAM = "service.program-missing"
"""What Caddy itself says of its configuration is asked elsewhere, in a container that has it."""
AS_SEALED = Finding(id="seal.difference", outcome=Outcome.PASS, subject="/", message="as in a good night")
GOOD = check_result("seal", "seal", [AS_SEALED])
ROWS = re.compile(rb"^COPY (\S+) .*FROM stdin;\n((?:.*\n)*?)\\\.$", re.MULTILINE)


class After(Enum):
    """After what the harm is done: what is sealed knows of the harm, or does not."""

    NOTHING = "at the source: what the seal counts is what the harm left"
    COUNTING = "on the way: counted at the source before, and sealed as it came"
    SEAL = "in the mirror or in the repository: the seal is of the healthy data"


@dataclass(frozen=True)
class Data(Stand):
    """One of the lab's seven services as it was pulled. With `tests`, its tests in Python are asked, too."""

    service: str
    after: After = After.NOTHING
    tests: bool = False

    @contextmanager
    def open(self, rooms: Rooms) -> Iterator[Harmed]:
        with folder() as place:
            tree = copied(rooms.mirror / self.service, place / "tree")
            spec = load_spec(SPECS / f"{self.service}.yaml")
            yield Harmed(place, tree, spec, self.after, tests=self.tests)


@dataclass(frozen=True)
class Made(Stand):
    """A service made for the case: `make` writes its healthy data, `spec` is its spec's text.

    With `tests`, the tests in Python of the lab's service of its name are asked, too.
    """

    make: Callable[[Path], object]
    spec: str
    after: After = After.NOTHING
    tests: bool = False

    @contextmanager
    def open(self, rooms: Rooms) -> Iterator[Harmed]:
        origin = rooms.once(self, lambda: self._made(rooms.kept_folder()))
        with folder() as place:
            tree = copied(origin / "tree", place / "tree")
            yield Harmed(place, tree, load_spec(origin / "made.yaml"), self.after, tests=self.tests)

    def _made(self, place: Path) -> Path:
        tree = place / "tree"
        tree.mkdir()
        self.make(tree)
        mark(tree, datetime.now(UTC), datetime.now(UTC))
        (place / "made.yaml").write_text(self.spec)
        Harmed(place, tree, load_spec(place / "made.yaml"), After.NOTHING).seal(recounted=True)
        return place


class Harmed:
    """A service's tree, to be harmed, and what is asked about it."""

    def __init__(self, place: Path, root: Path, spec: Spec, after: After, *, tests: bool = False) -> None:
        self.folder = place
        self.root = root
        self.spec = spec
        self.after = after
        self._tests = tests
        self._healthy = self._proof((GOOD,))

    def place(self, path: str) -> Path:
        """Where an absolute path of the service lies."""
        return self.root / path.lstrip("/")

    @contextmanager
    def sqlite(self, path: str) -> Iterator[sqlite3.Connection]:
        """A database of the service, open for changes; they are committed, and a WAL is put into the database."""
        with closing(sqlite3.connect(self.place(path))) as connection:
            yield connection
            connection.commit()

    def said(self) -> Said:
        """What a night says: of the sealing, by the spec's checks and tests in a box, and of the sizes."""
        try:
            if self.after is not After.SEAL:
                self.seal(recounted=self.after is After.NOTHING)
        except BackupcheckError as error:
            return said([finding_of(error, self.spec.service)])
        return said(self.asked())

    def asked(self) -> list[Finding]:
        """All that is found on the copy as it lies there, sealed or not."""
        results, tested = self._asked()
        found = [finding for result in results for finding in result.findings]
        return [*found, *tested, *self._grown(self._proof(tuple(results)))]

    def seal(self, *, recounted: bool) -> None:
        """Seal the tree as it is; with counts of now, or with those of the last seal."""
        tree = Tree(self.root)
        before = {report.path: report for report in reports(tree)}
        wanted = {path: capture for capture in self.spec.capture for path in capture.provides()}
        facts = [
            _counts(self.place(path), path, before.get(path), capture.kind()) if recounted else before[path]
            for path, capture in wanted.items()
            if recounted or path in before
        ]
        seal = self.place(SEAL)
        seal.unlink(missing_ok=True)
        seal.parent.mkdir(exist_ok=True)
        sealed(self.spec, self.root, [fact for fact in facts if fact])

    def _asked(self) -> tuple[list[CheckResult], list[Finding]]:
        box_folder = Path(tempfile.mkdtemp(dir=self.folder))
        box_folder.chmod(0o711)
        tree, now = Tree(self.root), datetime.now(UTC)
        there = tuple(path for path in self.spec.declared if tree.status(path, follow=False) is not None)
        waivers = Waivers(now.date(), self.spec.waivers)
        request = BoxRequest(
            service=self.spec.service, tree=tree, folder=box_folder, paths=there, image=self.spec.image
        )
        results: list[CheckResult] = []
        tested: list[Finding] = []
        try:
            with Process().open(request) as box:
                for check in self.spec.checks:
                    results.append(named_once(ask(check, box, Moment(now, now), waivers), results))
                tested += self._tested(box)
        except BackupcheckError as error:
            tested.append(finding_of(error, self.spec.service))
        finally:
            shutil.rmtree(box_folder, ignore_errors=True)
        return results, tested

    def _proof(self, results: tuple[CheckResult, ...] = ()) -> Proof:
        tree = Tree(self.root)
        files = [entry.status.st_size for entry in tree.walk() if entry.is_file]
        facts = measured(tree)
        return Proof(
            service=self.spec.service,
            files=len(files),
            bytes=sum(files),
            pulled=facts.pulled,
            rows=facts.rows,
            newest=facts.newest,
            content=content_of(tree),
            checks=results,
        )

    def _grown(self, proof: Proof) -> Iterator[Finding]:
        """The policy `growth`, after a healthy week."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            place = Path(name)
            (place / "site.yaml").write_text(SITE)
            site, now = load_site(place / "site.yaml"), datetime.now(UTC)
            history = History(site.state / FILE)
            for days in range(OLD, 0, -1):
                earlier = _run(self._healthy, now - timedelta(days=days))
                history.add(earlier)
                history.settle(earlier, self._healthy)
            view = View(site, (self.spec,), history.known(_run(proof, now)), history, repository_of(site))
            policy = Growth()
            yield from policy.judge(policy.observe(view, (self.spec.service,)), now)

    def _tested(self, box: Box) -> list[Finding]:
        """What the service's tests in Python find."""
        name = self.spec.service
        if not self._tests:
            return []
        if name in BOXED:
            return [finding_of(error, test) for test, error in in_python(name, box)]
        return [
            finding_of(BadBackup("found by a test in Python", id=id), name)
            for id in said_by_tests(name, {name: self.root}) - {NO_PROGRAM}
        ]


def _run(proof: Proof, finished: datetime) -> Run:
    return Run(
        run_id=f"{finished:%Y%m%dT%H%M%SZ}-0000",
        site="corpus",
        started=finished,
        finished=finished,
        version="0",
        services=(proof,),
    )


def _counts(place: Path, path: str, before: CaptureReport | None, kind: str) -> CaptureReport | None:
    """What a capture of this kind would have counted of what lies there; None where it could not."""
    if kind == "sqlite":
        return _counts_of_sqlite(place, path, before)
    if kind == "postgres" and before is not None:
        return before.model_copy(update={"rows": _rows_of_dump(place.read_bytes(), before.rows)})
    return before


def _counts_of_sqlite(place: Path, path: str, before: CaptureReport | None) -> CaptureReport | None:
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, "copy")
        for end in ("", "-wal", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(f"{place}{end}", f"{copy}{end}")
        try:
            with closing(sqlite3.connect(copy)) as connection:
                found = counted(connection)
        except sqlite3.Error:
            return before
    counts = {key: found[key] for key in ("rows", "newest", "sequences")}
    more = {**(before.found if before else {}), "counted": True, "uncounted": found["uncounted"]}
    return CaptureReport(kind="sqlite", path=path, bytes=place.stat().st_size, found=more, **counts)


def _rows_of_dump(dump: bytes, tables: Iterable[str]) -> dict[str, int]:
    found = {match[1].decode(): match[2].count(b"\n") for match in ROWS.finditer(dump)}
    return {name: found.get(name, found.get(f"public.{name}", 0)) for name in tables}
