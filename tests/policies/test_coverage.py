"""What is in a real snapshot, and what was found on a machine."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck.policies.coverage import Coverage
from backupcheck.policy import View
from backupcheck.result import Outcome
from tests.policies import stored
from tests.policies.seen import NOW, proof, view

HELD = {
    "notes/opt/notes/a": b"a",
    "notes/opt/notes/sub/b": b"b",
    "notes/opt/empty/.keep": b"",
    "pad/opt/pad/x": b"x",
}
BOTH = ("notes", "pad")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    stored.make(folder, files=HELD)
    return folder


@pytest.fixture
def site(base: Path, tmp_path: Path) -> Path:
    stored.copy(base, tmp_path)
    return tmp_path


def with_spec(seen: View, **source: object) -> View:
    """The same, but the source of the service notes is changed."""
    first, *others = seen.specs
    changed = first.model_copy(update={"source": first.source.model_copy(update=source)})
    return replace(seen, specs=(changed, *others))


def red(seen: View, policy: Coverage | None = None) -> set[tuple[str, str, str]]:
    """Id, subject and what is named of each finding that is no PASS."""
    policy = policy or Coverage()
    found = policy.judge(policy.observe(seen, BOTH), NOW)
    return {
        (each.id, each.subject, str(each.actual or each.expected or ""))
        for each in found
        if each.outcome is not Outcome.PASS
    }


def machine(site: Path) -> View:
    """The site's services on a machine of their own, whose root is a folder."""
    root = site / "machine"
    (root / "opt" / "notes").mkdir(parents=True)
    seen = view(site, services=BOTH)
    specs = tuple(
        spec.model_copy(update={"source": spec.source.model_copy(update={"root": str(root)})})
        for spec in seen.specs
    )
    return replace(seen, specs=specs)


def database(seen: View, path: str) -> Path:
    """A SQLite database on the machine."""
    file = Path(seen.specs[0].source.root) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(file) as connection:
        connection.execute("create table a (b)")
    connection.close()
    return file


def test_passes_where_every_path_is_there(site: Path) -> None:
    assert red(view(site, services=BOTH)) == set()


def test_a_declared_path_that_is_missing_fails_by_its_name(site: Path) -> None:
    seen = with_spec(view(site, services=BOTH), paths=("/opt/notes/", "/etc/notes.conf"))

    assert red(seen) == {("coverage.absent", "notes", "/etc/notes.conf")}


def test_a_file_and_a_folder_below_may_be_declared(site: Path) -> None:
    seen = with_spec(view(site, services=BOTH), paths=("/opt/notes/a", "/opt/notes/sub/"))

    assert red(seen) == set()


def test_a_path_that_only_begins_like_another_is_not_there(site: Path) -> None:
    seen = with_spec(view(site, services=BOTH), paths=("/opt/note/",))

    assert red(seen) == {("coverage.absent", "notes", "/opt/note")}


def test_a_service_without_data_fails(site: Path) -> None:
    found = red(view(site, services=(*BOTH, "wiki")))

    assert found == {("coverage.no-data", "wiki", "files"), ("coverage.absent", "wiki", "/opt/wiki")}


def test_a_declared_folder_without_a_file_is_a_warning(site: Path) -> None:
    (site / "mirror/notes/opt/hollow/deep").mkdir(parents=True)
    view(site).repository.backup(site / "mirror", "homelab", ("backupcheck",))
    seen = with_spec(view(site, services=BOTH), paths=("/opt/notes/", "/opt/hollow/"))
    found = [each for each in Coverage().judge(Coverage().observe(seen, BOTH), NOW) if each.id == "coverage.empty"]

    assert red(seen) == {("coverage.empty", "notes", "/opt/hollow")}
    assert [each.outcome for each in found] == [Outcome.WARN]


def test_a_folder_without_a_spec_fails(site: Path) -> None:
    seen = view(site, services=BOTH)
    (site / "mirror" / "forgotten").mkdir()
    (site / "mirror" / ".state").mkdir()

    assert red(seen) == {("coverage.no-spec", "homelab", "forgotten")}
    assert ("coverage.no-spec", "homelab", "pad") in red(replace(seen, specs=seen.specs[:1]))


def test_the_snapshot_that_was_drilled_is_looked_at(site: Path) -> None:
    drilled = view(site, services=BOTH).repository.snapshots("homelab", ())[-1].id
    (site / "mirror" / "notes" / "opt" / "notes" / "a").unlink()
    view(site).repository.backup(site / "mirror", "homelab", ("backupcheck",))
    paths = ("/opt/notes/a",)

    now = with_spec(view(site, services=BOTH), paths=paths)
    then = with_spec(view(site, proof(snapshot=drilled), services=BOTH), paths=paths)

    assert (red(now), red(then)) == ({("coverage.absent", "notes", "/opt/notes/a")}, set())


def test_no_snapshot_fails(site: Path) -> None:
    seen = view(site, services=BOTH)
    other = replace(seen, site=seen.site.model_copy(update={"site": "another"}))

    assert {id for id, *_ in red(other)} == {"coverage.no-snapshot"}


def test_an_exclude_that_swallows_a_declared_path_fails(site: Path) -> None:
    seen = view(site, services=BOTH)
    swallowing = with_spec(seen, paths=("/opt/notes/", "/opt/notes/sub/"), exclude=("/opt/notes/s*",))
    harmless = with_spec(seen, exclude=("/opt/notes/cache",))

    assert red(swallowing) == {("coverage.swallowed", "notes", "/opt/notes/s*")}
    assert red(harmless) == set()


def test_databases_and_volumes_in_no_spec_are_found(site: Path) -> None:
    seen = machine(site)
    root = Path(seen.specs[0].source.root)
    database(seen, "opt/notes/covered.db")
    database(seen, "srv/lost.sqlite3")
    database(seen, "usr/share/known.db")
    (root / "srv" / "plain.db").write_text("no database")
    for folder in ("var/lib/postgresql/15/main", "var/lib/postgresql/15/main/base/1"):
        (root / folder).mkdir(parents=True)
        (root / folder / "PG_VERSION").write_text("15\n")
    (root / "var/lib/docker/volumes/chat/_data").mkdir(parents=True)

    found = red(seen, Coverage(look=True))
    ignoring = red(seen, Coverage(look=True, ignore=("/srv/**", "/var/lib/**")))

    assert found == {
        ("coverage.forgotten", "local", "sqlite /srv/lost.sqlite3"),
        ("coverage.forgotten", "local", "postgres /var/lib/postgresql/15/main"),
        ("coverage.forgotten", "local", "volume /var/lib/docker/volumes/chat/_data"),
    }
    assert ignoring == set()


def test_a_database_that_is_excluded_is_found(site: Path) -> None:
    seen = machine(site)
    database(seen, "opt/notes/data/app.db")
    excluding = with_spec(seen, exclude=("/opt/notes/data",))

    assert red(excluding, Coverage(look=True)) == {
        ("coverage.forgotten", "local", "sqlite /opt/notes/data/app.db")
    }


def test_an_answer_that_is_not_whole_is_an_error(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = machine(site)
    program = site / "bin" / "find"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'find: unrecognized: -fstype' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    assert {id for id, *_ in red(seen, Coverage(look=True))} == {"lookout.cut"}


def test_the_judgement_does_not_depend_on_the_time(site: Path) -> None:
    policy = Coverage()
    facts = policy.observe(view(site, services=BOTH), BOTH)

    assert list(policy.judge(facts, NOW)) == list(policy.judge(facts, datetime(2036, 1, 1, tzinfo=UTC)))
