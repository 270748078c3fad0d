"""A service of a lab's container, made for the transport's faults: what is pulled, and how it can be broken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from backupcheck.lxc.inside import Inside
from tests.lab.lab import REPOSITORY_ROOT, Lab
from tests.mounts import mounted

HOST = "lldap"
DATA = "/srv/transport/data"
FILES = 40
MAKE = f"""set -eu
mkdir -p {DATA}/deep /root/.ssh
for n in $(seq {FILES}); do echo "content $n" > {DATA}/deep/$n; done
head -c 2097152 /dev/urandom > {DATA}/large
useradd --create-home puller
install -d -o puller -m 700 /home/puller/.ssh
install -o puller -m 600 /root/.ssh/authorized_keys /home/puller/.ssh/
"""
UNMAKE = "rm -rf /srv/transport; ! id puller || userdel --remove puller"
"""Nobody is left there either if the container was made anew since."""


class Bench:
    """The site of one service. A fault changes its fields, or something inside; `mended` undoes that."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.ssh = folder / "ssh"
        (folder / "specs").mkdir()
        self._undo: list[str] = []
        self.mended()

    def mended(self) -> None:
        """Everything as it was, and an empty mirror."""
        while self._undo:
            self.inside(self._undo.pop())
        self.source: dict[str, Any] = {"host": HOST, "paths": [f"{DATA}/"], "timeout": 60}
        self.site: dict[str, Any] = {"mirror": "../mirror", "reserve": "1K"}
        self.wishes: dict[str, Any] = {}
        shutil.rmtree(self.folder / "mirror", ignore_errors=True)
        shutil.rmtree(self.ssh, ignore_errors=True)
        shutil.copytree(self.lab.paths.ssh, self.ssh)
        config = self.ssh / "config"
        config.write_text(config.read_text().replace(str(self.lab.paths.ssh), str(self.ssh)))

    @property
    def known_hosts(self) -> Path:
        return self.ssh / "known_hosts"

    def mirrored(self, name: str) -> Path:
        """A file of the data in the mirror."""
        return self.folder / "mirror/transport" / DATA.lstrip("/") / name

    def inside(self, script: str, host: str = HOST) -> str:
        """Run a shell script as root of the container, whatever its sshd does."""
        container = self.lab.fleet.services[host].container
        return container.run(Inside(("sh", "-c", f"set -e\n{script}"))).text

    def changed(self, script: str, back: str) -> None:
        """Change something inside, until it is mended."""
        self._undo.append(back)
        self.inside(script)

    def sync(self) -> list[dict[str, Any]]:
        """One sync: all its findings."""
        (self.folder / "specs/site.yaml").write_text(yaml.safe_dump(self._site()))
        spec = {"service": "transport", "source": self.source, "checks": [{"seal": {}}]}
        (self.folder / "specs/transport.yaml").write_text(yaml.safe_dump(spec))
        assert self.driver.stdin is not None
        assert self.driver.stdout is not None
        self.driver.stdin.write(json.dumps(self.wishes) + "\n")
        self.driver.stdin.flush()
        found: list[dict[str, Any]] = json.loads(self.driver.stdout.readline())
        return found

    def said(self) -> set[tuple[str, str]]:
        """What one sync has to say: the ids that are not green, with their outcomes."""
        return {(each["id"], each["outcome"]) for each in self.sync() if each["outcome"] != "pass"}

    def _site(self) -> dict[str, Any]:
        return {
            "site": "transport",
            "repository": {"url": "../repository", "password_file": "../password"},
            "ssh": {"config": str(self.ssh / "config"), "known_hosts": str(self.known_hosts)},
            "scratch": {"folder": "../scratch"},
            "reports": "../reports",
            "state": "../state",
            **self.site,
        }

    @contextmanager
    def driven(self) -> Iterator[None]:
        """Have the process that syncs, in the lab's network."""
        words = [
            *self.lab.exec_prefix,
            *(sys.executable, "-m", "tests.faults.syncing", str(self.folder / "specs/site.yaml")),
        ]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY_ROOT
        ) as self.driver:
            yield


@contextmanager
def bench(lab: Lab, folder: Path) -> Iterator[Bench]:
    """Such a service, gone afterwards; with `full`, a folder of 1 MiB, and `read-only`, one that is that."""
    made = Bench(lab, folder)
    made.inside(MAKE)
    try:
        (folder / "closed").mkdir()
        with mounted(folder / "full"), mounted(folder / "read-only", "ro"), made.driven():
            yield made
    finally:
        made.inside(UNMAKE)
