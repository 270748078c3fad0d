"""Damage to a data directory is named; what only looks odd is not. A control passes just before each fault."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupcheck.couchfile import Code, verify_directory

from .samples import codes

LOW, HIGH = "shards/00000000-7fffffff", "shards/80000000-ffffffff"
WHOLE = "shards/00000000-ffffffff"
VAULT = f"{LOW}/vault.1795387304.couch"
OTHER = f"{HIGH}/vault.1795387304.couch"
NOTES = f"{WHOLE}/family/notes.1795387309.couch"
EMPTY = f"{LOW}/empty.1795387309.couch"


def cut(file: Path, size: int) -> None:
    os.truncate(file, size)


def overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(data)


def zero_tail(file: Path, length: int) -> None:
    overwrite(file, file.stat().st_size - length, bytes(length))


def remove(file: Path) -> None:
    file.unlink()


def link(file: Path) -> None:
    file.rename(file.with_suffix(".moved"))
    file.symlink_to(file.with_suffix(".moved"))


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def swap_shards(file: Path) -> None:
    other = file.parent.parent / HIGH.split("/")[1] / file.name
    spare = file.with_suffix(".spare")
    file.rename(spare)
    other.rename(file)
    spare.rename(other)


@dataclass(frozen=True)
class Fault:
    """What is done to which file, and the codes that must be reported, no fewer and no more."""

    name: str
    file: str
    damage: Callable[[Path], object]
    codes: frozenset[Code]


def fault(name: str, file: str, damage: Callable[[Path], object], *codes: Code) -> Fault:
    return Fault(name, file, damage, frozenset(codes))


FAULTS = [
    fault("a shard is missing", VAULT, remove, Code.SHARD_MISSING, Code.VIEW_ORPHANED),
    fault("a shard has 0 bytes", VAULT, lambda f: cut(f, 0), Code.NO_VALID_HEADER),
    fault("a shard is all zero", VAULT, lambda f: zero_tail(f, f.stat().st_size), Code.NO_VALID_HEADER),
    fault(
        "a shard is cut in half",
        VAULT,
        lambda f: cut(f, f.stat().st_size // 2),
        Code.TAIL_AFTER_HEADER,
        Code.VIEW_AHEAD_OF_SHARD,
    ),
    fault(
        "the last 200 kB of a shard are zero",
        VAULT,
        lambda f: zero_tail(f, 200_000),
        Code.TAIL_AFTER_HEADER,
        Code.VIEW_AHEAD_OF_SHARD,
    ),
    fault(
        "100 bytes are cut off a shard", VAULT, lambda f: cut(f, f.stat().st_size - 100), Code.TAIL_AFTER_HEADER
    ),
    fault(
        "a shard is cut exactly at the end of an earlier header",
        VAULT,
        lambda f: cut_at_header(f),
        Code.VIEW_AHEAD_OF_SHARD,
    ),
    fault("a shard ends in zeros", VAULT, lambda f: cut(f, f.stat().st_size + 512), Code.TAIL_AFTER_HEADER),
    fault("a shard is a link", VAULT, link, Code.NOT_A_REGULAR_FILE, Code.VIEW_ORPHANED),
    fault("a shard is a fifo", NOTES, fifo, Code.NOT_A_REGULAR_FILE),
    fault(
        "two shards have changed places",
        VAULT,
        swap_shards,
        Code.DOCUMENT_IN_WRONG_SHARD,
        Code.VIEW_AHEAD_OF_SHARD,
    ),
    fault(
        "a shard is in the folder twice",
        NOTES,
        lambda f: shutil.copy(f, f.with_name("strange.1795387309.couch")),
        Code.SHARD_UNLISTED,
    ),
    fault(
        "a shard has another suffix than the map",
        NOTES,
        lambda f: f.rename(f.with_name("notes.1795387310.couch")),
        Code.SHARD_MISSING,
        Code.SHARD_UNLISTED,
    ),
    fault("the shard map is missing", "_dbs.couch", remove, Code.DBS_MISSING),
    fault("the shard map has 0 bytes", "_dbs.couch", lambda f: cut(f, 0), Code.NO_VALID_HEADER),
    fault("the list of nodes is missing", "_nodes.couch", remove, Code.NODES_MISSING),
    fault(
        "an index has no header",
        f".{LOW}/vault.1795387304_design/mrview/4c215684ddf1020196ebebeafce87d30.view",
        lambda f: cut(f, 0),
        Code.VIEW_UNREADABLE,
    ),
]


def cut_at_header(file: Path) -> None:
    """Cut a file at the end of a header in its middle, as if it were an older copy."""
    data = file.read_bytes()
    for block in range(len(data) // 4096 // 2, 0, -1):
        offset = block * 4096
        if data[offset] == 1:
            return cut(file, offset + 5 + int.from_bytes(data[offset + 1 : offset + 5], "big"))
    raise AssertionError("no header in the lower half")


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
def test_damage_is_named(copy: Path, case: Fault) -> None:
    assert verify_directory(copy).problems == ()

    case.damage(copy / case.file)
    report = verify_directory(copy)
    found = codes(report)
    if Code.NO_VALID_HEADER in found and case.file == "_dbs.couch":
        found -= {Code.SHARD_UNLISTED, Code.SHARD_MAP_MALFORMED}

    assert found == set(case.codes)


def test_a_shard_map_that_was_cut_is_named(copy: Path) -> None:
    assert verify_directory(copy).ok

    cut(copy / "_dbs.couch", 40_000)
    found = codes(verify_directory(copy))

    assert found >= {Code.TAIL_AFTER_HEADER, Code.SHARD_UNLISTED}


def test_the_tail_is_measured(copy: Path) -> None:
    size = (copy / VAULT).stat().st_size
    zero_tail(copy / VAULT, 200_000)
    report = next(one for one in verify_directory(copy).files if one.file == VAULT)

    assert (report.tail_bytes > 200_000, report.tail_is_zero, report.size) == (True, False, size)


def test_a_missing_shard_is_missed_in_its_database(copy: Path) -> None:
    (copy / VAULT).unlink()
    vault = next(one for one in verify_directory(copy).databases if one.name == "vault")

    assert (vault.missing, vault.counts.doc_count, vault.ok) == (("00000000-7fffffff",), 2087, False)


def test_without_a_shard_map_the_files_are_still_counted(copy: Path) -> None:
    (copy / "_dbs.couch").unlink()
    report = verify_directory(copy)
    vault = next(one for one in report.databases if one.name == "vault")

    assert (vault.listed, vault.counts.doc_count, report.ok) == (False, 4131, False)


def test_only_the_named_databases_are_read(copy: Path) -> None:
    (copy / VAULT).unlink()
    report = verify_directory(copy, ["edge", "family/notes"])

    assert (report.ok, [one.name for one in report.databases]) == (True, ["edge", "family/notes"])


def test_a_named_database_that_is_not_there_is_missing(real: Path) -> None:
    assert codes(verify_directory(real, ["edge", "nowhere"])) == {Code.DATABASE_MISSING}


def test_an_empty_directory_is_not_healthy(tmp_path: Path) -> None:
    assert codes(verify_directory(tmp_path)) == {Code.DBS_MISSING, Code.NODES_MISSING}


def test_leftovers_of_a_compaction_are_ignored(copy: Path) -> None:
    for suffix in (".compact.data", ".compact.meta"):
        (copy / f"{VAULT}{suffix}").write_bytes(b"\x00half done")
    report = verify_directory(copy)

    assert (report.problems, report.ignored) == (
        (),
        (f"{VAULT}.compact.data", f"{VAULT}.compact.meta"),
    )


def test_a_finished_compaction_takes_the_place_of_its_file(copy: Path) -> None:
    (copy / NOTES).rename(copy / f"{NOTES}.compact")
    report = verify_directory(copy)
    notes = next(one for one in report.databases if one.name == "family/notes")

    assert (report.problems, notes.counts.doc_count, notes.files) == ((), 50, (f"{NOTES}.compact",))


def test_an_unfinished_compaction_does_not_take_the_place_of_its_file(copy: Path) -> None:
    (copy / NOTES).rename(copy / f"{NOTES}.compact.data")

    assert codes(verify_directory(copy)) == {Code.SHARD_MISSING}


def test_what_waits_to_be_deleted_is_ignored(copy: Path) -> None:
    (copy / ".delete" / "0123456789abcdef").write_bytes(b"anything")
    (copy / f"{WHOLE}/gone.1795387309.20261122.224100.deleted.couch").write_bytes(b"anything")

    assert verify_directory(copy).problems == ()


def test_an_empty_database_is_healthy(real: Path) -> None:
    report = verify_directory(real, ["empty"])

    assert (report.ok, report.databases[0].counts.doc_count) == (True, 0)


def test_a_database_with_md5_checksums_is_healthy(real: Path) -> None:
    report = verify_directory(real, ["md5sum"])
    (name,) = report.databases[0].files
    file = next(one for one in report.files if one.file == name)

    assert (report.ok, file.checksum) == (True, "md5")


def test_a_shard_that_cannot_be_opened_is_reported_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_open = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith(NOTES):
            raise PermissionError(13, "Permission denied")
        return real_open(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    report = verify_directory(copy, ["family/notes"])

    assert [(one.code, one.file) for one in report.problems] == [(Code.FILE_UNREADABLE, NOTES)]
