"""Logs of evidence to put to the test, and what is done to them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from backupcheck import evidence
from backupcheck.result import Run
from tests.reporters.runs import SAMPLES

INVENTORY = (*(proof.service for proof in SAMPLES["healthy"].services), "paperless")


def small(number: int) -> Run:
    """A run without services: the shortest record."""
    return SAMPLES["empty"].model_copy(update={"run_id": f"run-{number}"})


def log_of(folder: Path, runs: Iterable[Run]) -> list[evidence.Receipt]:
    """A log with these runs; the receipts."""
    return [evidence.append(folder, run, INVENTORY) for run in runs]


def five(folder: Path) -> list[evidence.Receipt]:
    """A log of five short records."""
    return log_of(folder, [small(number) for number in range(1, 6)])


def lines(folder: Path) -> list[bytes]:
    """The log's lines, each with its newline."""
    return (folder / "log.jsonl").read_bytes().splitlines(keepends=True)


def write(folder: Path, content: Iterable[bytes]) -> None:
    """Put these lines in the log's place."""
    (folder / "log.jsonl").write_bytes(b"".join(content))


def key(folder: Path) -> Ed25519PrivateKey:
    """The site's key."""
    found = load_pem_private_key((folder / "key").read_bytes(), None)
    assert isinstance(found, Ed25519PrivateKey)
    return found


def ids(folder: Path, **rest: object) -> list[str]:
    """The problems' ids, without repeats, in their order."""
    verified = evidence.verify(folder, **rest)  # type: ignore[arg-type]
    assert not verified.why_not
    return list(dict.fromkeys(problem.id for problem in verified.problems))
