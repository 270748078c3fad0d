"""An index tells how far its shard had come; whatever is wrong with one is minor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backupcheck.couchfile import Code, Limits, Severity
from backupcheck.couchfile.report import Problem, Problems
from backupcheck.couchfile.terms import Atom, Term
from backupcheck.couchfile.views import read_view, shard_of

from .writer import NIL, CouchWriter, encode

SIGNATURE = bytes(range(16))
FOLDER = ".shards/00000000-7fffffff/a.1795387304_design/mrview"
NAME = f"{FOLDER}/{SIGNATURE.hex()}.view"
BAD: Term = (1, [], 9)


def index(
    tmp_path: Path, *trees: Term, header: Term | None = None, name: str = NAME
) -> tuple[int | None, list[Problem]]:
    """What is read of an index whose first tree is that by id, the others those of its views."""
    writer = CouchWriter()
    node = writer.record(b"\x83" + encode((Atom("kv_node"), [(b"key", 1)])))
    states: list[Term] = [(node, [], 0) if tree == "good" else tree for tree in trees]
    if header is None:
        by_id, *views = states
        listed: Term = [(state, NIL, NIL, 3, 0) for state in views]
        header = (SIGNATURE, (Atom("mrheader"), 7, 0, by_id, NIL, listed))
    writer.header(header)
    path = tmp_path / "a.view"
    path.write_bytes(writer.data)
    problems = Problems("where", 100)
    seq = read_view(path, name, problems)
    assert problems.errors == 0
    assert {(one.code, one.subject, one.severity) for one in problems.listed} <= {
        (Code.VIEW_UNREADABLE, name, Severity.MINOR)
    }
    return seq, problems.listed


def test_an_index_has_come_to_its_sequence(tmp_path: Path) -> None:
    seq, problems = index(tmp_path, NIL, NIL, NIL)

    assert (seq, problems) == (7, [])


@pytest.mark.parametrize("inner", [NIL, (Atom("other"), 7, 0, NIL, NIL, []), (Atom("mrheader"), b"7")])
def test_an_index_that_was_never_committed_is_at_0(tmp_path: Path, inner: Term) -> None:
    assert index(tmp_path, header=(SIGNATURE, inner)) == (0, [])


def test_of_another_shape_only_the_sequence_is_read(tmp_path: Path) -> None:
    assert index(tmp_path, header=(SIGNATURE, (Atom("mrheader"), 9, 0, BAD))) == (9, [])


@pytest.mark.parametrize("trees", [(BAD, NIL), (NIL, BAD), (NIL, NIL, BAD)])
def test_every_tree_of_an_index_is_walked(tmp_path: Path, trees: tuple[Term, ...]) -> None:
    seq, (problem,) = index(tmp_path, *trees)

    assert (seq, problem.offset) == (7, 1)


def test_what_is_wrong_with_an_index_is_said_once(tmp_path: Path) -> None:
    assert len(index(tmp_path, BAD, BAD, BAD)[1]) == 1


def test_a_state_that_is_none_is_passed_over(tmp_path: Path) -> None:
    header: Term = (SIGNATURE, (Atom("mrheader"), 7, 0, NIL, NIL, [7, (), (NIL,)]))

    assert index(tmp_path, header=header) == (7, [])


def test_an_index_keeps_to_the_limits(tmp_path: Path) -> None:
    index(tmp_path, NIL)
    problems = Problems("where", 100)

    assert read_view(tmp_path / "a.view", NAME, problems, Limits(header_bytes=20)) is None
    assert problems.minors == 1


@pytest.mark.parametrize(
    ("error", "message", "offset"),
    [(OSError(5, "I/O error"), "I/O error", 0), (MemoryError(), "MemoryError", None)],
)
def test_an_index_that_cannot_be_read_is_minor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, message: str, offset: int | None
) -> None:
    def refuse(descriptor: int, length: int, start: int) -> bytes:
        raise error

    monkeypatch.setattr(os, "pread", refuse)
    seq, (problem,) = index(tmp_path, NIL)

    assert (seq, problem.message, problem.offset) == (None, message, offset)


def test_a_size_that_is_another_is_seen(tmp_path: Path) -> None:
    seq, (problem,) = index(tmp_path, Atom("good"))

    assert (seq, "0 bytes are stated" in problem.message, problem.offset) == (7, True, 0)


def test_a_tree_that_is_none_is_seen(tmp_path: Path) -> None:
    seq, problems = index(tmp_path, NIL, b"tree")

    assert (seq, len(problems)) == (7, 1)


def test_an_index_under_anothers_name_is_not_read(tmp_path: Path) -> None:
    other = f"{FOLDER}/{'0' * 32}.view"
    seq, (problem,) = index(tmp_path, NIL, name=other)

    assert (seq, problem.message) == (None, f"the index is of {SIGNATURE.hex()}")
    assert index(tmp_path, NIL, name="elsewhere.view") == (7, [])


@pytest.mark.parametrize("header", [(SIGNATURE[:15], NIL), (SIGNATURE, NIL, NIL), (Atom("x" * 16), NIL)])
def test_a_header_that_is_no_indexs_is_passed_over(tmp_path: Path, header: Term) -> None:
    seq, (problem,) = index(tmp_path, header=header)

    assert (seq, problem.message) == (None, "no valid header")


def test_an_index_that_is_not_there_is_minor(tmp_path: Path) -> None:
    problems = Problems("where", 100)

    assert read_view(tmp_path / "nowhere", NAME, problems) is None
    assert (problems.errors, [one.code for one in problems.listed]) == (0, [Code.VIEW_UNREADABLE])


@pytest.mark.parametrize(
    ("view", "shard"),
    [
        (NAME, "shards/00000000-7fffffff/a.1795387304.couch"),
        (NAME.replace("/a.", "/b/a."), "shards/00000000-7fffffff/b/a.1795387304.couch"),
        (NAME.removeprefix("."), None),
        (NAME + "s", None),
    ],
)
def test_an_index_is_of_the_shard_in_its_path(view: str, shard: str | None) -> None:
    assert shard_of(view) == shard
