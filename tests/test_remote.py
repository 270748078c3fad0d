"""Real ssh and rsync against a real sshd: what a pull keeps, and every way to fail by its name."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.errors import PullError, ToolFailed
from backupcheck.remote import Local, Pull, Ssh
from backupcheck.source import Deletions, Source
from tests.mounts import mounted
from tests.sshd import HOST, Sshd

NAME = "/opt/app data/it's [1] $HOME *"
ALL = Pull(("/opt/app data/",))
NO_ROOT = 'exec setpriv --bounding-set=-dac_override,-dac_read_search -- "$@"' if os.geteuid() == 0 else ""

SLOW = """import os, sys
passed = 0
while piece := os.read(0, 4096):
    passed += os.write(1, piece)
    if passed > 9000 and os.path.exists(sys.argv[1]):
        os.unlink(sys.argv[1])
"""
"""Passes a stream on; a file is removed when its beginning has gone through."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def sshd(server: Sshd) -> Sshd:
    """The server as it was at first, whatever another test changed."""
    server.authorize()
    server.pin()
    server.through("")
    return server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A source's root file system: one service in it, with names that a shell would take apart."""
    root = tmp_path / "root"
    (root / NAME.lstrip("/")).mkdir(parents=True)
    (root / NAME.lstrip("/") / "file").write_text("content")
    (root / "opt/app data/second").write_text("second")
    return root


@pytest.fixture(params=["ssh", "local"])
def source(request: pytest.FixtureRequest, sshd: Sshd, root: Path) -> Ssh | Local:
    return sshd.source(str(root)) if request.param == "ssh" else Local(str(root))


def refusal(call: Callable[[], object]) -> PullError:
    with pytest.raises(PullError) as caught:
        call()
    return caught.value


def names(folder: Path) -> set[str]:
    return {f"/{path.relative_to(folder)}" for path in folder.rglob("*") if not path.is_dir()}


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


def test_a_pull_keeps_paths_content_and_strange_names(source: Ssh | Local, tmp_path: Path) -> None:
    source.pull(ALL, tmp_path / "mirror")

    assert names(tmp_path / "mirror") == {f"{NAME}/file", "/opt/app data/second"}
    assert (tmp_path / "mirror" / NAME.lstrip("/") / "file").read_text() == "content"


def test_a_declared_path_with_wildcards_is_taken_by_its_letters(
    source: Ssh | Local, root: Path, tmp_path: Path
) -> None:
    wanted = ("/opt/x[1]", "/opt/y\\[1]*", f"{NAME}/file")
    for name in (*wanted[:2], "/opt/x1", "/opt/y[1]z"):
        (root / name.lstrip("/")).write_text(name)
    source.pull(Pull(wanted), tmp_path / "mirror")

    assert names(tmp_path / "mirror") == set(wanted)


def test_a_pull_keeps_modes_owners_times_links_attributes_and_holes(
    source: Ssh | Local, root: Path, tmp_path: Path
) -> None:
    folder = root / "opt/app data"
    (folder / "second").chmod(0o640)
    os.link(folder / "second", folder / "twin")
    (folder / "link").symlink_to("/etc/shadow")
    os.utime(folder / "second", ns=(10**18, 10**18 + 7))
    with (folder / "holes").open("wb") as file:
        file.truncate(8 * 2**20)
    if os.geteuid() == 0:
        os.chown(folder / "second", 4321, 1234)
    with contextlib.suppress(OSError):
        os.setxattr(folder / "second", "user.kept", b"yes")
    source.pull(ALL, tmp_path / "mirror")
    pulled = tmp_path / "mirror/opt/app data"
    status, original = (pulled / "second").stat(), (folder / "second").stat()

    assert [getattr(status, name) for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_nlink")] == [
        getattr(original, name) for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_nlink")
    ]
    assert (pulled / "twin").stat().st_ino == status.st_ino
    assert (pulled / "link").readlink() == Path("/etc/shadow")
    assert (pulled / "holes").stat().st_blocks * 512 < 2**20
    assert os.listxattr(pulled / "second") == os.listxattr(folder / "second")


def test_what_is_gone_at_the_source_is_gone_in_the_mirror(source: Ssh | Local, root: Path, tmp_path: Path) -> None:
    source.pull(ALL, tmp_path / "mirror")
    (root / "opt/app data/second").unlink()
    source.pull(ALL, tmp_path / "mirror")

    assert names(tmp_path / "mirror") == {f"{NAME}/file"}


def test_excluded_names_stay_away(source: Ssh | Local, root: Path, tmp_path: Path) -> None:
    for name in ("cache/a", "deep/cache/b", "logs/1.log", "logs/keep"):
        (root / "opt/app data" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "opt/app data" / name).write_text(name)
    source.pull(replace(ALL, exclude=("/opt/app data/cache/", "/opt/app data/logs/*.log")), tmp_path / "mirror")

    assert {Path(name).name for name in names(tmp_path / "mirror")} == {"file", "second", "b", "keep"}


@pytest.mark.parametrize("captured", ["/opt/app data/db[1]*.sqlite", "/opt/app data/back\\slash"])
def test_captured_files_are_neither_pulled_nor_deleted_nor_taken_for_patterns(
    source: Ssh | Local, root: Path, tmp_path: Path, captured: str
) -> None:
    (root / "opt/app data/db1x.sqlite").write_text("another")
    (root / captured.lstrip("/")).write_text("live")
    place = tmp_path / "mirror" / captured.lstrip("/")
    place.parent.mkdir(parents=True)
    place.write_text("captured")
    (place.parent / "stale").write_text("gone at the source")
    source.pull(replace(ALL, captured=(captured,)), tmp_path / "mirror")

    assert place.read_text() == "captured"
    assert names(tmp_path / "mirror") == {
        f"{NAME}/file", "/opt/app data/second", "/opt/app data/db1x.sqlite", captured
    }  # fmt: skip


def test_a_service_that_shrinks_too_much_keeps_what_the_mirror_has(
    source: Ssh | Local, root: Path, tmp_path: Path
) -> None:
    for number in range(30):
        (root / f"opt/app data/{number}").write_text("x")
    source.pull(ALL, tmp_path / "mirror")
    for number in range(30):
        (root / f"opt/app data/{number}").unlink()
    error = refusal(lambda: source.pull(replace(ALL, deletions=Deletions(least=10)), tmp_path / "mirror"))

    assert error.id == "sync.mass-deletion"
    assert len(names(tmp_path / "mirror")) == 22


def test_a_missing_source_is_named_and_the_mirror_kept(source: Ssh | Local, root: Path, tmp_path: Path) -> None:
    source.pull(ALL, tmp_path / "mirror")
    shutil.rmtree(root / "opt/app data")
    error = refusal(lambda: source.pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.source-missing"
    assert "app data" in error.message
    assert len(names(tmp_path / "mirror")) == 2


def test_a_folder_that_became_a_symlink_leads_no_write_elsewhere(
    source: Ssh | Local, root: Path, tmp_path: Path
) -> None:
    source.pull(ALL, tmp_path / "mirror")
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "precious").write_text("precious")
    shutil.rmtree(tmp_path / "mirror/opt/app data")
    (tmp_path / "mirror/opt/app data").symlink_to(tmp_path / "victim")
    with contextlib.suppress(PullError):
        source.pull(ALL, tmp_path / "mirror")

    assert names(tmp_path / "victim") == {"/precious"}


def test_a_full_mirror_is_named_and_keeps_the_old_file(source: Ssh | Local, root: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "mirror") as mirror:
        source.pull(ALL, mirror)
        (root / "opt/app data/second").write_bytes(os.urandom(3 * 2**20))
        error = refusal(lambda: source.pull(ALL, mirror))
        kept = (mirror / "opt/app data/second").read_text()

    assert error.id == "sync.target-full"
    assert kept == "second"


def test_a_folder_that_may_not_be_read_is_named(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.through(NO_ROOT)
    (root / "opt/app data/second").chmod(0)
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.unreadable"
    assert "second" in error.message


def test_a_file_that_vanishes_in_the_middle_is_named(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    for number in range(10):
        (root / f"opt/app data/{number}").write_bytes(os.urandom(400_000))
    (tmp_path / "slow.py").write_text(SLOW)
    sshd.through(f'"$@" | {sys.executable} {tmp_path}/slow.py "{root}/opt/app data/9"; exit 24')
    source = sshd.source(str(root))
    error = refusal(lambda: source.pull(replace(ALL, timeout=30), tmp_path / "mirror"))

    assert error.id == "sync.vanished"


def test_an_interrupted_pull_leaves_no_half_file_and_the_next_one_is_whole(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    content = os.urandom(4 * 2**20)
    (root / "opt/app data/second").write_bytes(content)
    source = sshd.source(str(root))
    sshd.through('"$@" | (head -c 1000000; sleep 30); exit')
    error = refusal(lambda: source.pull(replace(ALL, timeout=2), tmp_path / "mirror"))
    half = (tmp_path / "mirror/opt/app data/second").exists()
    sshd.through("")
    source.pull(ALL, tmp_path / "mirror")

    assert (error.id, half) == ("sync.timed-out", False)
    assert (tmp_path / "mirror/opt/app data/second").read_bytes() == content
    assert names(tmp_path / "mirror") == {f"{NAME}/file", "/opt/app data/second"}


def test_a_source_that_falls_silent_is_given_up(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.through("sleep 30")
    began = time.monotonic()
    error = refusal(lambda: sshd.source(str(root)).pull(replace(ALL, stalled=2), tmp_path / "mirror"))

    assert error.id == "sync.timed-out"
    assert time.monotonic() - began < 15


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


def test_rsync_missing_at_the_source_is_named(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    sshd.through(f"PATH={tmp_path}/bin; export PATH")
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.rsync-missing"


@pytest.mark.parametrize("noise", ["echo Welcome to this machine", "head -c 100000 /dev/zero"])
def test_a_shell_that_prints_is_named(sshd: Sshd, root: Path, tmp_path: Path, noise: str) -> None:
    sshd.through(noise)
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.dirty-shell"


def test_what_nobody_foresaw_is_unknown_with_the_last_words(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    sshd.through("echo first >&2; echo the flux capacitor is empty >&2; exit 9")
    error = refusal(lambda: sshd.source(str(root)).pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.unknown"
    assert error.message.startswith(f"{HOST}: rsync ended with status ")


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
