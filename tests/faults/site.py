"""A site of one service, whose source is a copy of what the lab's night pulled, so that it can be damaged."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from backupcheck import proc
from backupcheck.proc import Command
from tests.lab.lab import REPOSITORY_ROOT
from tests.night import Report, command, reported

SITE = """\
site: faults
mirror: ../mirror
repository: {url: ../repository, password_file: ../password}
scratch: {folder: ../scratch, engine: process}
reports: ../reports
state: ../state
"""


class FaultSite:
    """One service of the lab, pulled from a folder of this machine."""

    def __init__(self, folder: Path, service: str, mirror: Path) -> None:
        self.folder = folder
        self.service = service
        self.source = folder / "source"
        proc.run(Command(("cp", "-a", "--", str(mirror / service), str(self.source)), 60))
        shutil.rmtree(self.source / ".backupcheck")
        (folder / "specs").mkdir()
        (folder / "password").write_text("of the faults\n")
        (folder / "specs/site.yaml").write_text(SITE)
        self.site = folder / "specs/site.yaml"
        self.spec = folder / "specs" / f"{service}.yaml"
        self.spec.write_text(yaml.safe_dump(self._local_spec()))

    def place(self, path: str) -> Path:
        """Where an absolute path of the service lies in its source."""
        return self.source / path.lstrip("/")

    def night(self) -> Report:
        """Pull, back up and drill."""
        return self.run("nightly", "--init")

    def run(self, verb: str, *words: str) -> Report:
        """Run a command on the site."""
        completed = command(verb, "--site", str(self.site), *words)
        return reported(completed, self.folder / "reports")

    def _local_spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = yaml.safe_load((REPOSITORY_ROOT / f"specs/{self.service}.yaml").read_text())
        spec.pop("box", None)  # what the image of a container has, this machine need not
        taken = spec.pop("capture", [])
        captured = [dump["to"] for item in taken if (dump := item.get("postgres"))]
        captured += [f"{folder['data']}/" for item in taken if (folder := item.get("couchdb"))]
        spec["source"] |= {"host": "local", "root": "../source", "paths": [*spec["source"]["paths"], *captured]}
        return spec


@contextmanager
def fault_site(service: str, mirror: Path) -> Iterator[FaultSite]:
    """Such a site in a folder of its own, gone afterwards."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="backupcheck-faults-"))
    folder.chmod(0o711)
    try:
        yield FaultSite(folder, service, mirror)
    finally:
        shutil.rmtree(folder)
