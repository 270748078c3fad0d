"""A whole site after a good night: source, mirror, repository, history and settings, all of it to be harmed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from backupcheck import proc
from backupcheck.proc import Command
from backupcheck.rereading import LATEST, read
from backupcheck.result import Outcome, Run
from tests.faults.corpus.case import Said, Stand, said
from tests.faults.corpus.rooms import Rooms, copied, folder
from tests.night import command
from tests.smallsite import SmallSite

CANARY = "/srv/notes/.backupcheck-canary"
PLACE = "PLACE"
"""Stands for the site's folder in a policy."""
PICTURE = "/srv/notes/picture.raw"


@dataclass(frozen=True)
class Whole(Stand):
    """The small site of three services (notes, tasks, proxy) after two good nights; notes have a canary.

    The picture came with the second night, so it has a pack of its own in the repository, the largest. In
    `second/repository` is a copy of the repository.

    `policies` are lines of YAML, such as `rpo: {at_most: 26h}`; `verb` is what is run after the harm, and for the
    control.
    """

    policies: tuple[str, ...] = ()
    verb: tuple[str, ...] = ("nightly",)

    @contextmanager
    def open(self, rooms: Rooms) -> Iterator[Site]:
        origin = rooms.once(("whole", self.policies), lambda: self._made(rooms.kept_folder()))
        with folder() as place:
            site = Site(copied(origin, place / "site"), self.verb)
            site.settings.write_text(site.settings.read_text().replace(str(origin), str(site.folder)))
            yield site

    def _made(self, place: Path) -> Path:
        site = Site(place / "site", ("nightly", "--init"), new=True)
        spec = site.spec("notes")
        spec["capture"] = [{"canary": {"file": CANARY}}]
        spec["checks"].append({"canary": {"file": CANARY, "max_age": "1d"}})
        site.write_spec("notes", spec)
        repository = yaml.safe_load(site.settings.read_text())["repository"]
        site.set(repository={**repository, "password_also_at": "a sealed letter at the notary's"})
        with site.settings.open("a") as file:
            file.writelines(
                f"{line}\n"
                for line in (
                    "policies:",
                    *(f"  - {line.replace(PLACE, str(site.folder))}" for line in self.policies),
                )
            )
        if not self.policies:
            site.settings.write_text(site.settings.read_text().replace("policies:\n", ""))
        (site.folder / "second").mkdir()
        assert not site.said().red - {"repository.not-found", "copies.unknown"}, site.told
        site.place(PICTURE).write_bytes(os.urandom(2**20))
        assert not site.said().red - {"repository.not-found", "copies.unknown"}, site.told
        copied(site.folder / "repository", site.folder / "second/repository")
        return site.folder


class Site(SmallSite):
    """The site, to be harmed. `verb` is what is asked; `words` come before it, such as `env LC_ALL=C`."""

    def __init__(self, place: Path, verb: tuple[str, ...], *, new: bool = False) -> None:
        if new:
            place.mkdir(mode=0o711)
            super().__init__(place)
        else:
            self.folder = place
            self.specs = place / "specs"
            self.site = self.specs / "site.yaml"
            self.source = place / "source"
        self.verb = verb
        self.words: tuple[str, ...] = ()
        self.status = 0
        self.told = ""

    @property
    def settings(self) -> Path:
        """The site file."""
        return self.site

    def spec(self, service: str) -> dict[str, Any]:
        """A service's spec, as YAML has it."""
        read: dict[str, Any] = yaml.safe_load((self.specs / f"{service}.yaml").read_text())
        return read

    def write_spec(self, service: str, spec: Mapping[str, Any]) -> None:
        """Change a service's spec."""
        (self.specs / f"{service}.yaml").write_text(yaml.safe_dump(dict(spec)))

    def set(self, **settings: Any) -> None:
        """Change the site file's settings."""
        read = yaml.safe_load(self.site.read_text())
        self.site.write_text(yaml.safe_dump({**read, **settings}))

    def place(self, path: str) -> Path:
        """Where an absolute path of a service lies at the source."""
        return self.source / path.lstrip("/")

    def mirrored(self, service: str, path: str) -> Path:
        """Where it lies in the mirror."""
        return self.folder / "mirror" / service / path.lstrip("/")

    def restic(self, *words: str) -> str:
        """What restic says, asked on this site's repository by somebody else."""
        where = ("--repo", str(self.folder / "repository"), "--password-file", str(self.folder / "password"))
        return proc.run(Command(("restic", "--quiet", "--no-cache", *where, *words), 120, cwd=self.folder)).text

    def said(self) -> Said:
        """Run the verb: all findings of the run that it leaves, or the sentence's id if it leaves none."""
        reports = self.folder / "reports"
        before = {LATEST, *(path.name for path in reports.glob("*"))}
        completed = command(*self.verb, "--site", str(self.site), prefix=self.words)
        self.status, self.told = completed.code, f"{completed.text}{completed.stderr}"
        new = [path for path in reports.glob("*") if path.name not in before]
        if not new:
            return Said(unable=frozenset({f"exit {completed.code}"}))
        run = read(new[0])
        findings = [finding for proof in run.services for check in proof.checks for finding in check.findings]
        findings += [finding for policy in run.policies for finding in policy.findings]
        found = said(findings)
        if not found.red:
            found = found._replace(unable=frozenset(_unasked(run)))
        assert (completed.code == 0) is not bool(found.red), f"exit {completed.code}, and {found}"
        return found


def _unasked(run: Run) -> Iterator[str]:
    """The ids that say why a question was not asked, which keeps a service from being proven."""
    for proof in run.services:
        for check in proof.checks:
            if proof.outcome is Outcome.ERROR and check.outcome is Outcome.SKIP:
                yield from (finding.id for finding in check.findings)
