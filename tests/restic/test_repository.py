"""A real restic on a real repository, whole and damaged in every way that a disk or a person knows.

RESTIC_BINARIES may name further versions, such as `/opt/restic-0.18/restic:/opt/restic-0.19/restic`; each test
then runs with each of them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError, BadBackup, RepositoryError, ScratchError, ToolMissing
from backupcheck.restic.access import Access
from backupcheck.restic.failures import spoken
from backupcheck.restic.repository import Repository, Restored
from tests.mounts import mounted

BINARIES = [shutil.which("restic") or "restic", *filter(None, os.environ.get("RESTIC_BINARIES", "").split(":"))]
HOST, TAGS = "lab", ("backupcheck", "night")
BIG = bytes(range(256)) * 256 + os.urandom(600_000)
STRANGE = b"/mealie/opt/new\nline", b"/mealie/opt/\xff\xfe"


@dataclass(frozen=True)
class Base:
    """A repository with one snapshot of two services, and where it was made."""

    binary: Path
    folder: Path
    mirror: Path
    snapshot: str


@pytest.fixture(scope="session", params=BINARIES, ids=lambda path: path.strip("/").replace("/", "-"))
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    place = tmp_path_factory.mktemp("restic")
    mirror = place / "mirror"
    for path, content in {"mealie/opt/big": BIG, "mealie/opt/small": b"small", "lldap/etc/x": b"x"}.items():
        (mirror / path).parent.mkdir(parents=True, exist_ok=True)
        (mirror / path).write_bytes(content)
    for name in STRANGE:
        Path(os.fsdecode(os.fsencode(mirror) + name)).write_bytes(b"strange")
    (place / "password").write_text("correct horse\n")
    (place / "bin").mkdir()
    (place / "bin" / "restic").symlink_to(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{place / 'bin'}:{os.environ['PATH']}")
        repository = Repository(Access(str(place / "repository"), place / "password"))
        repository.init()
        snapshot = repository.backup(mirror, HOST, TAGS)
    return Base(Path(request.param), place, mirror, snapshot)


@pytest.fixture
def folder(base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository that a test may damage."""
    shutil.copytree(base.folder / "repository", tmp_path / "repository")
    subprocess.run(["chmod", "-R", "u+w", tmp_path / "repository"], check=True)
    monkeypatch.setenv("PATH", f"{base.folder / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "repository"


@pytest.fixture
def repository(base: Base, folder: Path) -> Repository:
    return Repository(Access(str(folder), base.folder / "password"))


def wrapped(base: Base, place: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a script before restic on PATH; `$RESTIC` in it is the real one."""
    (place / "wrapped").mkdir()
    program = place / "wrapped" / "restic"
    program.write_text(f"#!/bin/sh\nRESTIC={base.binary}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


def without_root(base: Base, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on restic may read only what modes allow, also where the tests run as root."""
    drop = "setpriv --bounding-set=-dac_override,-dac_read_search,-mknod,-chown --" if os.geteuid() == 0 else ""
    wrapped(base, place, monkeypatch, f'exec {drop} "$RESTIC" "$@"')


def packs(folder: Path) -> list[Path]:
    """The repository's packs: that of the files first, that of the trees last."""
    found = [file for file in (folder / "data").rglob("*") if file.is_file()]
    return sorted(found, key=lambda file: -file.stat().st_size)


def flip(file: Path, offset: int) -> None:
    content = bytearray(file.read_bytes())
    content[offset] ^= 0x20
    file.write_bytes(content)


def refusal(call: Callable[[], object]) -> BackupcheckError:
    with pytest.raises(BackupcheckError) as caught:
        call()
    return caught.value


def restored(repository: Repository, base: Base, target: Path) -> Restored:
    return repository.restore(base.snapshot, "/mealie", target)


def test_the_version_is_restics_own(repository: Repository) -> None:
    parts = repository.version().split(".")

    assert [part.isdigit() for part in parts] == [True] * 3


def test_a_new_repository_is_there_only_after_it_was_made(repository: Repository, tmp_path: Path) -> None:
    new = Repository(Access(str(tmp_path / "new"), repository.access.password_file))
    before = new.exists()
    new.init()

    assert (before, new.exists()) == (False, True)


def test_a_relative_url_is_the_same_repository_from_every_folder(
    base: Base, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    repository = Repository(Access("repository", base.folder / "password"))
    made = repository.backup(base.mirror, "relative", ())

    assert [item.id.startswith(made) for item in repository.snapshots("relative", ())] == [True]


def test_only_snapshots_of_the_own_host_with_all_tags_count(base: Base, repository: Repository) -> None:
    repository.backup(base.mirror, "another", TAGS)
    repository.backup(base.mirror, HOST, TAGS[:1])
    found = repository.snapshots(HOST, TAGS)

    assert [item.id.startswith(base.snapshot) for item in found] == [True]
    assert found[0].host == HOST
    assert set(found[0].tags) == set(TAGS)
    assert abs((datetime.now(UTC) - found[0].time).total_seconds()) < 3600


def test_snapshots_come_by_their_time_not_by_their_making(
    base: Base, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = 'case "$1" in backup) shift; exec $RESTIC backup --time "2019-01-01 00:00:00" "$@";; esac'
    wrapped(base, tmp_path, monkeypatch, f'{script}; exec $RESTIC "$@"')
    old = repository.backup(base.mirror, HOST, TAGS)
    found = repository.snapshots(HOST, TAGS)

    assert [item.id[:8] for item in found] == [old[:8], base.snapshot[:8]]


def test_the_listing_has_every_name_with_its_size_even_strange_ones(base: Base, repository: Repository) -> None:
    files = [node for node in repository.listing(base.snapshot) if node.type == "file"]

    assert sorted(node.size for node in files) == sorted([len(BIG), 5, 1, 7, 7])
    assert {node.path for node in files} >= {"/mealie/opt/big", "/mealie/opt/new\nline", "/lldap/etc/x"}


def test_one_service_is_restored_alone_and_byte_for_byte(
    base: Base, repository: Repository, tmp_path: Path
) -> None:
    outcome = restored(repository, base, tmp_path / "t")
    strange = [Path(os.fsdecode(os.fsencode(tmp_path / "t") + name)) for name in STRANGE]

    assert outcome.damage == ()
    assert (tmp_path / "t/mealie/opt/big").read_bytes() == BIG
    assert [file.read_bytes() for file in strange] == [b"strange"] * 2
    assert not (tmp_path / "t/lldap").exists()


def test_a_service_deep_in_a_path_with_blanks_and_wildcards_is_restored_alone(
    repository: Repository, tmp_path: Path
) -> None:
    for name in ("a [1] b*", "a 1 bc"):
        (tmp_path / "m" / name / "svc").mkdir(parents=True)
        (tmp_path / "m" / name / "svc" / "f").write_text(name)
    snapshot = repository.backup(tmp_path / "m", HOST, TAGS)
    outcome = repository.restore(snapshot, "/a [1] b*/svc", tmp_path / "t")

    assert outcome.damage == ()
    assert [file.read_text() for file in (tmp_path / "t").rglob("f")] == ["a [1] b*"]


def test_what_differs_between_two_snapshots_is_named_also_where_only_its_mode_does(
    base: Base, repository: Repository, tmp_path: Path
) -> None:
    mirror = tmp_path / "again"
    shutil.copytree(base.mirror, mirror, symlinks=True, copy_function=os.link)
    before = repository.backup(mirror, HOST, TAGS)
    (mirror / "lldap/etc/y").write_bytes(b"y")
    (mirror / "lldap/etc/x").chmod(0o640)
    after = repository.backup(mirror, HOST, TAGS)

    differing = set(repository.differences(before, after))

    assert {"/lldap/etc/x", "/lldap/etc/y", "/lldap/etc/"} <= differing
    assert [path for path in differing if path.startswith("/mealie")] == []
    assert repository.differences(after, after) == ()


def test_snapshots_that_cannot_be_compared_differ_in_nothing_that_is_known(
    base: Base, repository: Repository, folder: Path
) -> None:
    for pack in (folder / "data").glob("*/*"):
        pack.unlink()
    other = repository.backup(base.mirror / "lldap", HOST, TAGS)

    with pytest.raises(BackupcheckError):
        repository.differences(base.snapshot, other)


def test_a_long_backup_prints_no_flood_of_progress(
    base: Base, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # restic reads at 200 KiB/s: slowly enough for a hundred lines of progress, had they been asked for
    wrapped(base, tmp_path, monkeypatch, f'"$RESTIC" "$@" --limit-upload 400 > {tmp_path}/said; r=$?; '
            f'cat {tmp_path}/said; exit $r')  # fmt: skip
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "f").write_bytes(os.urandom(600_000))
    repository.backup(tmp_path / "m", HOST, TAGS)

    assert len((tmp_path / "said").read_text().splitlines()) == 1


def test_a_wrong_password_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("battery staple\n")
    error = refusal(lambda: Repository(Access(str(folder), tmp_path / "wrong")).snapshots(HOST, TAGS))

    assert (error.id, error.exit_status) == ("repository.wrong-password", 2)


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_missing_or_empty_password_file_is_named(folder: Path, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "password").write_text(content)
    error = refusal(lambda: Repository(Access(str(folder), tmp_path / "password")).exists())

    assert (error.id, error.exit_status) == ("repository.password-missing", 2)


def test_missing_credentials_of_the_storage_are_named(base: Base, folder: Path, tmp_path: Path) -> None:
    access = Access(str(folder), base.folder / "password", tmp_path / "none.env")
    error = refusal(lambda: Repository(access).exists())

    assert (error.id, error.exit_status) == ("repository.credentials-missing", 2)


def test_credentials_reach_restic_but_no_message(
    base: Base, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b2.env").write_text("# of the site\nexport B2_ACCOUNT_KEY='K005very'\nB2_ACCOUNT_ID=0051\n")
    wrapped(base, tmp_path, monkeypatch, 'echo "Fatal: key $B2_ACCOUNT_KEY of $B2_ACCOUNT_ID is odd" >&2; exit 1')
    error = refusal(Repository(Access(str(folder), base.folder / "password", tmp_path / "b2.env")).init)

    assert error.id == "repository.unknown"
    assert error.message == "restic ended with status 1: Fatal: key *** of 0051 is odd"


def test_a_password_in_the_url_is_not_shown(
    base: Base, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped(base, tmp_path, monkeypatch, 'echo "Fatal: $RESTIC_REPOSITORY is odd" >&2; exit 1')
    error = refusal(Repository(Access("rest:https://me:s3cr3t@h/", base.folder / "password")).init)

    assert error.message.endswith("rest:https://me:***@h/ is odd")


def test_no_repository_is_not_a_bad_backup(base: Base, folder: Path, tmp_path: Path) -> None:
    nowhere = Repository(Access(str(tmp_path / "nosuch"), base.folder / "password"))
    error = refusal(lambda: nowhere.snapshots(HOST, TAGS))

    assert (error.id, error.exit_status) == ("repository.not-found", 2)


def test_keys_that_are_gone_are_not_taken_for_a_wrong_password(repository: Repository, folder: Path) -> None:
    shutil.rmtree(folder / "keys")
    (folder / "keys").mkdir()
    error = refusal(lambda: repository.snapshots(HOST, TAGS))

    assert (error.id, error.exit_status) == ("repository.keys-missing", 1)


def test_a_lost_config_is_not_taken_for_a_new_repository(repository: Repository, folder: Path) -> None:
    (folder / "config").unlink()
    error = refusal(repository.exists)

    assert (error.id, error.exit_status) == ("repository.config-missing", 1)


@pytest.mark.parametrize("damage", [lambda file: flip(file, 60), lambda file: file.write_bytes(b"")])
def test_a_damaged_snapshot_file_is_not_passed_over(
    repository: Repository, base: Base, folder: Path, damage: Callable[[Path], None]
) -> None:
    repository.backup(base.mirror, HOST, TAGS)
    newest = max((folder / "snapshots").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    newest.chmod(0o600)
    damage(newest)
    error = refusal(lambda: repository.snapshots(HOST, TAGS))

    assert (error.id, error.exit_status) == ("repository.snapshot-damaged", 1)
    assert newest.name[:8] in error.message


def test_a_damaged_snapshot_has_no_empty_listing(repository: Repository, base: Base, folder: Path) -> None:
    flip(next((folder / "snapshots").iterdir()), 60)
    error = refusal(lambda: list(repository.listing(base.snapshot)))

    assert error.exit_status == 1
    assert error.id in ("repository.snapshot-damaged", "repository.data-damaged")


def test_a_deleted_snapshot_is_not_there(repository: Repository, base: Base, folder: Path, tmp_path: Path) -> None:
    next((folder / "snapshots").iterdir()).unlink()
    error = refusal(lambda: restored(repository, base, tmp_path / "t"))

    assert repository.snapshots(HOST, TAGS) == ()
    assert (error.id, error.exit_status) == ("repository.no-snapshot", 1)


def test_a_flipped_bit_in_a_pack_names_the_file(
    repository: Repository, base: Base, folder: Path, tmp_path: Path
) -> None:
    flip(packs(folder)[0], 300_000)
    outcome = restored(repository, base, tmp_path / "t")

    assert len(outcome.damage) == 1
    assert "/mealie/opt/big" in outcome.damage[0]
    assert "ciphertext verification failed" in outcome.damage[0]


@pytest.mark.parametrize("cut", [None, 0, 3000])
def test_a_pack_that_is_gone_or_cut_is_named_at_once(
    repository: Repository, base: Base, folder: Path, tmp_path: Path, cut: int | None
) -> None:
    pack = packs(folder)[0]
    if cut is None:
        pack.unlink()
    else:
        os.truncate(pack, cut)
    began = time.monotonic()
    outcome = restored(repository, base, tmp_path / "t")

    assert pack.name[:8] in outcome.damage[0]
    assert time.monotonic() - began < 15


def test_a_flipped_bit_in_a_tree_is_damage(
    repository: Repository, base: Base, folder: Path, tmp_path: Path
) -> None:
    for offset in range(40, packs(folder)[-1].stat().st_size - 400, 40):
        flip(packs(folder)[-1], offset)
    error = refusal(lambda: list(repository.listing(base.snapshot)))
    outcome = restored(repository, base, tmp_path / "t")

    assert (error.id, error.exit_status) == ("repository.data-damaged", 1)
    assert outcome.damage


def test_a_lost_index_is_damage(repository: Repository, base: Base, folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "index")
    (folder / "index").mkdir()
    error = refusal(lambda: list(repository.listing(base.snapshot)))
    again = refusal(lambda: restored(repository, base, tmp_path / "t"))

    assert (error.id, error.exit_status) == (again.id, again.exit_status) == ("repository.index-missing", 1)
    assert "rebuild-index" in error.advice


def test_an_emptied_config_is_damage(repository: Repository, folder: Path) -> None:
    os.truncate(folder / "config", 0)
    error = refusal(repository.exists)

    assert (error.id, error.exit_status) == ("repository.data-damaged", 1)


@contextlib.contextmanager
def exclusively_locked(folder: Path, base: Base) -> Iterator[subprocess.Popen[bytes]]:
    """Another restic that is stopped while it holds the repository's exclusive lock."""
    words = ["restic", "-q", "-r", str(folder), "-p", str(base.folder / "password"), "check", "--read-data"]

    def is_locked() -> bool:  # a lock that is still being written has a longer name, and nobody sees it
        return any(len(lock.name) == 64 for lock in (folder / "locks").iterdir())

    while True:  # on a busy machine it may be done before it is stopped
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
            try:
                while other.poll() is None and not is_locked():
                    time.sleep(0.005)
                other.send_signal(signal.SIGSTOP)
                if is_locked():
                    yield other
                    return
            finally:
                other.send_signal(signal.SIGCONT)


def test_a_locked_repository_is_read_and_its_lock_left_alone(
    repository: Repository, base: Base, folder: Path, tmp_path: Path
) -> None:
    with exclusively_locked(folder, base) as other:
        other.kill()
    locks = sorted(file.name for file in (folder / "locks").iterdir())
    outcome = restored(repository, base, tmp_path / "t")

    assert len(locks) == 1
    assert outcome.damage == ()
    assert len(repository.snapshots(HOST, TAGS)) == 1
    assert sorted(file.name for file in (folder / "locks").iterdir()) == locks


def test_a_backup_waits_for_anothers_lock_and_not_for_ever(
    repository: Repository, base: Base, folder: Path
) -> None:
    with exclusively_locked(folder, base) as other:
        error = refusal(lambda: repository.backup(base.mirror, HOST, TAGS))
        threading.Timer(1, other.send_signal, (signal.SIGCONT,)).start()
        snapshot = repository.backup(base.mirror, HOST, TAGS, lock_wait=60)

    assert (error.id, error.exit_status) == ("repository.locked", 2)
    assert any(known.id.startswith(snapshot) for known in repository.snapshots(HOST, TAGS))


def test_a_read_only_repository_is_read(
    repository: Repository, base: Base, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_root(base, tmp_path, monkeypatch)
    subprocess.run(["chmod", "-R", "a-w", folder], check=True)
    outcome = restored(repository, base, tmp_path / "t")
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)

    assert outcome.damage == ()


def test_a_repository_that_may_not_be_read_is_not_taken_for_none(
    repository: Repository, base: Base, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_root(base, tmp_path, monkeypatch)
    folder.chmod(0)
    error = refusal(repository.exists)
    folder.chmod(0o700)

    assert (error.id, error.exit_status) == ("repository.denied", 2)


def test_a_storage_that_does_not_answer_is_not_taken_for_damage(base: Base, folder: Path) -> None:
    away = Repository(Access("rest:http://127.0.0.1:9/", base.folder / "password"), patience=3)
    error = refusal(away.exists)

    assert (error.id, error.exit_status) == ("repository.unreachable", 2)


def test_a_full_scratch_folder_says_nothing_about_the_backup(
    repository: Repository, base: Base, tmp_path: Path
) -> None:
    with mounted(tmp_path / "full", options="size=300k") as full:
        error = refusal(lambda: restored(repository, base, full / "t"))

    assert isinstance(error, ScratchError)
    assert (error.id, error.exit_status) == ("scratch.no-space", 2)


def test_damage_is_not_hidden_by_a_full_scratch_folder(
    repository: Repository, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ["ciphertext verification failed", "write t/a: no space left on device"]
    lines = "\\n".join(f"ignoring error for /a{number}: {text}" for number, text in enumerate(said))
    wrapped(base, tmp_path, monkeypatch, f"printf '{lines}\\n' >&2; exit 1")
    outcome = restored(repository, base, tmp_path / "t")

    assert outcome.damage[0] == "ignoring error for /a0: ciphertext verification failed"


def test_a_scratch_folder_that_cannot_hold_a_device_says_nothing_about_the_backup(
    repository: Repository, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    (tmp_path / "m" / "svc").mkdir(parents=True)
    os.mknod(tmp_path / "m" / "svc" / "null", 0o020666, os.makedev(1, 3))
    snapshot = repository.backup(tmp_path / "m", HOST, TAGS)
    without_root(base, tmp_path, monkeypatch)
    error = refusal(lambda: repository.restore(snapshot, "/svc", tmp_path / "t"))

    assert (error.id, error.exit_status) == ("scratch.unfaithful", 2)


def test_a_full_repository_is_not_a_full_scratch_folder(base: Base, folder: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "full", options="size=200k") as full:
        repository = Repository(Access(str(full / "r"), base.folder / "password"))
        repository.init()
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "f").write_bytes(os.urandom(900_000))
        began = time.monotonic()
        error = refusal(lambda: repository.backup(tmp_path / "m", HOST, TAGS))

    assert (error.id, error.exit_status) == ("repository.no-space", 2)
    assert time.monotonic() - began < 60


def test_an_unreadable_file_makes_the_backup_incomplete_and_is_named(
    repository: Repository, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_root(base, tmp_path, monkeypatch)
    (tmp_path / "m").mkdir()
    for name, mode in (("secret", 0), ("open", 0o600)):
        (tmp_path / "m" / name).write_text(name)
        (tmp_path / "m" / name).chmod(mode)
    error = refusal(lambda: repository.backup(tmp_path / "m", HOST, TAGS))

    assert isinstance(error, BadBackup)
    assert error.id == "backup.incomplete"
    assert str(tmp_path / "m" / "secret") in error.message


def test_restic_that_is_not_installed_is_named(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    errors = [refusal(repository.exists), refusal(lambda: repository.restore("x", "/y", tmp_path / "t"))]

    assert [type(error) for error in errors] == [ToolMissing, ToolMissing]


@pytest.mark.parametrize(
    ("status", "id"),
    [(10, "repository.not-found"), (11, "repository.locked"), (12, "repository.wrong-password")],
)
def test_the_exit_statuses_of_newer_versions_are_known_whatever_they_say(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, id: str
) -> None:
    wrapped(base, tmp_path, monkeypatch, f'echo "Fatal: said otherwise" >&2; exit {status}')
    away = Repository(Access("rest:http://h/", base.folder / "password"))
    error = refusal(lambda: away.snapshots(HOST, TAGS))

    assert (error.id, error.exit_status) == (id, 2)
    assert "said otherwise" in error.message


def test_a_transient_failure_that_was_overcome_is_not_the_verdict(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Load(<data/aa>) returned error, retrying after 1s: dial tcp: connection refused\nFatal: odd"
    wrapped(base, tmp_path, monkeypatch, f"printf '{said}\\n' >&2; exit 1")
    away = Repository(Access("rest:http://h/", base.folder / "password"))
    error = refusal(lambda: away.snapshots(HOST, TAGS))

    assert isinstance(error, RepositoryError)
    assert (error.id, error.message) == ("repository.unknown", "restic ended with status 1: Fatal: odd")


@pytest.fixture
def cache(base: Base, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """restic's cache of the repository after a backup."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repository.backup(base.mirror, HOST, TAGS)
    if tuple(map(int, repository.version().split("."))) >= (0, 17):
        pytest.skip("this restic mends its cache by itself")
    return tmp_path / "cache/restic"


def spoil(cache: Path, what: str) -> None:
    found = [file for file in cache.rglob("*") if file.is_file() and what in file.parts]
    assert found
    for file in found:
        file.chmod(0o600)
        file.write_bytes(os.urandom(file.stat().st_size))


@pytest.mark.parametrize("what", ["index", "snapshots", "data"])
def test_a_damaged_cache_is_not_a_damaged_repository(
    what: str, base: Base, repository: Repository, cache: Path
) -> None:
    spoil(cache, what)
    error = refusal(lambda: repository.backup(base.mirror, HOST, TAGS))
    shutil.rmtree(cache)

    assert (error.id, error.exit_status) == ("repository.cache-damaged", 2)
    assert str(cache) in error.message
    assert "None" not in error.message
    assert error.advice.startswith(f"remove {cache}, ")
    assert repository.backup(base.mirror, HOST, TAGS)


def test_a_folder_in_the_place_of_a_cached_file_is_the_caches_fault(
    base: Base, repository: Repository, cache: Path
) -> None:
    for file in [file for file in cache.rglob("*") if file.is_file() and "index" in file.parts]:
        file.unlink()
        (file / "folder").mkdir(parents=True)

    assert refusal(lambda: repository.backup(base.mirror, HOST, TAGS)).id == "repository.cache-damaged"


def test_a_damaged_repository_is_not_laid_on_the_cache(
    base: Base, folder: Path, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for file in (folder / "index").iterdir():
        flip(file, 40)

    assert refusal(lambda: repository.backup(base.mirror, HOST, TAGS)).id == "repository.index-damaged"


def test_restics_question_is_told_with_the_location(base: Base, tmp_path: Path) -> None:
    nowhere = Repository(Access(str(tmp_path / "nowhere"), base.folder / "password"))
    error = refusal(lambda: nowhere.snapshots(HOST, TAGS))

    assert error.id == "repository.not-found"
    assert error.message.endswith(f"Is there a repository at the following location? {tmp_path}/nowhere")
    assert spoken("Is there a repository at the following location?\nrest:http://me:se:cret@host:9/x@y\n") == (
        "Is there a repository at the following location? rest:http://me:***@host:9/x@y",
    )
