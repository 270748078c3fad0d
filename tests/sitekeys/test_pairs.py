"""The key pairs: made once, never overwritten, and what keeps a key from being of use at night."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from backupcheck.errors import BackupcheckError, UsageError
from backupcheck.sitekeys.pairs import pairs
from backupcheck.spec import RepositorySpec, ScratchSpec, Site, SshSpec


def site(folder: Path, **ssh: Path) -> Site:
    return Site(
        site="home",
        mirror=folder / "mirror",
        repository=RepositorySpec(url="none", password_file=folder / "none"),
        ssh=SshSpec.model_validate(
            ssh or {"identity": folder / "keys/pull", "capture_identity": folder / "keys/capture"}
        ),
        scratch=ScratchSpec(folder=folder / "scratch"),
        reports=folder / "reports",
        state=folder / "state",
    )


def refused(of: Site) -> BackupcheckError:
    with pytest.raises(BackupcheckError) as caught:
        pairs(of)
    return caught.value


def test_two_pairs_are_made_that_only_their_owner_reads(tmp_path: Path) -> None:
    made = pairs(site(tmp_path))
    files = [tmp_path / "keys/pull", tmp_path / "keys/capture"]

    assert made.made == tuple(files)
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 2
    assert files[0].parent.stat().st_mode & 0o777 == 0o700
    assert made.pull.startswith("ssh-ed25519 ")
    assert made.pull.endswith(" backupcheck pull of home")
    assert made.capture.endswith(" backupcheck capture of home")
    assert [file.with_name(f"{file.name}.pub").read_text().strip() for file in files] == [made.pull, made.capture]


def test_pairs_that_are_there_are_left_as_they_are(tmp_path: Path) -> None:
    first = pairs(site(tmp_path))
    before = {file.name: file.read_bytes() for file in (tmp_path / "keys").iterdir()}
    second = pairs(site(tmp_path))

    assert (second.pull, second.capture, second.made) == (first.pull, first.capture, ())
    assert {file.name: file.read_bytes() for file in (tmp_path / "keys").iterdir()} == before


def test_the_public_key_is_the_private_ones_whatever_lies_beside_it(tmp_path: Path) -> None:
    made = pairs(site(tmp_path))
    (tmp_path / "keys/pull.pub").write_text(made.capture)

    assert pairs(site(tmp_path)).pull == made.pull


def test_a_public_key_without_its_private_one_is_not_written_over(tmp_path: Path) -> None:
    pairs(site(tmp_path))
    (tmp_path / "keys/pull").unlink()
    error = refused(site(tmp_path))

    assert error.id == "keys.half"
    assert (tmp_path / "keys/pull.pub").exists()


def test_a_site_without_keys_of_its_own_is_one_sentence(tmp_path: Path) -> None:
    named = tmp_path / "key"
    errors = [
        refused(site(tmp_path, known_hosts=named)),
        refused(site(tmp_path, identity=named)),
        refused(site(tmp_path, identity=named, capture_identity=named)),
    ]

    assert [type(error) for error in errors] == [UsageError] * 3
    assert "ssh.identity is not set" in errors[0].message
    assert "ssh.capture_identity is not set" in errors[1].message
    assert "the same file" in errors[2].message
    assert not named.exists()


def test_a_key_that_needs_a_person_is_named(tmp_path: Path) -> None:
    pairs(site(tmp_path))
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", tmp_path / "keys/pull"], check=True)
    error = refused(site(tmp_path))

    assert (error.id, error.message.rpartition(": ")[2]) == ("keys.unusable", "it has a passphrase")


@pytest.mark.parametrize("text", ["", "no key\n"])
def test_a_file_that_is_no_key_is_named_and_kept(text: str, tmp_path: Path) -> None:
    pairs(site(tmp_path))
    (tmp_path / "keys/capture").write_text(text)

    assert refused(site(tmp_path)).id == "keys.unusable"
    assert (tmp_path / "keys/capture").read_text() == text


def test_a_key_that_others_can_read_is_named(tmp_path: Path) -> None:
    pairs(site(tmp_path))
    (tmp_path / "keys/pull").chmod(0o644)

    assert refused(site(tmp_path)).advice == f"chmod 0600 {tmp_path}/keys/pull"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o500)

    assert refused(site(tmp_path)).id == "keys.unusable"
