"""The lab with a CT300 that Ansible sets up, and what is asked of it."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from backupcheck import proc
from backupcheck.lxc import Inside
from backupcheck.proc import Command, Completed
from tests.lab.backuphost import WHEELHOUSE, BackupHost
from tests.lab.lab import REPOSITORY_ROOT, SERVICES, Lab

ANSIBLE = REPOSITORY_ROOT / "ansible"
DEFAULTS = ANSIBLE / "roles/backup/defaults/main.yml"
ANY_STATUS = frozenset(range(256))
SECONDS = 600.0
PASSWORD = "correct horse battery staple"
B2_KEY = "K005notARealKey/with+odd=letters"
TOPIC = "tk_notARealTopic"
TEXTFILE = "/var/lib/prometheus/node-exporter/backupcheck.prom"
ABOUT = "The house's films: some are long"
REPOSITORY = "/srv/repository"
RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Play:
    """What a run of ansible-playbook said."""

    status: int
    said: str

    @property
    def changed(self) -> dict[str, int]:
        """How many tasks changed something, by host."""
        return {host: int(changed) for host, changed, *_ in RECAP.findall(self.said)}

    @property
    def changes(self) -> list[str]:
        """The tasks that changed something, for a test's message."""
        tasks = re.findall(r"^TASK \[(.*?)\](.*?)(?=^(?:TASK|PLAY|RUNNING))", self.said, re.MULTILINE | re.DOTALL)
        return [name for name, output in tasks if re.search(r"^changed:", output, re.MULTILINE)]


@dataclass(frozen=True)
class Deployed:
    """A lab, its backup container, and a controller's folder with inventory and ssh configuration."""

    lab: Lab
    host: BackupHost
    folder: Path

    def write_inventory(self) -> None:
        """The controller's inventory: as the example, with the lab's addresses and nothing of the internet."""
        backup: dict[str, Any] = {
            "backup_apt_update": False,
            "backup_wheelhouse": WHEELHOUSE,
            "backup_repository": REPOSITORY,
            "backup_repository_init": True,
            "backup_restic_password": PASSWORD,
            "backup_repository_environment": {"B2_ACCOUNT_ID": "0055", "B2_ACCOUNT_KEY": B2_KEY},
            "backup_password_also_at": "the safe",
            "backup_on_failure": ["alarm@%p.service"],
            "backup_notifier_urls": {"chat.url": f"ntfys://{TOPIC}"},
            "backup_metrics_textfile": TEXTFILE,
        }
        targets = yaml.safe_load(DEFAULTS.read_text())["backup_sync_targets"]
        backup["backup_sync_targets"] = [
            {**target, "override": {"about": ABOUT}} if target["service"] == "jellyfin" else target
            for target in targets
        ]
        services = {kind.name: {"ansible_host": kind.address} for kind in SERVICES}
        ssh = f"-F {self.lab.fleet.ssh.config} -o HostKeyAlias={{{{ inventory_hostname }}}}"
        groups = {
            "backup": {"hosts": {"ct300": {"ansible_host": self.host.address}}, "vars": backup},
            "services": {"hosts": services, "vars": {"common_apt_update": False}},
        }
        common = {
            "ansible_user": "root",
            "ansible_ssh_common_args": ssh,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        text = yaml.safe_dump({"all": {"vars": common, "children": groups}})
        self.inventory.write_text(text)

    @property
    def inventory(self) -> Path:
        """The inventory's file."""
        return self.folder / "inventory.yml"

    def play(self, *words: str, book: Path = ANSIBLE / "site.yml") -> Play:
        """Run ansible-playbook on the backup host's side of the lab; any status is an answer."""
        argv = (sys.executable, "-m", "ansible", "playbook", "-i", str(self.inventory), str(book), *words)
        env = {
            "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
            "ANSIBLE_ROLES_PATH": str(ANSIBLE / "roles"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        ran = proc.run(Command((*self.lab.exec_prefix, *argv), SECONDS, env=env, accept=ANY_STATUS))
        return Play(ran.code, ran.text + ran.stderr)

    def disconnect(self) -> None:
        """End the connections that Ansible keeps open."""
        for socket in (self.folder / "cp").glob("*"):
            words = ("ssh", "-o", f"ControlPath={socket}", "-O", "exit", "ct300")
            proc.run(Command(words, 60, accept=ANY_STATUS))

    def sh(self, command: str, accept: frozenset[int] = frozenset({0}), timeout: float = SECONDS) -> Completed:
        """A shell command in CT300."""
        return self.host.container.run(Inside(("sh", "-c", command), timeout=timeout, accept=accept))

    def job(self, unit: str) -> str:
        """Start a unit of the night, wait for its end, and bring back the journal's end, for a test's message."""
        code = self.sh(f"systemctl start {unit}", accept=ANY_STATUS).code
        said = self.sh(f"journalctl --no-pager --output=cat --lines=40 --unit={unit}").text
        return f"status {code}\n{said}"

    def newest_run(self) -> dict[str, Any]:
        """The run.json of the newest drill."""
        found: dict[str, Any] = json.loads(self.sh("cat /var/lib/backupcheck/reports/latest/run.json").stdout)
        return found
