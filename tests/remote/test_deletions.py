"""What may be deleted from a mirror: nothing before it was judged, and then exactly what was."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck.remote import Local, Pull, Ssh
from backupcheck.remote.deletions import Extraneous, delete
from backupcheck.remote.itemized import DELETED, Item
from backupcheck.source import Deletions
from tests.remote.source import ALL, DATA, names, refusal
from tests.sshd import HOST, Sshd

STRICT = replace(ALL, deletions=Deletions(share=0.5, least=3))
LET_THROUGH = replace(ALL, deletions=Deletions(let_through=True))


def many(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number}").write_text("x")


def test_a_service_that_shrinks_too_much_keeps_everything(source: Ssh | Local, data: Path, tmp_path: Path) -> None:
    many(data / "deep", 30)
    source.pull(ALL, tmp_path / "mirror")
    before = names(tmp_path / "mirror")
    shutil.rmtree(data / "deep")
    (data / "new").write_text("new")
    error = refusal(lambda: source.pull(STRICT, tmp_path / "mirror"))

    assert error.id == "sync.mass-deletion"
    assert "31 of the mirror's 35 names" in error.message
    assert error.message.count(f"{DATA}/deep/") == 3
    assert "28 more" in error.message
    assert "`backupcheck sync --allow-deletions mirror`" in error.advice
    assert names(tmp_path / "mirror") == before | {f"{DATA}/new"}


def test_a_few_deletions_and_what_a_person_lets_through_are_done(
    source: Ssh | Local, data: Path, tmp_path: Path
) -> None:
    many(data / "deep", 30)
    source.pull(ALL, tmp_path / "mirror")
    for number in range(3):
        (data / "deep" / f"{number}").unlink()
    few = source.pull(STRICT, tmp_path / "mirror")
    shutil.rmtree(data / "deep")
    many_at_once = source.pull(LET_THROUGH, tmp_path / "mirror")

    assert (few.deleted, many_at_once.deleted) == (3, 28)
    assert not (tmp_path / "mirror/opt/app data/deep").exists()
    assert len(names(tmp_path / "mirror")) == 2


def test_new_names_do_not_count_for_those_that_were_there(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    data = root / DATA.lstrip("/")
    many(data / "old", 20)
    sshd.source(str(root)).pull(ALL, tmp_path / "mirror")
    shutil.rmtree(data / "old")
    many(data / "anew", 100)
    error = refusal(lambda: sshd.source(str(root)).pull(STRICT, tmp_path / "mirror"))

    assert error.id == "sync.mass-deletion"
    assert "21 of the mirror's 25 names" in error.message


def test_an_emptied_source_is_refused_however_few_it_held(source: Ssh | Local, data: Path, tmp_path: Path) -> None:
    source.pull(ALL, tmp_path / "mirror")
    shutil.rmtree(data)
    data.mkdir()
    error = refusal(lambda: source.pull(ALL, tmp_path / "mirror"))

    assert error.id == "sync.source-empty"
    assert "the mirror has 2" in error.message
    assert "--allow-deletions mirror" in error.advice
    assert len(names(tmp_path / "mirror")) == 2


def test_one_emptied_path_of_two_is_refused_though_a_capture_lies_in_it(
    source: Ssh | Local, root: Path, tmp_path: Path
) -> None:
    many(root / "srv", 2)
    many(root / "large", 100)
    pull = Pull(("/srv/", "/large"), captured=("/srv/captured.sql",))
    source.pull(pull, tmp_path / "mirror")
    (tmp_path / "mirror/srv/captured.sql").write_text("captured")
    shutil.rmtree(root / "srv")
    (root / "srv").mkdir()
    error = refusal(lambda: source.pull(pull, tmp_path / "mirror"))
    source.pull(replace(pull, deletions=Deletions(let_through=True)), tmp_path / "mirror")

    assert error.id == "sync.source-empty"
    assert "below /srv," in error.message
    assert {name for name in names(tmp_path / "mirror") if name.startswith("/srv")} == {"/srv/captured.sql"}


@pytest.mark.parametrize("kind", ["file", "symlink"])
def test_a_folder_that_becomes_a_file_or_a_link_counts_as_all_that_it_held(
    source: Ssh | Local, data: Path, tmp_path: Path, kind: str
) -> None:
    many(data / "deep", 30)
    source.pull(ALL, tmp_path / "mirror")
    before = names(tmp_path / "mirror")
    shutil.rmtree(data / "deep")
    (data / "deep").write_text("now a file") if kind == "file" else (data / "deep").symlink_to("/etc")
    error = refusal(lambda: source.pull(STRICT, tmp_path / "mirror"))
    kept = names(tmp_path / "mirror")
    pulled = source.pull(LET_THROUGH, tmp_path / "mirror")

    assert (error.id, kept) == ("sync.mass-deletion", before)
    assert pulled.deleted == 30
    assert pulled.brought == {os.fsencode(f"{DATA}/deep")}
    assert (tmp_path / "mirror/opt/app data/deep").is_symlink() == (kind == "symlink")


def test_strange_names_are_deleted_as_they_are(sshd: Sshd, data: Path, root: Path, tmp_path: Path) -> None:
    strange = [b"a\nb", b"x\\#123", b"\xff\xfe", b"*", b"tab\t", b"-rf", b" "]
    for name in strange:
        (data / os.fsdecode(name)).write_text("x")
    source = sshd.source(str(root))
    source.pull(ALL, tmp_path / "mirror")
    for name in strange:
        (data / os.fsdecode(name)).unlink()
    pulled = source.pull(ALL, tmp_path / "mirror")

    assert pulled.deleted == len(strange)
    assert len(names(tmp_path / "mirror")) == 2


def test_a_source_that_empties_between_two_looks_deletes_only_what_was_judged(
    sshd: Sshd, root: Path, tmp_path: Path
) -> None:
    data = root / DATA.lstrip("/")
    many(data / "deep", 30)
    source = sshd.source(str(root))
    source.pull(ALL, tmp_path / "mirror")
    (data / "second").unlink()
    sshd.through(f'echo run >>"{tmp_path}/runs"; [ $(wc -l <"{tmp_path}/runs") = 1 ] || rm -rf "{data}/deep"')
    error = refusal(lambda: source.pull(STRICT, tmp_path / "mirror"))

    assert error.id == "sync.mass-deletion"
    assert len(names(tmp_path / "mirror")) == 32


def test_an_unchanged_service_is_one_rsync(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    source = sshd.source(str(root))
    source.pull(ALL, tmp_path / "mirror")
    sshd.through(f'echo "$SSH_ORIGINAL_COMMAND" >>"{tmp_path}/runs"')
    source.pull(ALL, tmp_path / "mirror")

    assert len((tmp_path / "runs").read_text().splitlines()) == 1


def test_every_run_of_a_pull_asks_for_the_same_paths(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    source = sshd.source(str(root))
    source.pull(ALL, tmp_path / "mirror")
    (root / DATA.lstrip("/") / "second").unlink()
    sshd.through(f'echo "$SSH_ORIGINAL_COMMAND" >>"{tmp_path}/runs"')
    source.pull(ALL, tmp_path / "mirror")
    source.pull(replace(ALL, compare=True, bandwidth=99999, quota=10**9), tmp_path / "mirror")
    runs = (tmp_path / "runs").read_text().splitlines()

    assert len(runs) == 3
    assert {run.partition(" . ")[0].split()[:3] == ["rsync", "--server", "--sender"] for run in runs} == {True}
    assert len({run.partition(" . ")[2] for run in runs}) == 1


def test_a_forged_report_names_nothing_outside_the_declared_paths() -> None:
    found = Extraneous(Pull(("/opt/app",), captured=("/opt/app/dump.sql",)))
    forged = [b"/etc/passwd", b"/opt/app/../../etc/passwd", b"/opt/apple", b"/opt/app/dump.sql", b"/opt/app//x"]
    for path in (*forged, b"/opt/app/gone"):
        found.add(Item(f"{DELETED}  ", 0, path, False))

    assert found.names == [b"/opt/app/gone"]


def test_deleting_follows_no_link_and_keeps_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    target, victim = tmp_path / "mirror", tmp_path / "victim"
    many(victim, 1)
    many(target, 1)
    (target / "link").symlink_to(victim)
    (target / "full").mkdir()
    (target / "full" / "captured").write_text("x")
    count = delete(target, [b"/link/0", b"/full/", b"/0", b"/never/was", b"/link"])

    assert count == 2
    assert (victim / "0").exists()
    assert names(target) == {"/full/captured"}


def test_the_error_tells_the_source(sshd: Sshd, root: Path, tmp_path: Path) -> None:
    source = sshd.source(str(root))
    source.pull(ALL, tmp_path / "mirror")
    shutil.rmtree(root / DATA.lstrip("/"))
    (root / DATA.lstrip("/")).mkdir()

    assert refusal(lambda: source.pull(ALL, tmp_path / "mirror")).message.startswith(f"{HOST}: ")
