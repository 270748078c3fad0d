"""A machine that a service is restored to: a person's key, words that no shell reads, what differs there."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.errors import PushError
from backupcheck.remote import Host, SshAccess, ssh_to
from backupcheck.remote.failures import FAILURES
from backupcheck.remote.host import NOT_HERE, OTHER_WORDS, PUSH_FAILURES
from tests.sshd import HOST, Sshd

WORDS = ("-rf", "two\nlines", " ", "$HOME `id` * 'quoted'", os.fsdecode(b"\xff"), "")


def access(sshd: Sshd, identity: str = "user_key") -> SshAccess:
    own = sshd.access
    return ssh_to(sshd.user, own.known_hosts, own.config, sshd.site / identity if identity else None)


def differences(host: Host, here: Path, there: Path) -> dict[bytes, str]:
    return dict(host.differences([f"{here}/./data"], f"{there}/", ("--delete", "--checksum")))


def test_a_script_gets_its_words_whatever_is_in_them(sshd: Sshd) -> None:
    host = Host(f"{sshd.user}@{HOST}", access(sshd))
    said = host.run("""printf '%s\\0' "$@" """, *WORDS)

    assert said.split(b"\0")[:-1] == [os.fsencode(word) for word in WORDS]


@pytest.mark.parametrize("named", [False, True], ids=["no identity", "identity"])
def test_a_key_of_the_agents_is_taken(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    socket = tmp_path / "agent"
    subprocess.run(["ssh-agent", "-a", str(socket)], check=True, capture_output=True, text=True)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    monkeypatch.setenv("HOME", str(tmp_path))
    pids = [
        int(pid.name)
        for pid in Path("/proc").iterdir()
        if pid.name.isdigit() and str(socket).encode() in _words(pid)
    ]
    try:
        subprocess.run(["ssh-add", "-q", str(sshd.site / "user_key")], check=True, capture_output=True)
        public = tmp_path / "named"
        public.with_suffix(".pub").write_bytes((sshd.site / "user_key.pub").read_bytes())
        own = replace(access(sshd, ""), identity=public.with_suffix(".pub") if named else None)
        said = Host(HOST, own).run("echo hello")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGTERM)

    assert said == b"hello\n"


def _words(process: Path) -> list[bytes]:
    try:
        return (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_what_differs_is_named_and_how(sshd: Sshd, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "data").mkdir(parents=True)
    there.mkdir()
    for name in ("same", "content", "size", "mode", "missing", "time", "first"):
        (here / "data" / name).write_text(f"content of {name}")
    (here / "data/second").hardlink_to(here / "data/first")
    (here / "data/link").symlink_to("same")
    host = Host(HOST, access(sshd))
    host.push([f"{here}/./data"], f"{there}/")
    same = differences(host, here, there)
    data = there / "data"
    for name in ("content", "size"):
        before = (data / name).stat()
        (data / name).write_text("x" * (before.st_size + (name == "size")))
        os.utime(data / name, ns=(0, before.st_mtime_ns))
    (data / "mode").chmod(0o777)
    (data / "missing").unlink()
    os.utime(data / "time", (1, 1))
    (data / "extra\nname").touch()
    (data / "second").unlink()
    (data / "second").write_text("content of first")
    os.utime(data / "second", ns=(0, (data / "first").stat().st_mtime_ns))
    (data / "link").unlink()
    (data / "link").symlink_to("time")
    found = differences(host, here, there)

    assert same == {}
    assert found == {
        b"/data/content": "its content differs",
        b"/data/size": "its content and its size differ",
        b"/data/mode": "its permissions differ",
        b"/data/missing": "it is missing",
        b"/data/extra\nname": "it does not belong there",
        b"/data/second": "it is not linked as it was",
        b"/data/link": "its target differs",
    }
    assert not (data / "missing").exists()


def test_what_the_shell_there_says_of_a_disk_is_named(sshd: Sshd) -> None:
    host = Host(HOST, access(sshd))
    named = {
        "mkdir: cannot create directory '/x': Permission denied": "restore.target-denied",
        "mv: cannot move 'a' to 'b': Read-only file system": "restore.target-read-only",
        "sh: 1: cannot create /x: No space left on device": "restore.target-full",
        "what nobody has ever said": "restore.unknown",
    }
    found = {}
    for said in named:
        with pytest.raises(PushError) as caught:
            host.run('echo "$1" >&2; exit 1', said)
        found[said] = caught.value.id
        assert said in caught.value.message

    assert found == named


def test_every_failure_of_a_pull_has_its_words_for_a_push() -> None:
    names = {failure.id.partition(".")[2] for failure in FAILURES}

    assert set(OTHER_WORDS) <= names
    assert {f"sync.{failure.id.partition('.')[2]}" for failure in PUSH_FAILURES} == {
        failure.id for failure in FAILURES
    } - NOT_HERE
    assert not [failure for failure in PUSH_FAILURES if "mirror" in failure.meaning + failure.advice]
    assert not [failure for failure in PUSH_FAILURES if "pull" in failure.meaning + failure.advice]
