"""One connection for all that a run asks of a machine, and none left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.errors import Interrupted, PullError
from backupcheck.remote import Connections, Ssh
from backupcheck.source import Pull
from tests.names import names_in
from tests.sshd import HOST, Sshd

WHO = ("sh", "-c", 'echo "$SSH_CLIENT"')


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the sockets' folder is made; it is empty at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bc-"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    left = [name for name in names_in(folder) if name.startswith("backupcheck-ssh-")]
    subprocess.run(["rm", "-r", str(folder)], check=True)
    assert left == []


def asked(connections: Connections, sshd: Sshd, **access: object) -> str:
    """The port here from which the machine was asked, which is that of the connection."""
    source = Ssh(HOST, replace(sshd.access, **access), connections=connections)  # type: ignore[arg-type]
    return source.run(WHO, timeout=60).text


def sockets(place: Path) -> list[str]:
    return [name for folder in place.glob("backupcheck-ssh-*") for name in names_in(folder)]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def test_all_goes_over_one_connection_also_a_pull(sshd: Sshd, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "root/data").mkdir(parents=True)
    (tmp_path / "root/data/file").write_text("content")
    sshd.through(f'echo "$SSH_CLIENT" >> "{log}"')
    with Connections() as connections, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: asked(connections, sshd), range(4)))
        Ssh(HOST, sshd.access, str(tmp_path / "root"), connections=connections).pull(
            Pull(("/data/",)), tmp_path / "mirror"
        )

    assert (tmp_path / "mirror/data/file").read_text() == "content"
    assert len(log.read_text().splitlines()) == 5
    assert len(set(log.read_text().splitlines())) == 1


def test_each_key_has_a_connection_of_its_own(sshd: Sshd) -> None:
    sshd.authorize("user_key", "another")
    with Connections() as connections:
        ports = {asked(connections, sshd, identity=sshd.site / name) for name in ("user_key", "another")}

    assert len(ports) == 2


def test_only_its_owner_enters_the_folder_of_the_sockets(sshd: Sshd, place: Path) -> None:
    with Connections() as connections:
        asked(connections, sshd)
        (folder,) = place.glob("backupcheck-ssh-*")

        assert folder.stat().st_mode & 0o777 == 0o700
        assert names_in(folder) == ["1"]


def test_a_key_that_is_refused_is_named_and_asked_for_again_the_next_time(sshd: Sshd) -> None:
    sshd.authorize("none")
    with Connections() as connections:
        with pytest.raises(PullError) as caught:
            asked(connections, sshd)
        sshd.authorize()

        assert caught.value.id == "sync.auth-denied"
        assert asked(connections, sshd)


def test_who_waited_for_a_connection_that_could_not_be_had_does_not_wait_again(sshd: Sshd, tmp_path: Path) -> None:
    asking = threading.Barrier(4)
    attempts = tmp_path / "attempts"
    config = sshd.site / "counting"
    counting = f'ProxyCommand sh -c "echo x >> {attempts}; sleep 1; echo Connection refused >&2; exit 1"'
    config.write_text(f"Host *\n  {counting}\n")

    def ask(_: int) -> str:
        asking.wait()
        with pytest.raises(PullError) as caught:
            asked(connections, sshd, config=config)
        return caught.value.id

    with Connections() as connections, ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(ask, range(4)))

    assert ids == ["sync.unreachable"] * 4
    assert len(attempts.read_text().splitlines()) == 1


def test_where_no_socket_can_be_made_each_command_makes_its_own_connection(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setattr("backupcheck.remote.connections.SHORT", long)
    with Connections() as connections:
        ports = {asked(connections, sshd) for _ in range(2)}

    assert len(ports) == 2
    assert names_in(long) == []


def test_where_the_usual_place_has_too_long_a_path_there_is_a_shorter(
    sshd: Sshd, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setattr("backupcheck.remote.connections.SHORT", place)
    with Connections() as connections:
        ports = {asked(connections, sshd) for _ in range(2)}

        assert sockets(place) == ["1"]
    assert len(ports) == 1


def test_an_ssh_that_cannot_share_is_used_as_it_is(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    ssh = tmp_path / "bin/ssh"
    ssh.write_text('#!/bin/sh\ncase "$*" in *ControlMaster=yes*) exit 255;; esac\nexec /usr/bin/ssh "$@"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with Connections() as connections:
        assert len({asked(connections, sshd) for _ in range(2)}) == 2


def test_a_host_that_allows_but_one_session_is_asked_by_others(tmp_path: Path) -> None:
    with Sshd.running(tmp_path / "sshd", "MaxSessions 1\n") as sshd, Connections() as connections:
        asked(connections, sshd)
        sshd.through("sleep 0.5")
        with ThreadPoolExecutor(3) as pool:
            ports = set(pool.map(lambda _: asked(connections, sshd), range(3)))

    assert len(ports) == 3


def masters(place: Path) -> list[int]:
    """The processes that have a socket of ours on their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (folder / "cmdline").read_bytes()
            if b"ControlMaster=yes" in words and os.fsencode(place) in words:
                found.append(int(folder.name))
    return found


def break_all(place: Path) -> None:
    for pid in masters(place):
        os.kill(pid, signal.SIGKILL)


def test_a_connection_that_breaks_is_named_and_made_anew(sshd: Sshd, place: Path) -> None:
    with Connections() as connections:
        first = asked(connections, sshd)
        sshd.through("sleep 30")
        threading.Timer(1, lambda: break_all(place)).start()
        with pytest.raises(PullError) as caught:
            asked(connections, sshd)
        sshd.through("")

        assert caught.value.id == "sync.connection-lost"
        assert asked(connections, sshd) != first
    assert masters(place) == []


def test_an_interruption_ends_it_and_what_must_run_at_the_end_still_does(sshd: Sshd, place: Path) -> None:
    try:
        with Connections() as connections:
            source = Ssh(HOST, sshd.access, connections=connections)
            source.run(("true",), timeout=60)
            proc.interrupt()
            with pytest.raises(Interrupted):
                source.run(("true",), timeout=60)

            assert source.clean_up(("echo", "after"), timeout=60).text == "after\n"
    finally:
        proc.resume()
    assert masters(place) == []


PROGRAM = """
import sys, time
from pathlib import Path
from backupcheck.remote import Connections, Ssh, SshAccess
user, site, config = sys.argv[1:]
access = SshAccess(user, Path(site) / "user_key", Path(site) / "known_hosts", Path(config))
with Connections() as connections:
    Ssh("source", access, connections=connections).run(("true",), timeout=60)
    print("open", flush=True)
    time.sleep(600)
"""


def test_a_program_that_is_killed_leaves_none_open(sshd: Sshd, place: Path) -> None:
    words = (sys.executable, "-c", PROGRAM, sshd.access.user, str(sshd.site), str(sshd.access.config))
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(place)}) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"open\n"
        assert masters(place) != []
        program.kill()
    until(lambda: not masters(place))
    until(lambda: not list(place.glob("backupcheck-ssh-*")))
