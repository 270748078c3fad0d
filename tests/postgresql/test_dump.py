"""Dumps are read as psql would read them: what looks like a command but is none, and the other way round."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable

import pytest

from backupcheck.postgresql import dump
from backupcheck.postgresql.copies import rows_of
from backupcheck.postgresql.dump import Dump, read_dump

HEAD = (
    "--\n-- PostgreSQL database dump\n--\n\n"
    "-- Dumped from database version 15.18\n-- Dumped by pg_dump version 17.6\n"
)
TAIL = "--\n-- PostgreSQL database dump complete\n--\n\n"
ROWS = "COPY public.a (x) FROM stdin;\none\\ttwo\\\\!\n\\N\n\\.\n\n"


def _read(body: str, head: str = HEAD, tail: str = TAIL) -> Dump:
    with tempfile.TemporaryFile() as file:
        file.write((head + body + tail).encode())
        file.flush()
        return read_dump(file)


@pytest.mark.parametrize(
    "body",
    [
        "",
        ROWS,
        'COPY public."new\nline \\! "";" ("a;\\b") FROM stdin;\none\n\\.\n',
        "\\restrict aBc1\n" + ROWS + "\\unrestrict aBc1\n",
        "SELECT 'a \\! b', 'it''s \\o';\n",
        "SELECT E'a \\' \\! b', e'\\\\';\n",
        "SELECT \"a \\! b\"\" \\i\";\n",
        "DO $$ \\! ' $$; SELECT $_x1$ $$ \\! $_x1$;\n",
        "/* \\! /* ' */ \\! */ SELECT 1;\n",
        "-- \\! it's\n",
        "SELECT 1 AS like, value'x' FROM e'y' ;\n",
        "SET standard_conforming_strings = on;\n",
        "SELECT 'COPY a FROM stdin;\n\\.';\n",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_command_is_none(body: str) -> None:
    dump = _read(body)

    assert (dump.hostile, dump.cut, dump.whole) == ((), None, True)


@pytest.mark.parametrize(
    "body",
    [
        "\\! id\n",
        "SELECT 1 \\! id\n",
        "SELECT 1 \\g |id\n",
        "SELECT name'x' \\! id\n",
        "SELECT 'a\\' \\! id ';\n",
        "/* /* */ ' */ \\! id '\n",
        "$$ $_$ $$ \\! id $_$\n",
        "COPY public.a (x) FROM stdin;\n\\! id\n\\.\n",
        "(\nCOPY public.a (x) FROM stdin;\n\\copy x from program 'id'\n\\.\n",
        "COPY public.a (x) \\! id FROM stdin;\none\n\\.\n",
        "COPY public.a (x) FROM stdin; \\! id FROM stdin;\none\n\\.\n",
        "\\connect postgres\n",
        "\\restrict a'b\n",
        "\\i /etc/passwd\n",
        "SET standard_conforming_strings = off;\n",
        ROWS + "\\.\n",
    ],
)
def test_a_command_that_pg_dump_never_writes_is_found(body: str) -> None:
    dump = _read(body)

    assert dump.hostile
    assert not dump.whole


def test_a_command_is_told_with_its_line() -> None:
    assert _read(ROWS + "\\! id\n").hostile == ("line 12: \\! id",)


def test_a_dump_that_is_cut_anywhere_is_never_whole() -> None:
    body = ROWS + "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$;\n" + ROWS
    whole = HEAD + body + TAIL
    complete = whole.index("complete") + len("complete")

    assert [cut for cut in range(complete) if _read("", whole[:cut], "").whole] == []
    assert all(_read("", whole[:cut], "").whole for cut in range(complete, len(whole)))


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        (ROWS[:40], "it ends within the rows of public.a"),
        ("SELECT 'x", "it ends within the quotes that line 8 opens"),
        ("SELECT $a$ x $b$", "it ends within what line 8 opens"),
        ("/* /* */ x", "it ends within what line 8 opens"),
        ("SELECT 1;", "it ends without pg_dump's last line"),
    ],
)
def test_a_cut_is_told_by_its_place(whole: str, expected: str) -> None:
    assert _read("\n" + whole, tail="").cut == expected


def test_the_newest_version_of_the_header_counts() -> None:
    assert _read("").major == 17
    assert _read("", "-- PostgreSQL database dump\n").major is None


def test_names_of_roles_and_extensions_are_collected_once() -> None:
    body = (
        'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;\nCREATE EXTENSION pg_trgm;\n'
        'ALTER TABLE public.a OWNER TO Mealie;\nALTER TABLE public.b OWNER TO "odd ""one";\n'
        "ALTER TABLE public.c OWNER TO mealie;\nGRANT SELECT ON TABLE public.a TO reader WITH GRANT OPTION;\n"
        "REVOKE ALL ON TABLE public.a FROM other;\n"
        "ALTER DEFAULT PRIVILEGES FOR ROLE maker GRANT ALL ON TABLES TO x;\n"
    )
    dump = _read(body)

    assert set(dump.roles) == {"mealie", 'odd "one', "reader", "other", "maker"}
    assert dump.extensions == ("uuid-ossp", "pg_trgm")


def test_what_is_loaded_begins_behind_the_connection_to_its_own_database() -> None:
    body = "CREATE DATABASE mealie WITH TEMPLATE = template0;\n\\connect mealie\nSELECT 1;\n"
    dump = _read(body)

    assert dump.whole
    assert (HEAD + body + TAIL)[dump.body :].lstrip().startswith("SELECT 1;")


def test_a_second_trailer_ends_what_is_loaded() -> None:
    dump = _read(TAIL + "SELECT 1;\n")

    assert dump.ends_with == "SELECT 1;"
    assert dump.end == len(HEAD + TAIL.rstrip().removesuffix("--").rstrip())


def _raw(content: bytes) -> Dump:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_dump(file)


@pytest.mark.parametrize(
    "change",
    [lambda dump: dump.replace(b"\n", b"\r\n"), lambda dump: b"\xef\xbb\xbf" + dump],
)
def test_a_dump_that_went_through_windows_is_whole(change: Callable[[bytes], bytes]) -> None:
    dump = _raw(change(f"{HEAD}{ROWS}{TAIL}\\unrestrict aBc1\n\n".encode()))

    assert (dump.whole, dump.ends_with, dump.hostile) == (True, None, ())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_dump_in_utf_16_is_called_that_and_nothing_else(encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith("be") else ""
    dump = _raw(f"{mark}{HEAD}\\restrict aBc1\n{ROWS}{TAIL}".encode(encoding))

    assert (dump.whole, dump.cut, dump.nul, dump.hostile) == (False, None, None, ())
    assert dump.starts_with == "a text in UTF-16, as PowerShell's > writes it"


def test_what_pg_dump_says_of_itself_is_no_command() -> None:
    said = 'pg_dump: saving "standard_conforming_strings = on"\n'
    dump = _read(said, head=said + HEAD)

    assert (dump.hostile, dump.starts_with) == ((), said.strip())


def test_a_file_that_is_no_dump_is_told_by_its_first_line() -> None:
    assert _read("", "<html>\n", "").starts_with == "<html>"
    assert _read("", "-- another program's dump\n", "").starts_with == "-- another program's dump"


def test_a_version_of_a_thousand_digits_is_none() -> None:
    dump = _read("", head=HEAD.replace("17.6", "9" * 5000))

    assert (dump.major, dump.whole) == (15, True)


def test_a_dump_behind_nothing_but_blanks_is_not_pg_dumps() -> None:
    dump = _read(ROWS, head="\n" * 9000 + HEAD)

    assert (dump.starts_with, dump.whole) == ("(blanks)", False)


def test_a_file_of_blanks_has_no_rows() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b" \n" * 9000)
        file.flush()

        assert rows_of(file, "public", "a") == []


PARTS = ("a\n", "\\.\n", "\\.\r\n", "\\.", "\\N", "\\\\", "\\", "\\!", "\n", "\0", "xxxxxxx", "\\.x\n")


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 8])
def test_rows_are_the_same_whatever_pieces_they_are_read_in(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(piece)
    bodies = [
        "COPY public.a (x) FROM stdin;\n" + "".join(chance.choices(PARTS, k=chance.randrange(12))) + "\n\\.\n"
        for _ in range(300)
    ]
    whole = [_read(body) for body in bodies]

    monkeypatch.setattr(dump, "PIECE", piece)
    monkeypatch.setattr(dump, "MOST_HELD", piece)
    assert [_read(body) for body in bodies] == whole
