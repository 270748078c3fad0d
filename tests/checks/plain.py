"""A box that is only its restored tree, for checks that start nothing; and how tests ask a check."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NoReturn, TypeVar

from pydantic import JsonValue

from backupcheck.proc import Completed, Started
from backupcheck.result import Finding, Outcome, check_result
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Tree

NOW = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
FactsT = TypeVar("FactsT", bound=Facts)


class PlainBox(Box):
    """A restored tree without a box around it; nothing can be run in it."""

    def __init__(self, root: Path, service: str = "mealie") -> None:
        self.service = service
        self.engine = "plain"
        self.image = "base"
        self.tree = Tree(root)
        self.work = root.parent
        self.work_inside = str(root.parent)
        self.python = "/usr/bin/python3"
        self.isolated = True
        self.disk = 2**30

    def run(
        self,
        argv: tuple[str, ...],
        *,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        root: bool = False,
        accept: frozenset[int] = frozenset({0}),
        stdout: IO[bytes] | None = None,
    ) -> Completed:
        _refuse(argv)

    def started(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        root: bool = False,
        stdin: int | IO[bytes] = -3,
        stdout: int | IO[bytes] = -3,
    ) -> contextlib.AbstractContextManager[Started]:
        _refuse(argv)

    def find_program(self, *names: str) -> str | None:
        _refuse(names)


def _refuse(argv: tuple[str, ...]) -> NoReturn:
    raise AssertionError(f"this check must not run anything, and ran {argv}")


def findings(check: Check[FactsT], box: Box, now: datetime = NOW) -> list[Finding]:
    """What a check says of a box, through facts that were kept as JSON in between, as the history keeps them."""
    facts = check.observe(box)
    kept = type(facts).model_validate_json(facts.model_dump_json())
    return list(check.judge(kept, Moment(now=now, snapshot=now)))


def outcome(check: Check[FactsT], box: Box) -> Outcome:
    """What a report would say of the check."""
    return check_result(check.kind(), check.title, findings(check, box)).outcome


def bad(found: list[Finding]) -> set[tuple[str, str]]:
    """Id and outcome of the findings that are neither passed nor skipped."""
    return {(one.id, one.outcome.value) for one in found if one.outcome not in (Outcome.PASS, Outcome.SKIP)}


def failed(*ids: str) -> set[tuple[str, str]]:
    """What `bad` gives if exactly these failed."""
    return {(id, "fail") for id in ids}


def spec(kind: type[Check[FactsT]], **fields: JsonValue) -> Check[FactsT]:
    """A check as the spec's loader makes it of YAML: from JSON, strictly."""
    return kind.model_validate_json(json.dumps(fields))
