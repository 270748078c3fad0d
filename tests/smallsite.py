"""A small site of local sources in a folder: three services, drilled in boxes of engine `process`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backupcheck import demo_sources
from backupcheck.drill import sweep
from backupcheck.proc import Completed
from tests.night import Report, command, reported

SERVICES = ("notes", "tasks", "proxy")


class SmallSite:
    """The demonstration's services that need no server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.specs = folder / "specs"
        self.site = self.specs / "site.yaml"
        self.source = folder / "source"
        demo_sources.make(self.source)
        self.specs.mkdir()
        self.site.write_text(demo_sources.SITE.format(engine="process"))
        (folder / "password").write_text("of a small site\n")
        for name in SERVICES:
            (self.specs / f"{name}.yaml").write_text(demo_sources.SPECS[name])

    def command(self, verb: str, *words: str) -> Completed:
        """A command on the site; any status is an answer."""
        return command(verb, "--site", str(self.site), *words)

    def run(self, verb: str, *words: str) -> Report:
        """A command that leaves a run."""
        return reported(self.command(verb, *words), self.folder / "reports")

    def night(self) -> Report:
        """Pull, back up and drill."""
        return self.run("nightly", "--init")

    def pytest(self, *words: str, path: str = "") -> subprocess.CompletedProcess[str]:
        """pytest on the specs, as a user calls it, with nothing of this test run's settings; `path` is a variable
        of its environment, such as `PATH=…`."""
        own = ("-p", "no:cacheprovider", "-c", os.devnull)
        line = ["env", *filter(None, [path]), sys.executable, "-m", "pytest", *own, str(self.specs), *words]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)

    def started(self, verb: str, *words: str) -> subprocess.Popen[str]:
        """A command that runs beside the test."""
        line = [sys.executable, "-m", "backupcheck", verb, "--site", str(self.site), *words]
        # a shell's background job ignores Ctrl-C, and so would what it starts
        restore = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        finally:
            signal.signal(signal.SIGINT, restore)

    @property
    def left_in_scratch(self) -> list[str]:
        """The names in the scratch folder."""
        return sorted(path.name for path in (self.folder / "scratch").iterdir())


@contextmanager
def small_site() -> Iterator[SmallSite]:
    """Such a site, gone afterwards."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="backupcheck-small-"))
    folder.chmod(0o711)
    try:
        yield SmallSite(folder)
    finally:
        sweep(folder / "scratch")  # what a killed drill has left mounted
        shutil.rmtree(folder)
