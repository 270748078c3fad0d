"""A repository that is opened with a recovery kit alone."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from backupcheck.policies.bootstrap import Bootstrap
from backupcheck.policy import View
from backupcheck.result import Finding, Outcome
from tests.policies import stored
from tests.policies.seen import NOW, proof, view


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    stored.make(folder)
    return folder


@pytest.fixture
def site(base: Path, tmp_path: Path) -> Path:
    stored.copy(base, tmp_path)
    kit = tmp_path / "kit"
    kit.mkdir()
    (kit / "password").write_text(stored.PASSWORD)
    (kit / "url").write_text(f"{tmp_path / 'repository'}\n")
    return tmp_path


def stated(seen: View, **repository: object) -> View:
    """The same, but the site file says other things of its repository."""
    changed = seen.site.repository.model_copy(update=repository)
    return replace(seen, site=seen.site.model_copy(update={"repository": changed}))


def asked(seen: View, kit: Path | None = None) -> list[Finding]:
    policy = Bootstrap(kit=kit)
    return list(policy.judge(policy.observe(seen, ("notes",)), NOW))


def red(findings: list[Finding]) -> dict[str, str]:
    return {each.id: each.outcome.value for each in findings if each.outcome in (Outcome.FAIL, Outcome.ERROR)}


def test_passes_with_a_kit_that_opens_the_repository_by_itself(site: Path) -> None:
    findings = asked(view(site), site / "kit")

    assert red(findings) == {}
    assert [each.actual for each in findings if each.id == "bootstrap.kit-empty"] == [1]


def drilled(site: Path) -> View:
    """A run that has proven the service `notes`."""
    (snapshot,) = view(site).repository.all_snapshots()
    return view(site, proof(snapshot=snapshot.id, bytes=1, files=1))


def restore_of(findings: list[Finding]) -> tuple[str, str, str]:
    (finding,) = (each for each in findings if each.id == "bootstrap.kit-restore")
    return finding.outcome.value, str(finding.actual), finding.message


def test_a_service_is_restored_with_the_kit_alone(site: Path) -> None:
    findings = asked(drilled(site), site / "kit")

    assert restore_of(findings) == ("pass", "1 file", "the recovery kit alone restored notes")
    assert red(findings) == {}
    assert list((site / "scratch").iterdir()) == []


def test_what_the_kit_cannot_restore_fails(site: Path) -> None:
    seen = drilled(site)
    for pack in stored.packs(site):
        pack.chmod(0o600)
    data = min(stored.packs(site), key=lambda pack: pack.stat().st_size)
    data.write_bytes(bytes(20) + data.read_bytes()[20:])

    assert red(asked(seen, site / "kit")) == {"bootstrap.kit-restore": "fail"}


def test_a_service_of_which_the_kit_finds_nothing_is_not_restored(site: Path) -> None:
    (snapshot,) = view(site).repository.all_snapshots()
    seen = view(site, proof(service="tasks", snapshot=snapshot.id, bytes=0), services=("notes", "tasks"))

    assert restore_of(asked(seen, site / "kit"))[:2] == ("fail", "0 files")


def test_without_a_proven_service_nothing_is_restored(site: Path) -> None:
    assert restore_of(asked(view(site), site / "kit"))[0] == "skip"


def test_passes_where_somebody_said_where_the_password_is(site: Path) -> None:
    findings = asked(stated(view(site), password_also_at="the safe"))

    assert red(findings) == {}
    assert {each.outcome for each in findings if each.id == "bootstrap.no-kit"} == {Outcome.SKIP}


def test_a_password_that_is_only_here_fails(site: Path) -> None:
    assert red(asked(view(site))) == {"bootstrap.only-here": "fail"}


def test_a_password_in_what_it_opens_fails_unless_it_is_also_elsewhere(site: Path) -> None:
    inside = site / "mirror" / "notes" / "password"
    shutil.copy(site / "password", inside)

    alone = red(asked(stated(view(site), password_file=inside)))
    with_kit = red(asked(stated(view(site), password_file=inside), site / "kit"))

    assert alone == {"bootstrap.inside": "fail", "bootstrap.only-here": "fail"}
    assert with_kit == {}


@pytest.mark.parametrize("name", ["url", "password"])
def test_a_kit_without_a_file_fails_as_missing(site: Path, name: str) -> None:
    (site / "kit" / name).unlink()

    findings = asked(stated(view(site), password_also_at="the safe"), site / "kit")

    assert red(findings) == {"bootstrap.kit-missing": "fail"}
    assert [each.message for each in findings if each.outcome is Outcome.FAIL] == [
        f"the recovery kit lacks {name}"
    ]


def test_a_missing_kit_fails(site: Path) -> None:
    assert "bootstrap.kit-missing" in red(asked(view(site), site / "nowhere"))


def test_a_kit_with_an_old_password_fails_and_is_no_copy_of_it(site: Path) -> None:
    (site / "kit" / "password").write_text("of last year\n")

    assert red(asked(view(site), site / "kit")) == {
        "bootstrap.kit-wrong": "fail",
        "bootstrap.only-here": "fail",
    }


@pytest.mark.parametrize("url", ["", "repository", "/nowhere/at/all"])
def test_a_kit_whose_url_leads_nowhere_fails(site: Path, url: str) -> None:
    (site / "kit" / "url").write_text(url)

    assert "bootstrap.kit-wrong" in red(asked(view(site), site / "kit"))


def test_a_kit_of_another_repository_fails(site: Path) -> None:
    stored.make(site, "another")
    (site / "kit" / "url").write_text(str(site / "another"))

    assert "bootstrap.kit-other" in red(asked(view(site), site / "kit"))


def test_a_kit_that_shows_no_snapshot_of_the_site_fails(site: Path) -> None:
    assert red(asked(stated(view(site), host="another"), site / "kit")) == {
        "bootstrap.kit-empty": "fail",
        "bootstrap.only-here": "fail",
    }


def test_a_storage_that_cannot_be_reached_is_an_error(site: Path) -> None:
    (site / "kit" / "url").write_text("rest:http://127.0.0.1:9/")

    assert red(asked(stated(view(site), password_also_at="the safe"), site / "kit")) == {
        "repository.unreachable": "error"
    }


def test_a_kit_on_the_same_disk_is_a_warning(site: Path) -> None:
    findings = asked(view(site), site / "kit")

    assert {each.outcome for each in findings if each.id == "bootstrap.kit-beside"} == {Outcome.WARN}


def test_only_the_kits_files_are_used(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = site / "bin" / "restic"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nenv >> {site}/seen\nexec {shutil.which("restic")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    (site / "kit" / "environment").write_text("OF_THE_KIT=1\n")
    (site / "own").write_text("OF_THIS_MACHINE=1\n")
    seen = view(site)
    access = replace(seen.repository.access, environment_file=site / "own")
    seen.repository.access = access

    assert red(asked(seen, site / "kit")) == {}
    words = (site / "seen").read_text()
    calls = words.count("RESTIC_REPOSITORY=")
    assert words.count("OF_THIS_MACHINE=1") == 1
    assert words.count("OF_THE_KIT=1") == words.count(f"RESTIC_PASSWORD_FILE={site / 'kit'}") == calls - 1 > 0
    assert re.search(r"^HOME=.*/backupcheck-kit-", words, re.MULTILINE)


def test_a_relative_kit_cannot_be() -> None:
    with pytest.raises(ValidationError, match="absolute"):
        Bootstrap(kit=Path("kit"))
