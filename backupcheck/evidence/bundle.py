"""The auditor's bundle: the runs of a period to read, and what is needed to verify them without backupcheck."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, date
from pathlib import Path

from pydantic import ValidationError

from backupcheck.errors import BackupcheckError, UsageError
from backupcheck.evidence.canonical import Damaged, Line, canonical, opened, storable
from backupcheck.evidence.controls import DISCLAIMER, matrix
from backupcheck.evidence.entries import Entry
from backupcheck.evidence.lock import reading
from backupcheck.evidence.pages import index, page, readme
from backupcheck.evidence.signing import HEAD, LOG, PUBLIC, read_public
from backupcheck.evidence.verifying import Verified, lines, verify

FORMS = (".zip", ".tar.gz", ".tgz")


def export(folder: Path, since: date | None, until: date | None, target: Path) -> Verified:
    """Make the bundle of the runs that were recorded from `since` to `until` (days in UTC, both included).

    `target` is a folder, or a file that ends in .zip, .tar.gz or .tgz; it must not be there. What came of
    verifying the log comes back: a broken log is exported too, and the bundle says so.

    Raises `UsageError` for a target that is there or a period without a run, and `BackupcheckError` where the log
    cannot be read or the target not written.
    """
    if os.path.lexists(target):
        raise UsageError(f"{target} is there already, and nothing is overwritten", advice="name another target")
    if since and until and until < since:
        raise UsageError(f"the period ends ({until}) before it begins ({since})", advice="exchange the two days")
    try:
        with tempfile.TemporaryDirectory(prefix=".evidence-", dir=target.absolute().parent) as scratch:
            bundle = Path(scratch) / _stem(target)
            bundle.mkdir(mode=0o700)
            verified = _copied(folder, bundle)
            _fill(bundle, verified, since, until)
            _publish(bundle, Path(scratch), target)
    except OSError as error:
        raise BackupcheckError(
            f"the bundle {target} cannot be written: {error.strerror}",
            id="evidence.unwritable",
            advice="name a target in a folder that is there and can be written",
        ) from error
    return verified


def _stem(target: Path) -> str:
    for form in FORMS:
        if target.name.endswith(form) and target.name != form:
            return target.name.removesuffix(form)
    return target.name


def _copied(folder: Path, bundle: Path) -> Verified:
    """Copy the log and what belongs to it; what is in the bundle is what is verified."""
    with reading(folder):
        for name in (LOG, HEAD, PUBLIC):
            if (folder / name).exists():
                shutil.copyfile(folder / name, bundle / name)
    verified = verify(bundle)
    if verified.why_not:
        why_not = verified.why_not.replace(str(bundle), str(folder))
        raise BackupcheckError(why_not, id="evidence.unreadable", advice="see where the site's state is")
    return verified


def _fill(bundle: Path, verified: Verified, since: date | None, until: date | None) -> None:
    entries = []
    (bundle / "records").mkdir(mode=0o700)
    (bundle / "runs").mkdir(mode=0o700)
    for line, entry in _entries(bundle):
        day = entry.at.astimezone(UTC).date()
        if (since and day < since) or (until and day > until):
            continue
        entries.append(entry)
        (bundle / "records" / f"{entry.sequence:06}.json").write_bytes(line.record)
        (bundle / "records" / f"{entry.sequence:06}.sig").write_bytes(line.signature)
        _write(bundle / "runs" / f"{entry.sequence:06}.html", page(entry))
    if not entries:
        raise UsageError(
            f"the log has no run {f'from {since} ' if since else ''}{f'to {until}' if until else ''}".rstrip(),
            advice="name another period; `backupcheck evidence verify` tells from when to when the log goes",
        )
    days = [entry.at.astimezone(UTC).date() for entry in entries]
    _write(bundle / "index.html", index(entries, verified, since or min(days), until or max(days)))
    _write(bundle / "README.md", readme())
    (bundle / "controls.json").write_bytes(_controls(entries))
    (bundle / "verification.json").write_bytes(_verification(verified))


def _entries(bundle: Path) -> Iterator[tuple[Line, Entry]]:
    """Every record whose signature is good, once; of the others `verified` tells."""
    public = read_public(bundle / PUBLIC)
    there: set[int] = set()
    for raw in lines(bundle / LOG) if (bundle / LOG).exists() else ():
        try:
            line = opened(raw.removesuffix(b"\n"), public)
            entry = Entry.model_validate_json(line.record)
        except (Damaged, ValidationError):
            continue
        if entry.sequence not in there:
            there.add(entry.sequence)
            yield line, entry


def _controls(entries: list[Entry]) -> bytes:
    rows = [
        {
            "record": entry.sequence,
            "run_id": entry.run.run_id,
            "controls": [
                {
                    "framework": row.control.framework,
                    "control": row.control.number,
                    "state": row.state.value,
                    "evidence": list(row.evidence),
                    "not_shown": row.control.beyond,
                }
                for row in matrix(entry.run)
            ],
        }
        for entry in entries
    ]
    return canonical(storable({"note": DISCLAIMER, "runs": rows})) + b"\n"


def _verification(verified: Verified) -> bytes:
    told = asdict(verified) | {"whole": verified.whole, "notes": list(verified.notes)}
    told["problems"] = [str(problem) for problem in verified.problems]
    told |= {name: moment.isoformat() if (moment := told[name]) else None for name in ("first", "last")}
    return canonical(storable(told)) + b"\n"


def _write(place: Path, text: str) -> None:
    place.write_text(text, encoding="utf-8", errors="backslashreplace")


def _publish(bundle: Path, scratch: Path, target: Path) -> None:
    """Put the bundle at its place; an archive is packed first. Nothing that is there is replaced."""
    for place in bundle.rglob("*"):
        place.chmod(0o700 if place.is_dir() else 0o600)
    if not target.name.endswith(FORMS):
        bundle.rename(target)
        return
    packed = scratch / "packed"
    descriptor = os.open(packed, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        if target.name.endswith(".zip"):
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for place in sorted(bundle.rglob("*")):
                    archive.write(place, Path(bundle.name) / place.relative_to(bundle))
        else:
            with tarfile.open(fileobj=file, mode="w:gz") as tar:
                tar.add(bundle, bundle.name)
    target.hardlink_to(packed)
