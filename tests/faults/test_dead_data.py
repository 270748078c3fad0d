"""Dead data, backed up each night: everything else in it is in order, and only the canary tells."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from backupcheck.canary.value import TABLE
from tests.smallsite import SmallSite, small_site

FILE = "/srv/notes/.backupcheck-canary"
SPECS = {
    "notes": """
service: notes
source: {host: local, root: ../source, paths: [/srv/notes/]}
capture:
  - canary: {file: /srv/notes/.backupcheck-canary}
checks:
  - seal: {}
  - canary: {file: /srv/notes/.backupcheck-canary, max_age: AGE}
""",
    "tasks": """
service: tasks
source: {host: local, root: ../source, paths: [/srv/tasks/]}
capture:
  - sqlite: {path: /srv/tasks/tasks.db}
  - canary: {sqlite: {path: /srv/tasks/tasks.db}}
checks:
  - seal: {}
  - sqlite: {path: /srv/tasks/tasks.db, tables: {task: {rows: {gte: 500}}}}
  - canary: {sqlite: {path: /srv/tasks/tasks.db}, max_age: AGE}
""",
}


@pytest.fixture
def site() -> Iterator[SmallSite]:
    """A site of two services, each with a canary."""
    with small_site() as site:
        for spec in site.specs.glob("*.yaml"):
            if spec != site.site:
                spec.unlink()
        bound(site, "1d")
        yield site


def bound(site: SmallSite, age: str) -> None:
    """Let the checks allow this age."""
    for name, text in SPECS.items():
        (site.specs / f"{name}.yaml").write_text(text.replace("AGE", age))


def value_in_tasks(site: SmallSite) -> str:
    """The canary in the live database."""
    with closing(sqlite3.connect(site.source / "srv/tasks/tasks.db")) as database:
        ((value,),) = database.execute(f"select value from {TABLE}")
    return str(value)


def test_dead_data_is_named_though_it_was_proven_the_night_before(site: SmallSite) -> None:
    """Nobody pulls any more, and a file of the night before comes back below the seal."""
    site.command("sync")
    file = site.folder / "mirror/notes" / FILE[1:]
    before, in_tasks = file.read_bytes(), value_in_tasks(site)
    good = site.night()
    bound(site, "0s")
    file.write_bytes(before)
    site.command("backup")
    dead = site.run("drill")
    red = {(service, one["id"]) for service, one in dead.findings() if one["outcome"] == "fail"}

    assert (good.status, good.red()) == (0, set())
    assert value_in_tasks(site) != in_tasks
    assert red == {
        ("notes", "seal.content-changed"),
        ("notes", "canary.stale"),
        ("notes", "canary.too-old"),
        ("tasks", "canary.too-old"),
    }
