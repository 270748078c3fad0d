"""What one run hands out: its services as tasks, those apart that no test in Python binds together."""

from __future__ import annotations

import ast
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.errors import ExecutorError
from backupcheck.hands.proving import Task, Wanted, digest_of
from backupcheck.pytesting.items import service_of_module
from backupcheck.spec import Loaded, Spec, load_each
from backupcheck.suite import Suite

CONFTEST = "conftest.py"


@dataclass(frozen=True)
class Errands:
    """How tasks are made: where the site file lies, the engine that was asked for, and the seconds of one."""

    site_file: Path
    engine: str | None
    seconds: float

    def tasks(self, suite: Suite, snapshot: str) -> tuple[Task, ...]:
        """One for each group of services. Raises `ExecutorError` where a spec's file is not what it was."""
        folder = suite.site.specs.resolve()
        loaded = load_each(folder)
        clock = suite.clock or datetime.now(UTC)
        chosen = tuple(spec.service for spec in suite.specs)
        files = _test_files(folder, loaded, chosen)
        read = {name: digest_of((folder / name).read_bytes()) for name in files}
        if files and (folder / CONFTEST).is_file():
            read[CONFTEST] = digest_of((folder / CONFTEST).read_bytes())
        return tuple(
            Task(
                number=secrets.token_hex(8),
                site=suite.site.site,
                site_file=str(self.site_file.resolve()),
                wanted=tuple(_wanted(suite, suite.spec(service), loaded) for service in group),
                snapshot=snapshot,
                clock=clock,
                engine=self.engine,
                tests=_belonging(group, files, read),
                run=chosen,
                seconds=self.seconds,
            )
            for group in groups(chosen, files.values())
        )


def groups(services: Sequence[str], bound: Iterable[set[str]]) -> list[tuple[str, ...]]:
    """The services in groups, in their order: two that are bound together are in one."""
    found = [{service} for service in services]
    for names in bound:
        touched = [group for group in found if group & names]
        found = [group for group in found if group not in touched]
        if touched:
            found.append(set[str]().union(*touched))
    ordered = [tuple(sorted(group, key=services.index)) for group in found]
    return sorted(ordered, key=lambda group: services.index(group[0]))


def _test_files(folder: Path, loaded: Loaded, chosen: Sequence[str]) -> dict[str, set[str]]:
    """The test files that a drill of these services runs, each with those of them that it binds together.

    One that names none of the site's services goes with the first, where it is told as any such is.
    """
    found: dict[str, set[str]] = {}
    for file in sorted(folder.glob("test_*.py")):
        own = service_of_module(file)
        if own in loaded.services and own not in chosen:
            continue
        named = {own, *_named(file)} & set(loaded.services)
        if named & set(chosen) or not named:
            found[file.name] = named & set(chosen) or set(chosen[:1])
    return found


def _named(file: Path) -> Iterator[str]:
    """The services that markers in a test file name; none where it is no Python, which pytest then says."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "service":
            yield from (str(word.value) for word in node.args if isinstance(word, ast.Constant))


def _belonging(group: Sequence[str], files: Mapping[str, set[str]], read: Mapping[str, str]) -> dict[str, str]:
    own = {name: read[name] for name, services in files.items() if services <= set(group)}
    return {**own, CONFTEST: read[CONFTEST]} if own and CONFTEST in read else own


def _wanted(suite: Suite, spec: Spec, loaded: Loaded) -> Wanted:
    file = next((file for one, file in zip(loaded.specs, loaded.files, strict=True) if one == spec), None)
    if file is None:
        raise ExecutorError(f"the spec of {spec.service} was changed while the run began", advice="run it again")
    text = file.read_text(encoding="utf-8-sig")
    inspects = suite.inspects(spec)
    return Wanted(service=spec.service, text=text, file=str(file), digest=spec.digest, inspects=inspects)
