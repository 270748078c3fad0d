"""The README's examples are true: what it shows works as it is written there."""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

from backupcheck.result import Outcome
from backupcheck.seams import CHECKS, NOTIFIERS, POLICIES, Moment
from backupcheck.spec import load_site, load_spec
from tests.checks.plain import PlainBox
from tests.lab.lab import REPOSITORY_ROOT

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


def test_the_test_in_python_is_one_of_the_suite() -> None:
    example = block("python", "# specs/test_mealie.py")
    suite = (REPOSITORY_ROOT / "specs/test_mealie.py").read_text()

    assert re.findall(r"^def (\w+)", example, re.MULTILINE)[0] in suite
    assert re.findall(r'id="(.*?)"', example)[0] in suite


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
