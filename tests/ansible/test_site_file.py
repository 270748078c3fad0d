"""The site file that the role writes, with policies, notifiers and metrics, and the addresses beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from backupcheck import proc
from backupcheck.notifiers.apprise import Apprise
from backupcheck.notifiers.ping import Ping
from backupcheck.proc import Command
from backupcheck.spec import Site, load_site
from tests.lab.lab import REPOSITORY_ROOT

ANSIBLE = REPOSITORY_ROOT / "ansible"
ROLE = ANSIBLE / "roles" / "backup"
TOKEN = "tk_S3cretT0pic"
SECONDS = 120.0
BOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: backup, tasks_from: notifiers, public: true}
    - ansible.builtin.template:
        src: "{{ trial_templates }}/{{ item }}.j2"
        dest: "{{ trial }}/{{ item }}"
        mode: "0644"
      loop: [site.yaml, backupcheck-drill.service]
    - ansible.builtin.template:
        src: "{{ trial_templates }}/backupcheck-drill.service.j2"
        dest: "{{ trial }}/without-policies.service"
        mode: "0644"
      vars: {backup_policies: []}
    - ansible.builtin.template:
        src: "{{ trial_templates }}/timer.j2"
        dest: "{{ trial }}/drill.timer"
        mode: "0644"
      vars: {item: {about: drill, at: "04:00", delay: "0", days: "{{ backup_drill_days }}"}}
"""


@dataclass(frozen=True)
class Rendered:
    """What the role wrote, and what Ansible said."""

    folder: Path
    said: str
    status: int

    @property
    def site(self) -> Site:
        return load_site(self.folder / "site.yaml")

    def unit(self, name: str) -> list[str]:
        """The lines of a rendered unit."""
        return (self.folder / name).read_text().splitlines()


def rendered(folder: Path, **variables: Any) -> Rendered:
    """Run the role's own tasks and templates here, with these variables, into a folder."""
    configuration = folder / "etc"
    configuration.mkdir(exist_ok=True, parents=True)
    own = {
        "trial": str(configuration),
        "trial_templates": str(ROLE / "templates"),
        "backup_configuration": str(configuration),
        "backup_home": str(folder / "home"),
        "backup_address": "",
    }
    (folder / "book.yml").write_text(BOOK)
    (folder / "vars.yml").write_text(yaml.safe_dump(own | variables))
    words = (
        "-i",
        "localhost,",
        "-c",
        "local",
        "--diff",
        "-e",
        f"@{folder / 'vars.yml'}",
        str(folder / "book.yml"),
    )
    env = {
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    argv = (sys.executable, "-m", "ansible", "playbook", *words)
    ran = proc.run(Command(argv, SECONDS, env=env, accept=frozenset(range(256))))
    return Rendered(configuration, ran.text + ran.stderr, ran.code)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """With the role's defaults."""
    return rendered(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """With all that can be set, where another address was before."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "etc" / "notifiers").mkdir(parents=True)
    (folder / "etc" / "notifiers" / "old.url").write_text("json://old")
    return rendered(
        folder,
        backup_policies=[{"rpo": {"at_most": "26h"}}, {"copies": {"append_only": 1}}, {"snapshots_in_turn": {}}],
        backup_notifiers=[
            {"apprise": {"url_file": "notifiers/chat.url", "when": ["failure", "recovery"]}},
            {"ping": {"url_file": "notifiers/ping.url"}},
        ],
        backup_notifier_urls={"chat.url": f"ntfys://{TOKEN}", "ping.url": f"https://hc-ping.example/{TOKEN}"},
        backup_metrics_textfile=str(folder / "collector" / "backupcheck.prom"),
        backup_drill={"egress": "100G"},
        backup_drill_days="Mon,Thu *-*-*",
        backup_drill_options=["--engine", "lxc"],
    )


def test_the_roles_policies_are_those_of_the_homelab(plain: Rendered) -> None:
    assert plain.status == 0, plain.said
    assert plain.site.policies == load_site(REPOSITORY_ROOT / "specs" / "site.yaml").policies
    assert (plain.site.notifiers, plain.site.metrics) == ((), None)


def test_what_can_be_set_is_in_the_site_file(full: Rendered) -> None:
    assert full.status == 0, full.said
    site = full.site
    apprise, ping = site.notifiers

    assert [policy.kind() for policy in site.policies] == ["rpo", "copies", "snapshots_in_turn"]
    assert isinstance(apprise, Apprise)
    assert isinstance(ping, Ping)
    assert apprise.when == ("failure", "recovery")
    assert (apprise.urls(), ping.urls()) == (
        (f"ntfys://{TOKEN}",),
        (f"https://hc-ping.example/{TOKEN}",),
    )
    assert (site.drill.carry, site.drill.egress) == (None, "100G")
    assert site.metrics is not None
    assert site.metrics.textfile.parent.is_dir()


@pytest.mark.parametrize("which", ["plain", "full"])
def test_backupcheck_finds_no_mistake_in_it(which: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(which).folder
    (folder / "specs").symlink_to(REPOSITORY_ROOT / "specs")
    words = [sys.executable, "-m", "backupcheck", "validate", "--site", str(folder / "site.yaml")]
    said = subprocess.run(words, cwd=REPOSITORY_ROOT, env=os.environ, capture_output=True, text=True, check=False)

    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.endswith("no mistakes\n")


def test_addresses_are_secret_and_go_when_they_are_no_longer_wanted(full: Rendered) -> None:
    folder = full.folder / "notifiers"

    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "chat.url": 0o600,
        "ping.url": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    assert TOKEN not in full.said
    assert TOKEN not in (full.folder / "site.yaml").read_text()


def test_a_notifier_without_an_address_is_refused(tmp_path: Path) -> None:
    refused = rendered(tmp_path, backup_notifiers=[{"ping": {"url_file": "notifiers/ping.url"}}])

    assert refused.status == 2
    assert "There is no address in backup_notifier_urls for ping.url of" in refused.said


def test_the_drill_may_do_what_its_policies_need_and_no_more(plain: Rendered, full: Rendered) -> None:
    of_none = plain.unit("without-policies.service")
    unit = full.unit("backupcheck-drill.service")
    collector = full.folder.parent / "collector"

    assert "InaccessiblePaths=-/mnt/storage/backups" in of_none
    assert "InaccessiblePaths=-/mnt/storage/backups" not in unit
    assert f"ReadWritePaths=-{collector}" in unit
    assert ["drill --in-turn --site" in line for line in unit if line.startswith("ExecStartPre=-")] == [True]
    assert not [line for line in of_none if line.startswith("ExecStartPre=")]
    assert next(line for line in unit if line.startswith("ExecStart=")).endswith(" --engine lxc")
    assert "OnCalendar=Mon,Thu *-*-* 04:00" in full.unit("drill.timer")


def test_apprise_is_asked_for_as_the_package_asks_for_it() -> None:
    defaults = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    project = (REPOSITORY_ROOT / "pyproject.toml").read_text()

    assert f'notify = ["{defaults["backup_apprise"]}"]' in project
