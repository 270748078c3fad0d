"""A folder of specs: those that are right, and the mistakes in the others, which stop nobody else's proof."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backupcheck.errors import Problem, SpecError, UsageError
from backupcheck.mistakes import close
from backupcheck.result import CheckResult, Finding, Outcome, check_result, printable
from backupcheck.spec.models import Spec
from backupcheck.spec.reading import read_spec, spec_files

SPEC = "spec"
ADVICE = "correct the file; `backupcheck validate` shows every mistake of all files"
NAMED = re.compile(rb"""^service:[ \t]*(["']?)([a-z0-9][a-z0-9-]{0,62})\1[ \t]*(?:#.*)?\r?$""", re.MULTILINE)


@dataclass(frozen=True)
class Mistaken:
    """A spec file that is wrong. `service` is the one that it seems to be about: the one that it names, or else
    the file's name."""

    service: str
    file: Path
    problems: tuple[Problem, ...]

    @property
    def error(self) -> SpecError:
        """The same as an error, to be raised where nothing can go on."""
        return SpecError(self.problems)

    @property
    def result(self) -> CheckResult:
        """Its mistakes as findings: nothing is known of the service's backup."""
        findings = [
            Finding(
                id=SpecError.id, outcome=Outcome.ERROR, subject=self.file.name, message=str(each), advice=ADVICE
            )
            for each in self.problems
        ]
        return check_result(SPEC, SPEC, findings)


@dataclass(frozen=True)
class Loaded:
    """What a folder's spec files say: the specs by file name, the path of each one's file, and the files that are
    wrong. No name of a service is there twice."""

    specs: tuple[Spec, ...]
    files: tuple[Path, ...] = ()
    mistakes: tuple[Mistaken, ...] = ()

    @property
    def services(self) -> tuple[str, ...]:
        """Every service, also of those files that are wrong."""
        return (*(spec.service for spec in self.specs), *(mistaken.service for mistaken in self.mistakes))

    def strict(self) -> tuple[Spec, ...]:
        """The specs. Raises `SpecError` with the mistakes of all files, if there are any."""
        if self.mistakes:
            raise SpecError(tuple(problem for mistaken in self.mistakes for problem in mistaken.problems))
        return self.specs

    def only(self, services: Iterable[str]) -> Loaded:
        """Those services only, in this order. Raises `UsageError` for one that is not there, and `SpecError` for
        one whose file is wrong."""
        wanted = tuple(dict.fromkeys(services))
        require_known(wanted, self.services)
        wrong = [mistaken for mistaken in self.mistakes if mistaken.service in wanted]
        Loaded((), mistakes=tuple(wrong)).strict()
        known = {spec.service: (spec, file) for spec, file in zip(self.specs, self.files, strict=True)}
        return Loaded(tuple(known[name][0] for name in wanted), tuple(known[name][1] for name in wanted))


def require_known(names: Iterable[str], known: Iterable[str]) -> None:
    """That each is a service of the site. Raises `UsageError` that names the nearest."""
    there = list(known)
    for name in names:
        if name not in there:
            said = f"there is no service {printable(name)!r}; there are {', '.join(there)}"
            raise UsageError(said, advice=close(name, there))


def load_each(folder: Path) -> Loaded:
    """Every spec file of a folder, by file name; one that is wrong keeps none of the others from being read.

    Raises `UsageError` where there are no spec files.
    """
    found: dict[str, tuple[Spec, Path]] = {}
    wrong: list[tuple[Path, tuple[Problem, ...]]] = []
    for file in spec_files(folder):
        try:
            document, spec = read_spec(file)
        except SpecError as error:
            wrong.append((file, error.problems))
            continue
        if spec.service in found:
            said = f"the service {spec.service!r} is already in {found[spec.service][1].name}"
            wrong.append((file, (document.problem(("service",), said),)))
            continue
        found[spec.service] = spec, file
    mistakes: list[Mistaken] = []
    for file, problems in wrong:
        taken = {*found, *(mistaken.service for mistaken in mistakes)}
        mistakes.append(Mistaken(_service_of(file, taken), file, problems))
    return Loaded(
        tuple(spec for spec, _ in found.values()), tuple(file for _, file in found.values()), tuple(mistakes)
    )


def load_specs(folder: Path) -> tuple[Spec, ...]:
    """Every spec of a folder, by file name. Raises `SpecError` with the mistakes of all files together."""
    return load_each(folder).strict()


def _service_of(file: Path, taken: Iterable[str]) -> str:
    """What a file that is wrong is called in reports: no other's name."""
    try:
        named = NAMED.search(file.read_bytes())
    except (OSError, ValueError):
        named = None
    names = [named[2].decode("ascii")] if named else []
    others = set(taken)
    return next(name for name in (*names, printable(file.stem), printable(str(file))) if name not in others)
