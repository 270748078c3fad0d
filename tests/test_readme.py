"""The README's examples are true: what it shows works as it is written there."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml

from backupcheck.proc import Completed
from backupcheck.result import Outcome
from backupcheck.seams import CHECKS, NOTIFIERS, POLICIES, Moment
from backupcheck.spec import load_site, load_spec
from tests.checks.plain import PlainBox
from tests.lab.lab import REPOSITORY_ROOT
from tests.night import command

README = (REPOSITORY_ROOT / "README.md").read_text()


def block(language: str, holds: str) -> str:
    """The code block of a language that a text occurs in."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(next(found for found in blocks if holds in found))


def test_the_spec_is_a_spec(tmp_path: Path) -> None:
    file = tmp_path / "mealie.yaml"
    file.write_text(block("yaml", "service: mealie"))

    assert load_spec(file).service == "mealie"


def test_the_waiver_is_one(tmp_path: Path) -> None:
    file = tmp_path / "mealie.yaml"
    named = block("yaml", "service: mealie").replace("secret: {", 'secret: {name: "the key\'s mode", ')
    file.write_text(named + block("yaml", "waivers:").replace("2027-01-31", str(date.today())))

    assert load_spec(file).waivers[0].finding == "secret.mode"


def test_the_policies_are_ones(tmp_path: Path) -> None:
    text = (REPOSITORY_ROOT / "specs/site.yaml").read_text().partition("policies:")[0]
    (tmp_path / "site.yaml").write_text(text + block("yaml", "policies:"))

    assert len(load_site(tmp_path / "site.yaml").policies) == len(POLICIES.kinds)


def test_every_kind_of_policy_is_shown() -> None:
    assert [name for name in POLICIES.kinds if f"- {name}: " not in README] == []


def test_the_notifiers_are_ones(tmp_path: Path) -> None:
    text = (REPOSITORY_ROOT / "specs/site.yaml").read_text().partition("policies:")[0]
    (tmp_path / "site.yaml").write_text(text + block("yaml", "notifiers:"))

    assert [one.kind() for one in load_site(tmp_path / "site.yaml").notifiers] == list(NOTIFIERS.kinds)


@pytest.fixture
def smallest() -> Iterator[Path]:
    """The README's smallest site and its test, as written, but for where on this machine it all lies."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="backupcheck-readme-") as folder:
        place = Path(folder)
        place.chmod(0o711)
        for language, name in (("yaml", "site.yaml"), ("yaml", "notes.yaml"), ("python", "test_notes.py")):
            text = block(language, f"# /etc/backupcheck/{name}")
            moved = re.sub(r"/(etc|srv/backup|var/lib)/", rf"{place}/\1/", text)
            (place / "etc/backupcheck").mkdir(parents=True, exist_ok=True)
            (place / "etc/backupcheck" / name).write_text(moved)
        spec = place / "etc/backupcheck/notes.yaml"
        spec.write_text(spec.read_text().replace("host: local,", f"host: local, root: {place},"))
        (place / "etc/backupcheck/password").write_text("of the README\n")
        (place / "etc/backupcheck/password").chmod(0o600)
        (place / "srv/notes").mkdir(parents=True)
        (place / "srv/notes/first.md").write_text("# Hello\n")
        yield place


def test_the_smallest_site_is_proven_by_the_command_that_is_shown(smallest: Path) -> None:
    first = _night(smallest, "--init")
    (smallest / "srv/notes/second.md").write_text("no title\n")
    second = _night(smallest)

    assert "`backupcheck nightly --init` pulls, backs up, restores and proves them" in README
    assert first.code == 0, first.text + first.stderr
    assert "ok notes 5 checks" in first.text
    assert second.code == 1
    assert "FAIL notes notes.no-title" in second.text


def _night(place: Path, *words: str) -> Completed:
    site = str(place / "etc/backupcheck/site.yaml")
    return command("nightly", "--site", site, "--engine", "process", *words)


def test_the_new_kind_works_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "symlink_of_the_readme.py").write_text(block("python", "class Symlink"))
    monkeypatch.syspath_prepend(str(tmp_path))
    module = __import__("symlink_of_the_readme")
    (tmp_path / "tree/opt/app").mkdir(parents=True)
    (tmp_path / "tree/opt/app/current").symlink_to("releases/42")
    example = yaml.safe_load(re.search(r"- symlink: (\{.*\})", README)[1])  # type: ignore[index]
    outcomes = []
    for target in ("releases/42", "releases/43"):
        check = module.Symlink(**{**example, "target": target})
        facts = check.observe(PlainBox(tmp_path / "tree"))
        outcomes += [finding.outcome for finding in check.judge(facts, Moment.__new__(Moment))]
    sys.modules.pop("symlink_of_the_readme")

    assert outcomes == [Outcome.PASS, Outcome.FAIL]


def test_every_file_that_it_links_to_is_there() -> None:
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link}

    assert {link for link in links if not (REPOSITORY_ROOT / link).exists()} == set()


def test_every_kind_of_check_is_in_the_changelog() -> None:
    changelog = (REPOSITORY_ROOT / "docs/changelog.md").read_text()

    assert [name for name in CHECKS.kinds if f"`{name}`" not in changelog] == []
