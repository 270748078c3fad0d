"""A first handful of faults: each in a service that is proven just before, each named, and nothing else red."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.site import FaultSite, fault_site
from tests.lab.lab import REPOSITORY_ROOT
from tests.night import command

pytestmark = [pytest.mark.lxc, pytest.mark.lab]

CERTIFICATES = "/var/lib/caddy/.local/share/caddy/certificates"
Inject = Callable[[FaultSite], None]


def dump_truncated(site: FaultSite) -> None:
    """Cut at the end of a line inside COPY: psql loads the rest without a word."""
    dump = site.place("/tmp/mealie_backup.sql")
    lines = dump.read_bytes().splitlines(keepends=True)
    inside = next(number for number, line in enumerate(lines) if line.startswith(b"COPY public.recipes "))
    dump.write_bytes(b"".join(lines[: inside + 10]))


def page_zeroed(site: FaultSite) -> None:
    """One page of a database, in its middle."""
    database = site.place("/var/lib/lldap/users.db")
    content = bytearray(database.read_bytes())
    page = int.from_bytes(content[16:18], "big")
    middle = len(content) // page // 2 * page
    content[middle : middle + page] = bytes(page)
    database.write_bytes(content)


def shard_missing(site: FaultSite) -> None:
    """One half of the family's notes."""
    shards = site.place("/opt/couchdb/data/shards/80000000-ffffffff")
    next(shards.glob("vault.*.couch")).unlink()


def keys_swapped(site: FaultSite) -> None:
    """The keys of two certificates, each for the other."""
    names = ("auth.home.example", "recipes.home.example")
    first, second = (next(site.place(CERTIFICATES).glob(f"*/{name}/{name}.key")) for name in names)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


FAULTS = [
    pytest.param("mealie", dump_truncated, {("postgres.dump-truncated", "fail")}, id="dump-truncated"),
    pytest.param("lldap", page_zeroed, {("sqlite.malformed", "fail")}, id="page-zeroed"),
    pytest.param("vault", shard_missing, {("couchdb.shard-missing", "fail")}, id="shard-missing"),
    pytest.param("caddy", keys_swapped, {("certificate.key-mismatch", "fail")}, id="keys-swapped"),
]


@pytest.fixture
def site(request: pytest.FixtureRequest, mirror: Path) -> Iterator[FaultSite]:
    """A healthy site of the service that the test names; it was just proven."""
    with fault_site(request.param, mirror) as made:
        control = made.night()
        assert control.status == 0, control.completed.text
        yield made


@pytest.mark.parametrize(("site", "inject", "named"), FAULTS, indirect=["site"])
def test_the_fault_is_caught_and_named(site: FaultSite, inject: Inject, named: set[tuple[str, str]]) -> None:
    inject(site)

    report = site.night()

    assert report.red() == named
    assert report.status == 1


@pytest.mark.parametrize("site", ["lldap"], indirect=True)
def test_a_service_that_is_not_in_the_snapshot_is_named(site: FaultSite) -> None:
    (site.folder / "mirror/lldap").rename(site.folder / "mirror/another")
    assert command("backup", "--site", str(site.site)).code == 2

    report = site.run("drill")

    assert report.red() == {("snapshot.service-missing", "fail")}
    assert report.status == 1


@pytest.mark.parametrize("site", ["lldap"], indirect=True)
def test_a_wrong_password_is_an_error_and_not_a_verdict_on_the_backup(site: FaultSite) -> None:
    (site.folder / "password").write_text("of somebody else\n")

    report = site.run("drill")

    assert report.red() == {("repository.wrong-password", "error")}
    assert report.status == 2


@pytest.mark.parametrize("site", ["lldap"], indirect=True)
def test_an_empty_spec_proves_nothing_and_is_told_by_monitoring_too(site: FaultSite) -> None:
    site.spec.write_text(site.spec.read_text().partition("checks:")[0] + "checks: []\n")

    report = site.run("drill")

    assert report.status == 3
    assert report.red() == {("spec.invalid", "error")}
    told = [finding["message"] for _, finding in report.findings()]
    assert all(message.startswith(f"{site.spec}:") for message in told)
    assert any("proves nothing" in message for message in told)


@pytest.mark.parametrize("site", ["lldap"], indirect=True)
def test_what_the_mirror_lost_after_it_was_sealed_is_named(site: FaultSite) -> None:
    (site.folder / "mirror/lldap/etc/lldap/lldap_config.toml").write_text("# emptied\n")
    assert command("backup", "--site", str(site.site)).code == 0

    report = site.run("drill")

    assert ("seal.size-changed", "fail") in report.red()
    assert report.status == 1


@pytest.mark.parametrize("site", ["lldap"], indirect=True)
def test_another_hosts_newer_snapshot_is_never_taken(site: FaultSite, tmp_path: Path) -> None:
    own = json.loads((site.folder / "reports/latest/run.json").read_text())["services"][0]["snapshot"]
    stranger = site.folder / "specs" / "stranger.site.yaml"
    text = site.site.read_text().replace(
        "password_file: ../password}", "password_file: ../password, host: stranger}"
    )
    stranger.write_text(text.replace("../mirror", str(tmp_path)))
    shutil.copytree(site.folder / "mirror/lldap", tmp_path / "lldap")
    assert command("backup", "--site", str(stranger)).code == 0

    report = site.run("drill")

    assert report.run["services"][0]["snapshot"] == own
    assert report.status == 0


def test_the_faults_table_names_real_services() -> None:
    assert {fault.values[0] for fault in FAULTS} <= {
        file.stem for file in (REPOSITORY_ROOT / "specs").glob("*.yaml")
    }
