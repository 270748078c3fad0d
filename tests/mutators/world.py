"""A service that has something for every mutator, and its state of yesterday."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from backupcheck import demo_sources
from backupcheck.mutants.mutant import Mutant
from backupcheck.mutating.service import Patient
from backupcheck.mutating.verdict import Verdict
from backupcheck.result import Outcome
from backupcheck.scratch.process import Process
from backupcheck.seams import Moment
from backupcheck.spec import Spec, load_spec
from tests.checks.couchdata import restored as couchdb
from tests.pgserver import Server

ASKS_NOTHING = "{files: {path: /srv/notes, type: folder}}"
SPEC = """\
service: world
source: {{host: local, paths: [/srv/, /etc/notes/, /etc/proxy/, /opt/, /tmp/world.sql]}}
box: {{image: postgres}}
checks:
{checks}
"""
NOW = datetime.now(UTC)


def make(root: Path) -> Path:
    """Write it below a folder."""
    demo_sources.make(root)
    couchdb(root)
    (root / "etc/notes/app.token").write_text("a-word-that-is-Long-enough:42\n")
    (root / "etc/notes/app.token").chmod(0o600)
    with closing(sqlite3.connect(root / "srv/tasks/live.db")) as live:
        live.execute("pragma journal_mode = wal")
        live.execute("create table entry (id integer primary key, text text)")
        live.commit()
        live.execute("pragma wal_checkpoint(truncate)")
        live.executemany("insert into entry (text) values (?)", [(f"Entry {number}",) for number in range(20)])
        live.commit()
        for end in ("", "-wal"):
            shutil.copy2(root / f"srv/tasks/live.db{end}", root / f"srv/tasks/log.db{end}")
    (root / "srv/tasks/live.db").unlink()
    _dump(root / "tmp/world.sql")
    return root


def make_yesterday(root: Path, target: Path) -> Path:
    """The same with a task less."""
    shutil.copytree(root, target, symlinks=True)
    with closing(sqlite3.connect(target / "srv/tasks/tasks.db")) as tasks:
        tasks.execute("delete from task where id = 500")
        tasks.commit()
    return target


def spec(folder: Path, *checks: str) -> Spec:
    """A spec of these checks, a line or more each, with or without the dash."""
    lines = [line if line.startswith(("-", "#")) else f"- {line}" for one in checks for line in one.splitlines()]
    file = folder / "world.yaml"
    file.write_text(SPEC.format(checks="\n".join(f"  {line}" for line in lines)))
    return load_spec(file)


class Asked:
    """What a spec says of the world, healthy and with a mutant in it."""

    def __init__(self, root: Path, work: Path, wanted: Spec) -> None:
        work.mkdir(parents=True)
        self.patient = Patient(wanted, root, work, Process(), Moment(NOW, NOW))
        self.healthy = self.patient.healthy(lambda text: None)

    @property
    def bad(self) -> list[str]:
        """What is bad without any mutant."""
        found = (finding for one in self.healthy for finding in one.result.findings)
        return [finding.id for finding in found if finding.outcome in (Outcome.FAIL, Outcome.ERROR)]

    def verdict(self, mutant: Mutant) -> Verdict:
        """Of one mutant."""
        return self.patient.verdict(mutant, self.healthy)


def seen(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file's mode and content, by its absolute path in the service."""
    files = (Path(above, name) for above, _, names in os.walk(root) for name in names)
    return {f"/{one.relative_to(root)}": (one.lstat().st_mode, one.read_bytes()) for one in files}


def _dump(target: Path) -> None:
    target.parent.mkdir()
    with Server.running() as server:
        server.sql("create table recipe (id serial primary key, name text)")
        server.sql("insert into recipe (name) select 'Recipe ' || n from generate_series(1, 30) n")
        target.write_text(server.ordinary("pg_dump", "-h", str(server.folder), "-U", "owner", "postgres"))
