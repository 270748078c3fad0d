"""What a drill takes from a real repository: whose snapshot, and which services it finds in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError, BadBackup, RepositoryError, UsageError
from backupcheck.plan import Stored, choose_engine, listed_newest, make_plan, repository_of, snapshots_of
from backupcheck.seams import ENGINES
from backupcheck.spec import RepositorySpec, ScratchSpec, Site

SERVICES = ("mealie", "lldap", "empty", "absent")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a mirror of two services and a folder without a file, and a repository without a snapshot."""
    place = tmp_path_factory.mktemp("site")
    for path in ("mealie/opt/a", "mealie/opt/b", "lldap/etc/c", "mealie-old/opt/d"):
        file = place / "mirror deep" / "backups" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    (place / "mirror deep" / "backups" / "empty" / "opt").mkdir(parents=True)
    (place / "password").write_text("correct horse")
    repository = RepositorySpec(url=str(place / "repository"), password_file=place / "password")
    site = Site(
        site="lab",
        mirror=place / "mirror deep" / "backups",
        repository=repository,
        scratch=ScratchSpec(folder=place / "scratch"),
        reports=place / "reports",
        state=place / "state",
    )
    repository_of(site).init()
    return site


@pytest.fixture(scope="module")
def snapshot(site: Site) -> str:
    """The site's own snapshot, and a newer one of another host."""
    made = repository_of(site).backup(site.mirror, site.snapshot_host, site.repository.tags)
    repository_of(site).backup(site.mirror.parent, "another", site.repository.tags)
    return made


def under(site: Site, host: str) -> Site:
    """The same repository under another host name, so that a test has its snapshots for itself."""
    return site.model_copy(update={"repository": site.repository.model_copy(update={"host": host})})


def dated(site: Site, time: datetime) -> None:
    """A snapshot that was made when the clock said this."""
    access = repository_of(site).access
    words = ["restic", "-q", "backup", "--host", site.snapshot_host, "--time", f"{time:%Y-%m-%d %H:%M:%S}"]
    tags = [word for tag in site.repository.tags for word in ("--tag", tag)]
    environment = {**os.environ, **access.environment(), "TZ": "UTC"}
    subprocess.run([*words, *tags, "."], check=True, cwd=site.mirror, env=environment)


def refusal(call: Callable[[], object]) -> BackupcheckError:
    with pytest.raises(BackupcheckError) as caught:
        call()
    return caught.value


def test_the_newest_snapshot_is_never_another_hosts(site: Site, snapshot: str) -> None:
    plan = make_plan(site, SERVICES)

    assert plan.snapshot.id.startswith(snapshot)
    assert plan.snapshot.host == "lab"


def test_a_listing_of_another_snapshot_than_the_wanted_is_not_taken_for_it(site: Site) -> None:
    twice = under(site, "listed")
    for year in (2020, 2021):
        dated(twice, datetime(year, 1, 1, tzinfo=UTC))
    old, new = snapshots_of(twice, repository_of(twice))
    for wanted in (old, new):
        with listed_newest(twice) as newest:
            plan = make_plan(twice, SERVICES, wanted.id, newest=newest)

        assert (plan.snapshot, plan.newest) == (wanted, new)
        assert set(plan.services) == {"mealie", "lldap"}


def test_a_snapshot_that_cannot_be_read_is_told_though_the_newest_could_be(site: Site) -> None:
    hurt = under(site, "hurt")
    for year in (2020, 2021):
        dated(hurt, datetime(year, 1, 1, tzinfo=UTC))
    old, _ = snapshots_of(hurt, repository_of(hurt))
    file = Path(hurt.repository.url) / "snapshots" / old.id
    content = file.read_bytes()
    file.chmod(0o600)
    file.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    try:
        assert refusal(lambda: make_plan(hurt, SERVICES)).id == "repository.snapshot-damaged"
    finally:
        file.write_bytes(content)


def test_services_are_counted_and_one_without_a_file_is_not_there(site: Site, snapshot: str) -> None:
    plan = make_plan(site, SERVICES)

    assert plan.services == {
        "mealie": Stored("/mealie", 2, len("mealie/opt/a") * 2),
        "lldap": Stored("/lldap", 1, len("lldap/etc/c")),
    }


def test_a_mirror_deep_in_the_snapshot_is_found_by_its_own_path(site: Site) -> None:
    deep = under(site, "deep")
    words = ["restic", "-q", "backup", "--host", "deep", "--tag", "backupcheck", str(site.mirror)]
    subprocess.run(words, check=True, env={**os.environ, **repository_of(site).access.environment()})
    plan = make_plan(deep, SERVICES)

    assert plan.services["mealie"] == Stored(f"{site.mirror}/mealie", 2, len("mealie/opt/a") * 2)
    assert set(plan.services) == {"mealie", "lldap"}


def test_a_snapshot_is_chosen_by_the_beginning_of_its_id(site: Site, snapshot: str) -> None:
    plan = make_plan(site, SERVICES, snapshot[:6])

    assert plan.snapshot.id.startswith(snapshot)


def test_a_beginning_that_fits_several_is_refused(site: Site) -> None:
    twice = under(site, "twice")
    dated(twice, datetime(2020, 1, 1, tzinfo=UTC))
    dated(twice, datetime(2020, 1, 2, tzinfo=UTC))

    assert isinstance(refusal(lambda: make_plan(twice, SERVICES, "")), UsageError)


@pytest.mark.parametrize("wanted", ["latest", "0123abcd"])
def test_no_snapshot_is_a_bad_backup(site: Site, wanted: str) -> None:
    error = refusal(lambda: make_plan(under(site, "nobody"), SERVICES, wanted))

    assert isinstance(error, BadBackup)
    assert error.id == "repository.no-snapshot"
    assert "'nobody'" in error.message


def test_another_hosts_snapshot_is_not_taken_even_by_its_id(site: Site, snapshot: str) -> None:
    assert refusal(lambda: make_plan(under(site, "nobody"), SERVICES, snapshot)).id == "repository.no-snapshot"


def test_a_snapshot_from_the_future_is_not_taken_for_the_newest(site: Site) -> None:
    skewed = under(site, "skewed")
    dated(skewed, datetime.now(UTC) + timedelta(days=400))
    error = refusal(lambda: make_plan(skewed, SERVICES))

    assert isinstance(error, RepositoryError)
    assert error.id == "repository.snapshot-future"


def test_the_newest_counts_not_the_last_made(site: Site) -> None:
    old = under(site, "old")
    for year in (2022, 2021):
        dated(old, datetime(year, 5, 1, tzinfo=UTC))

    assert make_plan(old, SERVICES).snapshot.time.year == 2022


def test_an_engine_is_chosen_by_name_or_is_the_best_that_works() -> None:
    works = [kind() for kind in ENGINES.kinds.values() if kind().why_not() is None]
    best = max(works, key=lambda engine: engine.rank)

    assert choose_engine("auto").kind() == best.kind()
    assert choose_engine(works[0].kind()).kind() == works[0].kind()


def test_an_unknown_engine_is_refused_with_those_that_are_known() -> None:
    error = refusal(lambda: choose_engine("docker"))

    assert isinstance(error, UsageError)
    assert all(kind in error.message for kind in ENGINES.kinds)
