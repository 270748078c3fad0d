"""`backupcheck restore --to HOST`: over a real ssh to empty places, compared there, and never half of it."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError, Interrupted, PushError, SpecError, UsageError
from backupcheck.remote import Host
from backupcheck.restore.comeback import RestoreOptions, restore
from backupcheck.restore.delivery import Delivery
from backupcheck.restore.destination import AtHost, destination
from backupcheck.spec import load_site
from tests.mounts import mounted
from tests.remote.source import passing
from tests.smallsite import SmallSite, small_site
from tests.sshd import HOST, Sshd
from tests.test_comeback import change
from tests.test_runbook import seen

STAGING = ".backupcheck-restore-notes"
NOTE, CHANGED = "note-07.md", "note-08.md"
HOSTILE = (b"two\nlines", b"-rf", b" spaces ", b"\xff\xfe", b"it's $HOME `id` *", b"\\#012", b".hidden")
NEEDED = ("sh", "id", "cat", "ls", "grep", "stat", "du", "cut", "mkdir", "rm", "rmdir", "mv", "sync")
LARGE = 6 * 2**20


@dataclass
class Kept:
    """A site that is backed up, and the way to a host; tests change neither but what the host's login does."""

    site: SmallSite
    sshd: Sshd

    def to(self, top: Path, service: str = "notes") -> int:
        """Restore below a folder of the host."""
        key = self.sshd.site / "user_key"
        return restore(load_site(self.site.site), service, RestoreOptions(f"{HOST}:{top}", identity=key))

    def refusal(self, top: Path, service: str = "notes") -> BackupcheckError:
        """Why it cannot be restored there."""
        with pytest.raises(BackupcheckError) as caught:
            self.to(top, service)
        assert list((self.site.folder / "scratch").iterdir()) == []
        return caught.value

    def is_back(self, top: Path) -> bool:
        """Whether all of the service is there as it was at the source, and nothing of the way it came."""
        left = [path for path in top.rglob("*") if "backupcheck" in path.name]
        source = self.site.source
        return not left and all(seen(top / path) == seen(source / path) for path in ("srv/notes", "etc/notes"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with small_site() as site, Sshd.running(tmp_path_factory.mktemp("sshd")) as sshd:
        notes = os.fsencode(site.source / "srv/notes")
        for name in HOSTILE:
            Path(os.fsdecode(notes + b"/" + name)).write_bytes(name)
        (site.source / "srv/notes/large").write_bytes(os.urandom(LARGE))
        (site.source / "srv/notes/linked").hardlink_to(site.source / "srv/notes" / NOTE)
        (site.source / "srv/notes/away").symlink_to("/etc/shadow")
        (site.source / "srv/notes").chmod(0o2750)
        os.chown(site.source / "etc/notes", 1234, 4321)
        places = {"config": str(sshd.access.config), "known_hosts": str(sshd.access.known_hosts)}
        with site.site.open("a") as file:
            file.write(f"ssh: { ({**places, 'user': sshd.user})!r}\n")
        for words in (("sync",), ("backup", "--init")):
            said = site.command(*words)
            assert said.code == 0, said.text + said.stderr
        (site.folder / "scratch").mkdir(exist_ok=True)
        yield Kept(site, sshd)


@pytest.fixture
def kept(whole: Kept) -> Kept:
    """The same, with the host as it was at first."""
    whole.sshd.pin()
    whole.sshd.authorize()
    whole.sshd.through("")
    return whole


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """The root of a new host: the folders of its system are there, and belong to it."""
    top = tmp_path / "it's new"
    (top / "srv/others").mkdir(parents=True)
    (top / "srv").chmod(0o711)
    return top


def test_a_service_is_at_the_host_as_it_was_at_the_source(
    kept: Kept, top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = kept.to(top)
    said = capsys.readouterr().out

    assert (status, kept.is_back(top)) == (0, True)
    assert f"notes is at {HOST}:{top}, every file compared there" in said
    assert said.splitlines()[-1].startswith("# 1. Start the service")
    assert sorted(path.name for path in top.iterdir()) == ["etc", "srv"]
    assert (top / "srv").stat().st_mode & 0o777 == 0o711
    assert (top / "srv/others").is_dir()
    assert list((kept.site.folder / "scratch").iterdir()) == []


def test_nothing_is_overwritten_and_all_that_is_in_the_way_is_named(kept: Kept, top: Path) -> None:
    (top / "srv/notes").mkdir()
    (top / "srv/notes/mine").write_text("precious")
    (top / "etc").mkdir()
    (top / "etc/notes").symlink_to("/nowhere")
    before = seen(top)
    error = kept.refusal(top)

    assert isinstance(error, UsageError)
    assert (error.id, error.exit_status) == ("restore.unfit-host", 3)
    assert f"{top}/srv/notes is not empty; {top}/etc/notes is a symlink: nothing is overwritten" in error.message
    assert seen(top) == before


def test_a_folder_that_the_host_does_not_have_is_not_made(kept: Kept, top: Path) -> None:
    error = kept.refusal(top / "no such")

    assert (error.id, error.exit_status) == ("restore.unfit-host", 3)
    assert "has no folder" in error.message


def test_another_machine_under_the_name_gets_nothing(kept: Kept, top: Path) -> None:
    kept.sshd.pin(kept.sshd.site / "another.pub")
    before = seen(top)
    error = kept.refusal(top)

    assert (error.id, error.exit_status) == ("restore.host-key-changed", 2)
    assert seen(top) == before


def test_a_key_that_may_only_read_is_told_from_one_that_may_write(kept: Kept, top: Path) -> None:
    kept.sshd.authorize("another")
    denied = kept.refusal(top)
    kept.sshd.authorize()
    kept.sshd.through("echo 'backupcheck: not the declared command' >&2; exit 1")
    refused = kept.refusal(top)

    assert [denied.id, refused.id] == ["restore.auth-denied", "restore.key-refuses"]
    assert all("--identity FILE" in error.advice for error in (denied, refused))


def test_a_host_without_rsync_is_named_before_anything_comes(kept: Kept, top: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name) or name)
    kept.sshd.through(f'PATH="{programs}"')
    before = seen(top)
    error = kept.refusal(top)

    assert (error.id, error.advice) == ("restore.rsync-missing", "install rsync there")
    assert seen(top) == before


def test_only_root_can_give_files_their_owners(kept: Kept, top: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root logs in as root")
    kept.sshd.through('exec setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"')
    with tempfile.TemporaryDirectory(dir="/var/tmp") as open_to_all:
        Path(open_to_all).chmod(0o777)
        error = kept.refusal(Path(open_to_all))
        left = list(Path(open_to_all).iterdir())
    hidden = kept.refusal(top)

    assert (error.id, left) == ("restore.not-root", [])
    assert f"--to root@{HOST}:{open_to_all}" in error.advice
    assert "or none that the user there may enter" in hidden.message


def test_a_disk_without_room_is_named_and_left_alone(kept: Kept, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=3m") as disk:
        error = kept.refusal(disk)
        left = list(disk.iterdir())

    assert (error.id, left) == ("restore.no-room", [])
    assert f"do not fit on the disk of {tmp_path}/disk, which has 3.1 MB free" in error.message


def test_no_room_here_to_compare_it_is_told_apart(kept: Kept, top: Path, tmp_path: Path) -> None:
    site = load_site(kept.site.site)
    key = kept.sshd.site / "user_key"
    with mounted(tmp_path / "disk", "size=3m") as disk:
        scratch = site.scratch.model_copy(update={"folder": disk})
        with pytest.raises(BackupcheckError) as caught:
            restore(
                site.model_copy(update={"scratch": scratch}),
                "notes",
                RestoreOptions(f"{HOST}:{top}", identity=key),
            )
        left = list(disk.iterdir())

    assert (caught.value.id, left) == ("restore.no-room", [])
    assert "scratch.folder" in caught.value.advice


def test_a_disk_that_is_full_in_the_middle_is_named(kept: Kept, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=8m") as disk:
        # somebody else fills it once it was looked at
        kept.sshd.through(f'case "$*" in *"rsync --server"*) head -c 5M /dev/zero > {disk}/other;; esac')
        error = kept.refusal(disk)

    assert error.id == "restore.target-full"
    assert f"nothing is at its place there; what came is in {disk}/{STAGING}" in error.advice


def test_a_mounted_disk_is_filled_and_gets_the_attributes_that_its_folder_had(kept: Kept, top: Path) -> None:
    (top / "etc/notes").mkdir(parents=True)
    with mounted(top / "srv/notes", "size=32m,mode=0777") as disk:
        (disk / "lost+found").mkdir()
        status = kept.to(top)
        (disk / "lost+found").rmdir()
        os.utime(disk, ns=(0, (kept.site.source / "srv/notes").stat().st_mtime_ns))

        assert (status, kept.is_back(top)) == (0, True)


def test_what_was_cut_in_the_middle_is_told_and_goes_on(kept: Kept, top: Path) -> None:
    # $PPID is the sshd of this connection
    kill = f'case "$*" in *"rsync --server"*) {passing(LARGE // 2)} | "$@"; kill -9 $PPID;; esac'
    kept.sshd.through(kill)
    error = kept.refusal(top)
    half = sorted(path.name for path in (top / "srv").iterdir()), (top / "etc").exists()
    staging = top / "srv" / STAGING
    came = sum(path.stat().st_size for path in staging.rglob("*") if path.is_file())
    kept.sshd.through("")

    assert isinstance(error, PushError)
    assert error.id in ("restore.connection-lost", "restore.killed")
    assert f"nothing is at its place there; what came is in {staging}" in error.advice
    assert half == ([STAGING, "others"], False)
    assert came > LARGE // 4
    assert (kept.to(top), kept.is_back(top)) == (0, True)


def test_what_another_restore_left_is_neither_used_nor_removed(kept: Kept, top: Path) -> None:
    (top / "srv" / STAGING / "tree").mkdir(parents=True)
    (top / "srv" / STAGING / "about").write_text("notes 0123 456\n")
    before = seen(top)
    error = kept.refusal(top)

    assert error.id == "restore.unfit-host"
    assert "nothing of it is at its place" in error.message
    assert error.advice == f"remove it there with rm -rf {shlex.quote(f'{top}/srv/{STAGING}')}"
    assert seen(top) == before


def test_a_byte_that_changed_at_the_host_is_found_and_mended_by_a_second_call(kept: Kept, top: Path) -> None:
    note = top / "srv" / STAGING / "tree/notes" / CHANGED
    count = top.parent / "count"
    flip = f"""touch -r "{note}" {count}.time; printf X | dd of="{note}" bs=1 seek=3 conv=notrunc 2>/dev/null
    touch -r {count}.time "{note}" """
    kept.sshd.through(f'''case "$*" in *"rsync --server"*)
      if [ -e {count} ] && [ -e "{note}" ] && [ ! -e {count}.done ]; then touch {count}.done; {flip}; fi
      touch {count};; esac''')
    error = kept.refusal(top)
    half = sorted(path.name for path in (top / "srv").iterdir())
    assert error.id == "restore.host-differs"
    assert f"{top}/srv/notes/{CHANGED}: its content differs" in error.message
    assert half == [STAGING, "others"]

    assert (kept.to(top), kept.is_back(top)) == (0, True)


def test_what_was_ended_while_it_got_its_names_gets_the_rest_of_them(
    kept: Kept, top: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mv").write_text(
        f'#!/bin/sh\n[ ! -e {tmp_path}/moved ] || exit 1\n> {tmp_path}/moved\nexec {shutil.which("mv")} "$@"\n'
    )
    (programs / "mv").chmod(0o755)
    kept.sshd.through(f'PATH="{programs}:$PATH"')
    error = kept.refusal(top)
    half = [(top / path).exists() for path in ("srv/notes", "etc")]
    kept.sshd.through("")

    assert "all of it is there and was compared; what is not at its place yet is in" in error.advice
    assert half == [True, False]
    assert (kept.to(top), kept.is_back(top)) == (0, True)


def test_what_has_all_its_names_and_was_not_looked_at_again_is_looked_at_again(
    kept: Kept, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*words: object, **more: object) -> None:
        raise PushError("the connection broke in the middle", id="restore.connection-lost")

    with monkeypatch.context() as patched:
        patched.setattr(Delivery, "_compare_in_place", cut)
        kept.refusal(top)
    change(top / "srv/notes" / CHANGED)
    differs = kept.refusal(top)
    change(top / "srv/notes" / CHANGED)

    assert differs.id == "restore.host-differs"
    assert f"srv/notes/{CHANGED}: its content differs" in differs.message
    assert "all of it is at its place there" in differs.advice
    assert (kept.to(top), kept.is_back(top)) == (0, True)


def test_ctrl_c_says_what_there_is(kept: Kept, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Host, "push", interrupted)
    error = kept.refusal(top)

    assert isinstance(error, Interrupted)
    assert f"nothing is at its place there; what came is in {top}/srv/{STAGING}" in error.advice


def test_a_spec_of_another_service_stands_in_nobodys_way(kept: Kept, top: Path) -> None:
    wrong = kept.site.specs / "tasks.yaml"
    right = wrong.read_text()
    try:
        wrong.write_text("service: tasks\nchekcs: []\n")
        status = kept.to(top)
        with pytest.raises(SpecError, match="chekcs") as caught:
            kept.to(top, "tasks")
    finally:
        wrong.write_text(right)

    assert (status, kept.is_back(top)) == (0, True)
    assert "move it away" in caught.value.advice


def test_a_service_without_its_spec_comes_back_whole_into_an_empty_folder(
    kept: Kept, top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = top.parent / "empty"
    empty.mkdir()
    lost = kept.site.specs / "notes.yaml"
    lost.rename(lost.with_suffix(".lost"))
    try:
        refused = kept.refusal(top)
        capsys.readouterr()
        status = kept.to(empty)
    finally:
        lost.with_suffix(".lost").rename(lost)
    said = capsys.readouterr().out

    assert refused.id == "restore.unfit-host"
    assert "without a spec nothing says which folders are its own" in refused.advice
    assert (status, kept.is_back(empty)) == (0, True)
    assert "WARN notes restore.no-spec: there is no spec of it" in said
    assert "it was pulled from local" in said


def test_no_specs_at_all_still_restore_into_a_folder(
    kept: Kept, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = load_site(kept.site.site).model_copy(update={"specs": tmp_path / "gone"})
    status = restore(site, "notes", RestoreOptions(str(tmp_path / "back")))
    said = capsys.readouterr().out
    with pytest.raises(BackupcheckError) as caught:
        restore(site, "../notes", RestoreOptions(str(tmp_path / "another")))

    assert (status, "restore.no-spec" in said) == (0, True)
    assert seen(tmp_path / "back/srv/notes") == seen(kept.site.source / "srv/notes")
    assert caught.value.id == "snapshot.service-missing"


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("/mnt/back", "/mnt/back"),
        ("back", "back"),
        ("./nas:/x", "./nas:/x"),
        ("/a:/b", "/a:/b"),
        ("nas:/", AtHost("nas", "/")),
        ("root@new.example:/mnt/new/", AtHost("root@new.example", "/mnt/new")),
        ("ann@[fd00::1]:/", AtHost("ann@fd00::1", "/")),
    ],
)
def test_a_host_is_told_from_a_folder_by_its_spelling(named: str, meant: AtHost | str) -> None:
    assert destination(named) == meant


def test_a_host_is_written_as_it_was_read() -> None:
    for text in ("nas:/", "ann@nas:/srv", "ann@[fd00::1]:/"):
        place = destination(text)

        assert isinstance(place, AtHost)
        assert place.text == text


@pytest.mark.parametrize(
    "named", ["", "nas:", "nas:srv", "ssh://nas/srv", "-oProxyCommand=x:/", "a b:/", "nas:/a\n", "fd00::1:/"]
)
def test_what_is_neither_is_refused(named: str) -> None:
    with pytest.raises(UsageError) as caught:
        destination(named)

    assert caught.value.id == "restore.unfit-folder"
    assert "HOST:/PATH" in caught.value.advice
