"""What a drill costs when nothing changed, of the seven services and of many small ones, and when 1, 10 and 100 %
of those did."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median

from backupcheck import proc
from backupcheck.proc import Command
from tests.bench.homelab import homelab
from tests.bench.processes import BACKUPCHECK, measured
from tests.lab.lab import REPOSITORY_ROOT

SERVICES = 100
FILES = 5
REPEATS = 3
SITE = """\
site: carried
mirror: ../mirror
reserve: 16M
repository: {url: ../repository, password_file: ../password}
scratch: {folder: ../scratch, engine: process}
reports: ../reports
state: ../state
"""
SPEC = """\
service: NAME
source: {host: local, root: ../source, paths: [/srv/NAME/]}
checks:
  - seal: {}
  - files: {glob: /srv/NAME/*.md, count: COUNT}
"""
SECONDS = 7200.0
CARRYING = """drill: {carry: 7d}
policies:
  - read_data: {within: 30d}
"""


class Site:
    """A site of so many small services, pulled, backed up and proven."""

    def __init__(self, folder: Path, services: int) -> None:
        self.folder = folder
        self.names = [f"s{number:04}" for number in range(services)]
        (folder / "specs").mkdir()
        (folder / "specs/site.yaml").write_text(SITE + CARRYING)
        (folder / "password").write_text("of a benchmark\n")
        for name in self.names:
            spec = SPEC.replace("NAME", name).replace("COUNT", str(FILES))
            (folder / f"specs/{name}.yaml").write_text(spec)
            self.write(name, "first")
        self.run("nightly", "--init")

    def write(self, name: str, text: str) -> None:
        """New data of a service."""
        place = self.folder / "source/srv" / name
        place.mkdir(parents=True, exist_ok=True)
        for number in range(FILES):
            (place / f"{number}.md").write_text(f"# {name} {number} {text}\n")

    def run(self, verb: str, *words: str) -> float:
        """The wall seconds of a command that must end well."""
        site = str(self.folder / "specs/site.yaml")
        argv = (sys.executable, "-m", "backupcheck", verb, "--site", site, *words)
        return proc.run(Command(argv, SECONDS, cwd=REPOSITORY_ROOT)).seconds

    def carried(self) -> int:
        """How many proofs of the last run were carried."""
        run = json.loads((self.folder / "reports/latest/run.json").read_text())
        return sum(each["carried"] is not None for each in run["services"])

    def changed(self, percent: int) -> dict[str, float | int]:
        """A drill after so many of the services changed, and were pulled and backed up."""
        names = self.names[: max(1, len(self.names) * percent // 100)]
        for name in names:
            self.write(name, f"at {percent}")
        self.run("sync", *names)
        self.run("backup")
        seconds = self.run("drill")
        return {"services": len(names), "carried": self.carried(), "seconds": round(seconds, 3)}


def seven() -> dict[str, float | int]:
    """A second drill of the homelab's seven services: its wall seconds, the median of three, and as a share of the
    first, which restored all of them."""
    lab = homelab()
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="backupcheck-bench-"))
    folder.chmod(0o711)
    try:
        file = lab.site(folder, folder / "scratch", "process")
        file.write_text(file.read_text() + CARRYING)
        first, *again = (measured((*BACKUPCHECK, "drill", "--site", str(file))).wall for _ in range(1 + REPEATS))
        run = json.loads((folder / "reports/latest/run.json").read_text())
        carried = sum(each["carried"] is not None for each in run["services"])
        return {"seconds": round(median(again), 3), "share": round(median(again) / first, 4), "carried": carried}
    finally:
        shutil.rmtree(folder)


def measure(services: int = SERVICES) -> dict[str, object]:
    """Wall seconds of drills of one site: with nothing carried, with nothing changed (the median of three, also as
    a share of the first), and with some changed services."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="backupcheck-bench-"))
    folder.chmod(0o711)
    try:
        site = Site(folder, services)
        fresh = site.run("drill", "--fresh")
        unchanged = median(site.run("drill") for _ in range(REPEATS))
        carried = site.carried()
        return {
            "services": services,
            "fresh_seconds": round(fresh, 3),
            "unchanged_seconds": round(unchanged, 3),
            "unchanged_carried": carried,
            "unchanged_share": round(unchanged / fresh, 4),
            "seven_unchanged (goal 2 s)": seven(),
            "changed": {str(percent): site.changed(percent) for percent in (1, 10, 100)},
        }
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:2])), indent=2))
