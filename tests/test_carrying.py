"""Which proofs are carried: on a real repository after a real night, asked again at any time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from backupcheck.carrying.proofs import Carrying, is_due, only_records
from backupcheck.history import FILE
from backupcheck.plan import choose_engine, repository_of
from backupcheck.result import Outcome, Proof
from backupcheck.spec import Site, Spec, load_site, load_specs
from backupcheck.spec.models import DrillSpec
from tests.checks.authority import Issued, pem_of
from tests.smallsite import SERVICES, SmallSite, small_site

DAY = timedelta(days=1)
SOON = timedelta(hours=30)
LONG = timedelta(hours=36)
"""A bound that is too short to be spread over days, so that what is carried hangs on no name."""
CARRY = "drill: {carry: 31d}\npolicies:\n  - read_data: {within: 30d}\n  - growth: {}\n"
WAIVED = f"""waivers:
  - check: secret /etc/notes/session.key
    finding: secret.mode
    subject: /etc/notes/session.key
    owner: Ann Example
    reason: the next image mends it
    until: {(datetime.now(UTC) + timedelta(hours=4)).date()}
"""


@dataclass
class Proven:
    """A small site whose services were proven just now, one of them with a waiver."""

    small: SmallSite
    site: Site
    specs: tuple[Spec, ...]

    def carried(self, after: timedelta = timedelta(0), bound: timedelta | None = None) -> Mapping[str, Proof]:
        """What would be carried so much later; with `bound`, where that is how long anything is."""
        site = self.site
        if bound is not None:
            site = site.model_copy(update={"drill": DrillSpec.model_construct(carry=bound)})
        now = datetime.now(UTC) + after
        carrying = Carrying(site, choose_engine("process"), repository_of(site).version(), now)
        return carrying.carried(self.specs)

    def change(self, sql: str, *values: str) -> None:
        """Change what the history says."""
        with sqlite3.connect(self.small.folder / "state" / FILE) as database:
            assert database.execute(sql, values).rowcount
        database.close()


@pytest.fixture(scope="module")
def night() -> Iterator[Proven]:
    with small_site() as small:
        small.site.write_text(small.site.read_text() + CARRY)
        notes = small.specs / "notes.yaml"
        notes.write_text(notes.read_text().replace('mode: "0600"', 'mode: "0640"') + WAIVED)
        ends = Issued(
            names=("home.example", "www.home.example"), not_before=datetime.now(UTC) - 89 * DAY - DAY / 2
        )
        (small.source / "etc/proxy/home.crt").write_bytes(ends.pem)
        (small.source / "etc/proxy/home.key").write_bytes(pem_of(ends.key))
        assert small.night().outcomes() == {"notes": "waived", "tasks": "pass", "proxy": "pass"}
        yield Proven(small, load_site(small.site), load_specs(small.specs))


@pytest.fixture
def proven(night: Proven) -> Iterator[Proven]:
    """The same, with the history as it was after the night."""
    history = night.small.folder / "state" / FILE
    kept = history.read_bytes()
    yield night
    history.write_bytes(kept)


def test_all_are_carried_with_the_date_of_the_proof(proven: Proven) -> None:
    found = proven.carried(timedelta(hours=1), LONG)
    ids = {proof.carried.run_id for proof in found.values() if proof.carried}

    assert {name: proof.outcome for name, proof in found.items()} == {
        "notes": Outcome.WAIVED,
        "tasks": Outcome.PASS,
        "proxy": Outcome.PASS,
    }
    assert len(ids) == 1
    assert all(proof.carried and not proof.seconds and proof.carried.seconds for proof in found.values())


def test_a_carried_proof_says_what_the_proof_said(proven: Proven) -> None:
    made = {each["service"]: each for each in proven.small.run("drill", "--fresh").run["services"]}

    for name, proof in proven.carried().items():
        said = [(each["kind"], each["name"], each["outcome"]) for each in made[name]["checks"]]
        assert [(check.kind, check.name, check.outcome.value) for check in proof.checks] == said
        assert (proof.files, proof.bytes) == (made[name]["files"], made[name]["bytes"])
        assert proof.rows == made[name]["rows"]
        assert list(proof.runbook) == made[name]["runbook"]
        assert proof.content is not None


def test_a_certificate_that_has_expired_is_bad_while_it_is_carried(proven: Proven) -> None:
    before, found = proven.carried(bound=LONG), proven.carried(SOON, LONG)

    assert before["proxy"].outcome is Outcome.PASS
    assert found["proxy"].carried
    assert {one.id for one in found["proxy"].troubles} == {"certificate.expired"}
    assert found["tasks"].outcome is Outcome.PASS


def test_a_waiver_that_has_ended_is_bad_while_it_is_carried(proven: Proven) -> None:
    before, after = proven.carried(bound=LONG), proven.carried(SOON, LONG)

    assert before["notes"].outcome is Outcome.WAIVED
    assert {one.id for one in after["notes"].troubles} == {"secret.mode"}


def test_pytest_says_of_a_carried_proof_what_is_let_pass(proven: Proven) -> None:
    ended = proven.small.pytest("-q")

    assert ended.returncode == 0
    assert "waives 1 finding" in ended.stdout


def test_nothing_is_carried_beyond_the_bound(proven: Proven) -> None:
    assert set(proven.carried(timedelta(hours=5), timedelta(hours=6))) == set(SERVICES)
    assert proven.carried(timedelta(hours=7), timedelta(hours=6)) == {}
    assert proven.carried(31 * DAY + timedelta(minutes=1)) == {}


@pytest.mark.parametrize("outcome", ["fail", "error", "skip"])
def test_what_was_not_good_is_asked_again(proven: Proven, outcome: str) -> None:
    proven.change("update proofs set outcome = ? where service = 'tasks'", outcome)

    assert set(proven.carried()) == {"notes", "proxy"}


@pytest.mark.parametrize("outcome", ["fail", "error", "skip"])
def test_nothing_is_carried_while_the_packs_are_not_known_to_be_readable(proven: Proven, outcome: str) -> None:
    proven.change("update policies set outcome = ? where name = 'read_data of the site'", outcome)

    assert proven.carried() == {}


def test_nothing_is_carried_where_the_packs_were_never_read(proven: Proven) -> None:
    proven.change("delete from policies where name = 'read_data of the site'")

    assert proven.carried() == {}


def test_nothing_is_carried_where_the_site_does_not_say_so(proven: Proven) -> None:
    site = proven.site.model_copy(update={"drill": DrillSpec()})

    assert Carrying(site, choose_engine("process"), repository_of(site).version()).carried(proven.specs) == {}


def test_what_is_kept_and_cannot_be_read_is_asked_again(proven: Proven) -> None:
    proven.change("update kept set recorded = '{}' where service = 'notes'")
    proven.change("update kept set proof = '[' where service = 'tasks'")

    assert set(proven.carried()) == {"proxy"}


def test_facts_that_cannot_be_read_are_asked_again(proven: Proven) -> None:
    proven.change("update kept set recorded = json_set(recorded, '$.facts[0]', '{}')")

    assert proven.carried() == {}


def test_another_tree_of_a_snapshot_that_is_gone_is_asked_again(proven: Proven) -> None:
    proven.change("update kept set recorded = json_set(recorded, '$.tree', 'f00d', '$.snapshot', 'gone')")

    assert proven.carried() == {}


def test_a_key_that_differs_is_asked_again(proven: Proven) -> None:
    proven.change("update kept set recorded = json_set(recorded, '$.key', 'another') where service = 'notes'")

    assert set(proven.carried()) == {"tasks", "proxy"}


def test_another_snapshot_than_the_newest_is_not_carried(proven: Proven) -> None:
    carrying = Carrying(proven.site, choose_engine("process"), repository_of(proven.site).version())
    repository = repository_of(proven.site)
    older = repository.snapshots(proven.site.snapshot_host, ())[-1].id
    newer = repository.backup(proven.site.mirror, proven.site.snapshot_host, proven.site.repository.tags)

    assert carrying.carried(proven.specs, older) == {}
    assert set(carrying.carried(proven.specs, newer)) == set(SERVICES)


MINE = ("/notes", "/mnt/mirror/notes")
RECORDS = ("/notes/", "/notes/.backupcheck/", "/notes/.backupcheck/pull.json", "/notes/.backupcheck/seal.jsonl")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ((), False),
        (("/tasks/srv/tasks.db", "/notes-other/a", "/mnt/"), False),
        (("/notes/",), False),
        (RECORDS, True),
        (RECORDS[:3], True),
        ((*RECORDS, "/notes/srv/"), None),
        (("/notes/srv/notes/a.md",), None),
        (("/notes/.backupcheck/other",), None),
        (("/mnt/mirror/notes/srv/a.md",), None),
        (("/mnt/mirror/notes/",), None),
    ],
)
def test_only_the_pulls_own_records_may_differ(changed: tuple[str, ...], expected: bool | None) -> None:
    assert only_records(changed, "/notes", MINE) is expected


def test_each_service_has_a_day_of_its_own() -> None:
    proven, bound = datetime(2026, 3, 1, 2, 30, tzinfo=UTC), 7 * DAY
    names = [f"service-{number}" for number in range(70)]
    due = {
        name: next(day for day in range(9) if is_due(name, proven, proven + day * DAY, bound)) for name in names
    }

    assert set(due.values()) == set(range(1, 8))
    assert is_due("a", proven, proven - DAY, bound)
