"""Copies on disks and hosts of their own, in real repositories on real disks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from backupcheck.disks import disks
from backupcheck.policies.copies import Copies, CopiesFacts
from backupcheck.policy import View
from backupcheck.replicas import Copy, Other
from backupcheck.restic.access import Access
from backupcheck.restic.deletion import Deletion, May
from backupcheck.result import Finding, Outcome
from tests.policies import stored
from tests.policies.seen import said, view
from tests.restic.serving import PASSWORD, USER, serving

MEMORY = Path("/dev/shm")
NOW = datetime.now(UTC)
NOT, DELETE, UNKNOWN = (Deletion(may=may, why=f"so says the {may}") for may in May)
CLOUD = Copy(name="b2:x", places=frozenset({"b2:x"}), off_site=True, repository=True, newest=NOW, deletion=NOT)
ORIGINAL = Copy(name="the original", places=frozenset({"source mealie"}))
MIRROR = Copy(name="the mirror", places=frozenset({"disk sda"}))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    stored.make(folder)
    return folder


@pytest.fixture
def site(base: Path, tmp_path: Path) -> Path:
    stored.copy(base, tmp_path)
    return tmp_path


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder on another disk than the tests' own."""
    if not MEMORY.is_dir() or disks(MEMORY) & disks(tmp_path):
        pytest.skip("there is no second file system to write to")
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


def other(folder: Path, off_site: bool | None = None) -> Other:
    return Other(url=str(folder / "repository"), password_file=folder / "password", off_site=off_site)


def elsewhere(folder: Path) -> View:
    """A site whose only service is reached by ssh."""
    seen = view(folder)
    (spec,) = seen.specs
    source = spec.source.model_copy(update={"host": "mealie"})
    return replace(seen, specs=(spec.model_copy(update={"source": source}),))


def findings(policy: Copies, folder: Path) -> list[Finding]:
    seen = view(folder)
    return list(policy.judge(policy.observe(seen, ("notes",)), datetime.now(UTC)))


def judged(*copies: Copy, policy: Copies | None = None) -> set[tuple[str, str]]:
    facts = CopiesFacts(site="homelab", copies=copies)
    return {(id, outcome) for id, outcome, _ in said((policy or Copies()).judge(facts, NOW))}


def counted(found: list[Finding], end: str = "too-few") -> object:
    return next(finding.actual for finding in found if finding.id == f"copies.{end}")


def test_three_on_disks_of_their_own_with_one_elsewhere_pass() -> None:
    assert judged(ORIGINAL, MIRROR, CLOUD) == set()


def test_what_lies_on_one_disk_counts_once(site: Path) -> None:
    found = findings(Copies(at_least=2, off_site=0), site)

    assert {finding.id for finding in found if finding.outcome is Outcome.FAIL} == {"copies.too-few"}
    assert counted(found) == 1


def test_a_repository_on_another_disk_counts(site: Path, memory: Path) -> None:
    stored.copy(site, memory)

    found = findings(Copies(at_least=2, also=(other(memory, off_site=True),)), site)

    assert {finding.id for finding in found if finding.outcome is not Outcome.PASS} == {
        "copies.same-key",
        "copies.deletable",
    }
    assert (counted(found), counted(found, "not-off-site")) == (2, 1)


def test_all_at_home_fails(site: Path) -> None:
    found = findings(Copies(at_least=1), site)

    assert {finding.id for finding in found if finding.outcome is Outcome.FAIL} == {"copies.not-off-site"}


def test_a_mirror_on_the_disks_of_remote_sources_does_not_count(site: Path, memory: Path) -> None:
    seen = elsewhere(site)
    far = Other(url=str(memory / "repository"), password_file=site / "password")
    stored.copy(site, memory)

    facts = [Copies(mirror_apart=apart, also=(far,)).observe(seen, ("notes",)).copies for apart in (True, False)]

    assert [bool(original.places & mirror.places) for original, mirror, *_ in facts] == [False, True]


def test_a_mirror_without_a_services_folder_does_not_count(site: Path) -> None:
    (site / "mirror" / "notes").rename(site / "mirror" / "other")

    found = findings(Copies(), site)

    assert "it has no folder of notes" in next(each.message for each in found if each.id == "copies.too-few")


def test_an_old_repository_fails_and_does_not_count() -> None:
    old = CLOUD.model_copy(update={"newest": NOW - timedelta(days=3)})

    assert judged(ORIGINAL, MIRROR, old) == {
        ("copies.stale", "fail"),
        ("copies.too-few", "fail"),
        ("copies.not-off-site", "fail"),
    }
    assert judged(ORIGINAL, MIRROR, old, policy=Copies(max_age=timedelta(days=4))) == set()


def test_a_snapshot_of_tomorrow_fails() -> None:
    future = CLOUD.model_copy(update={"newest": NOW + timedelta(days=1)})

    assert ("copies.future", "fail") in judged(ORIGINAL, MIRROR, future)


def test_snapshots_of_another_host_are_no_copies(site: Path) -> None:
    seen = view(site)
    repository = seen.site.repository.model_copy(update={"host": "another"})
    other_site = replace(seen, site=seen.site.model_copy(update={"repository": repository}))

    found = said(Copies().judge(Copies().observe(other_site, ("notes",)), datetime.now(UTC)))

    assert "copies.no-snapshot" in {id for id, *_ in found}


def test_a_missing_repository_is_an_error_and_the_count_is_not_known(site: Path) -> None:
    policy = Copies(at_least=2, off_site=0, also=(other(site / "nowhere"),))
    stored.copy(site, site / "nowhere")
    (site / "nowhere" / "repository").rename(site / "nowhere" / "gone")

    found = {id: outcome for id, outcome, _ in said(findings(policy, site))}

    assert found == {
        "repository.not-found": "error",
        "copies.unknown": "error",
        "copies.append-only-unknown": "skip",
    }


def test_too_few_even_with_what_could_not_be_opened_fails() -> None:
    trouble = Finding(id="repository.unreachable", outcome=Outcome.ERROR, subject="b2:x", message="unreachable")
    closed = CLOUD.model_copy(update={"trouble": trouble, "newest": None})

    assert ("copies.too-few", "fail") in judged(ORIGINAL, closed)
    assert ("copies.unknown", "error") in judged(ORIGINAL, MIRROR, closed)


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        ((NOT, DELETE), None, set()),
        ((DELETE, DELETE), None, {("copies.deletable", "warn")}),
        ((DELETE, UNKNOWN), None, {("copies.append-only-unknown", "skip")}),
        ((DELETE, None), None, {("copies.append-only-unknown", "skip")}),
        ((DELETE, DELETE), 0, set()),
        ((NOT, DELETE), 1, set()),
        ((NOT, DELETE), 2, {("copies.deletable", "fail")}),
        ((NOT, UNKNOWN), 2, {("copies.append-only-unknown", "error")}),
        ((DELETE, UNKNOWN), 2, {("copies.deletable", "fail")}),
        ((DELETE, DELETE), 1, {("copies.deletable", "fail")}),
    ],
)
def test_enough_repositories_must_be_append_only(
    found: tuple[Deletion | None, ...], wanted: int | None, said: set[tuple[str, str]]
) -> None:
    stores = [
        CLOUD.model_copy(update={"name": f"b2:{number}", "deletion": one}) for number, one in enumerate(found)
    ]

    assert judged(ORIGINAL, MIRROR, *stores, policy=Copies(append_only=wanted)) == said


def test_each_repository_is_named_with_what_was_found() -> None:
    facts = CopiesFacts(site="homelab", copies=(ORIGINAL, MIRROR, CLOUD))
    (found,) = (one for one in Copies().judge(facts, NOW) if one.id == "copies.deletable")

    assert found.message.endswith("what this machine knows: 1 of 1 (b2:x: so says the not)")


def test_an_append_only_server_is_found_to_be_one(site: Path) -> None:
    far = site / "far"
    far.mkdir()
    (site / "repository").rename(far / "repository")
    with serving(far, "--append-only") as address:
        inside = f"{USER}:{quote(PASSWORD, safe='')}"
        url = f"rest:{address.replace('//', f'//{inside}@')}repository/"
        policy = Copies(
            at_least=1, off_site=0, append_only=1, also=(Other(url=url, password_file=site / "password"),)
        )
        seen = view(site)
        facts = policy.observe(seen, ("notes",))
        found = {one.id: one.outcome for one in policy.judge(facts, datetime.now(UTC))}

    assert found["copies.deletable"] is Outcome.PASS
    assert PASSWORD not in facts.model_dump_json()
    assert quote(PASSWORD, safe="") not in facts.model_dump_json()


def test_no_secret_is_in_what_was_observed(site: Path) -> None:
    policy = Copies(also=(other(site),))

    assert stored.PASSWORD.strip() not in policy.observe(view(site), ("notes",)).model_dump_json()


@pytest.mark.parametrize(
    ("url", "away"),
    [
        ("b2:homelab:ct300", True),
        ("s3:s3.amazonaws.com/bucket", True),
        ("s3:https://s3.eu-central-003.backblazeb2.com/bucket", True),
        ("s3:http://minio:9000/bucket", False),
        ("sftp:me@u123.your-storagebox.de:/restic", True),
        ("sftp:backup@nas:/restic", False),
        ("sftp://me@192.168.1.9:22//restic", False),
        ("rest:https://user:pass@backup.example.org:8000/", True),
        ("rest:http://10.0.0.7:8000/", False),
        ("rest:http://[fd00::1]:8000/", False),
        ("rest:https://nas.home.arpa/", False),
        ("rclone:remote:x", False),
        ("/mnt/usb/restic", False),
    ],
)
def test_the_url_tells_whether_it_is_elsewhere(url: str, away: bool) -> None:
    assert Access(url, Path("password")).off_site is away


def test_a_relative_path_cannot_be() -> None:
    with pytest.raises(ValidationError, match="absolute"):
        Other(url="/x", password_file=Path("password"))
