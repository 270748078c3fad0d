"""The stream of a capture is taken apart at its marks, and one that was cut is never whole."""

from __future__ import annotations

import tempfile

import pytest

from backupcheck.postgresql.refusals import REFUSALS, refusal
from backupcheck.postgresql.streamed import Parts, content, take_apart

MARK = "0123456789abcdef" * 2
DUMP = b"--\n-- PostgreSQL database dump\n--\n\x00\n"
STATE = b'["server", {}]\n'
ROLES = b"CREATE ROLE a;\n"


def _stream(*parts: tuple[str, bytes]) -> bytes:
    return DUMP + b"".join(f"\n{MARK} {name}\n".encode() + text for name, text in parts)


WHOLE = _stream(("state", STATE), ("globals", ROLES), ("ended 0", b""), ("end", b""))


def _apart(data: bytes) -> tuple[Parts, list[bytes]]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        parts = take_apart(file, MARK)
        some = [*([parts.state] if parts.state else []), *parts.globals]
        return parts, [content(file, part) for part in some]


def test_a_whole_stream_has_its_parts() -> None:
    parts, texts = _apart(WHOLE)

    assert (parts.dump, parts.whole, parts.trailing) == (len(DUMP), True, False)
    assert texts == [STATE, ROLES]
    assert [(part.name, part.status) for part in parts.globals] == [("globals", 0)]


def test_a_second_try_for_the_globals_is_a_part_of_its_own() -> None:
    tries = (("globals", b"--\n"), ("ended 1", b""), ("passwordless", ROLES), ("ended 0", b""))
    parts, _ = _apart(_stream(("state", STATE), *tries, ("end", b"")))

    assert [(part.name, part.status) for part in parts.globals] == [("globals", 1), ("passwordless", 0)]
    assert parts.whole


def test_a_stream_that_is_cut_anywhere_is_never_whole() -> None:
    assert [length for length in range(len(WHOLE)) if _apart(WHOLE[:length])[0].whole] == []


def test_what_follows_the_end_is_found() -> None:
    assert _apart(WHOLE + b"logged out\n")[0].trailing


@pytest.mark.parametrize("row", [f"{MARK[:-1]} end\n", f"x{MARK} end\n", "\n0 state\n"])
def test_what_only_looks_like_a_mark_is_none(row: str) -> None:
    parts, _ = _apart(row.encode() + WHOLE)

    assert (parts.dump, parts.whole) == (len(row) + len(DUMP), True)


@pytest.mark.parametrize(
    ("line", "id"),
    [
        ('psql: error: connection failed: FATAL:  database "a "b"" does not exist', "capture.no-database"),
        ("psql: error: connection to server on socket failed: FATAL:  sorry, too many clients", "capture.busy"),
        ("ERROR:  missing chunk number 0 for toast value 16391 in pg_toast_16386", "capture.source-damaged"),
        (
            'ERROR:  could not read blocks 3..3 in file "base/5/16384": Input/output error',
            "capture.source-damaged",
        ),
        ("ERROR:  canceling statement due to conflict with recovery", "capture.cancelled"),
        ("ERROR:  could not resize shared memory segment: No space left on device", "capture.source-full"),
        ("sh: 1: pg_dump: not found", "capture.program-missing"),
        ("FATAL:  no pg_hba.conf entry for host", "capture.no-role"),
    ],
)
def test_what_postgres_says_has_its_name(line: str, id: str) -> None:
    known = refusal(f"some warning\n{line}\n")

    assert known is not None
    assert (known[0].id, known[1]) == (id, line)


def test_every_refusal_says_what_to_do() -> None:
    assert [one.id for one in REFUSALS if not (one.advice and one.meaning)] == []
    assert len({one.id for one in REFUSALS}) == len(REFUSALS)
