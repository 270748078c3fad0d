"""A real ssh to a real sshd: programs there, and every way not to get in by its name."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.errors import ToolFailed
from backupcheck.remote import Local, Ssh
from backupcheck.source import Source
from tests.remote.source import ALL, names, refusal
from tests.sshd import HOST, Sshd


def test_a_program_runs_there_with_every_word_as_it_is(source: Source) -> None:
    words = ("printf", "%s\n", "a b", "$HOME", "'", "*", "new\nline")

    assert source.run(words, timeout=20).text == "a b\n$HOME\n'\n*\nnew\nline\n"


def test_input_and_output_are_streamed(source: Source, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b") as file:
        source.run(("cat",), timeout=20, stdin=b"\x00\xff" * 100_000, stdout=file)

    assert (tmp_path / "out").read_bytes() == b"\x00\xff" * 100_000


def test_a_programs_own_failure_is_its_own(source: Source) -> None:
    with pytest.raises(ToolFailed) as caught:
        source.run(("sh", "-c", "echo reason >&2; exit 3"), timeout=20)

    assert (caught.value.code, caught.value.stderr.strip()) == (3, "reason")
    assert source.run(("sh", "-c", "exit 3"), timeout=20, accept=frozenset({3})).code == 3


def test_a_program_that_is_not_there_is_named(source: Source) -> None:
    errors = [
        refusal(lambda: source.run(("nosuch-program",), timeout=20)),
        refusal(lambda: source.run(("sh", "-c", "exec inner-program"), timeout=20)),
    ]

    assert [error.id for error in errors] == ["sync.program-missing"] * 2
    assert "nosuch-program" in errors[0].message
    assert "inner-program" in errors[1].message


def test_a_program_that_hangs_is_given_up(source: Source) -> None:
    began = time.monotonic()
    error = refusal(lambda: source.run(("sleep", "60"), timeout=1))

    assert error.id == "sync.timed-out"
    assert time.monotonic() - began < 10


def test_the_source_is_named_in_each_failure_of_ssh(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.authorize("nobody")
    source = sshd.source(str(root))
    errors = [
        refusal(lambda: source.pull(ALL, tmp_path / "mirror")),
        refusal(lambda: source.run(("true",), timeout=20)),
    ]

    assert [error.id for error in errors] == ["sync.auth-denied"] * 2
    assert [error.message.startswith(f"{HOST}: ") for error in errors] == [True] * 2
    assert all(error.advice for error in errors)


def test_a_changed_host_key_is_not_accepted(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.pin(sshd.site / "another.pub")
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.host-key-changed"
    assert "another machine answers" in error.message


def test_an_unknown_host_key_is_neither_accepted_nor_pinned(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    (sshd.site / "known_hosts").write_text("")
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.host-key-unknown"
    assert (sshd.site / "known_hosts").read_text() == ""


def test_a_host_that_is_down_is_named(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    errors = [
        refusal(lambda: sshd.elsewhere(9).pull(ALL, tmp_path / "mirror")),
        refusal(lambda: Ssh("nosuch.invalid", sshd.access).pull(ALL, tmp_path / "mirror")),
    ]

    assert [error.id for error in errors] == ["sync.unreachable"] * 2


def test_a_host_that_accepts_but_never_speaks_is_given_up(sshd: Sshd) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        error = refusal(lambda: sshd.elsewhere(mute.getsockname()[1]).run(("true",), timeout=20))

    assert error.id == "sync.unreachable"


def test_an_address_of_the_sixth_version_and_a_user_of_its_own_are_reached(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    access = replace(sshd.access, user="nobody-of-that-name")
    Ssh(f"{sshd.user}@::1", access, str(root)).pull(ALL, tmp_path / "mirror")

    assert len(names(tmp_path / "mirror")) == 2


def test_nothing_of_the_own_environment_reaches_the_source(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESTIC_PASSWORD", "correct horse")
    seen = sshd.source().run(("env",), timeout=20).text
    local = Local().run(("env",), timeout=20).text

    assert "correct horse" not in seen + local
