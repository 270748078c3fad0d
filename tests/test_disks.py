"""Disks below folders: those of this machine, and a kernel's view of others, made by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backupcheck.disks import disks

SHARED_MEMORY = Path("/dev/shm")


def seen(root: Path, place: Path, type: str, source: str) -> frozenset[str]:
    """The disks of a place that is mounted so; the kernel's view lies in `root`."""
    (root / "proc" / "self").mkdir(parents=True, exist_ok=True)
    point = str(place).replace(" ", r"\040")
    lines = [
        "1 0 0:1 / / rw - ext4 /dev/root rw",
        f"2 1 0:2 / {point} rw,relatime shared:1 - {type} {source} rw",
    ]
    (root / "proc" / "self" / "mountinfo").write_text("\n".join(lines) + "\n")
    return disks(place / "deep" / "er", root / "proc", root / "sys")


def block(root: Path, device: str, name: str, *slaves: str, partition_of: str = "") -> None:
    """A block device in the kernel's view; its slaves by their numbers."""
    folder = root / "sys" / "devices" / partition_of / name
    (folder / "slaves").mkdir(parents=True)
    (folder / "dev").write_text(f"{device}\n")
    if partition_of:
        (folder / "partition").write_text("1\n")
    for slave in slaves:
        (folder / "slaves" / slave.replace(":", "-")).symlink_to(root / "sys" / "dev" / "block" / slave)
    link = root / "sys" / "dev" / "block" / device
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(folder)


def number(place: Path) -> str:
    device = place.stat().st_dev
    return f"{os.major(device)}:{os.minor(device)}"


def test_two_folders_of_one_file_system_share_their_disks(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    assert disks(tmp_path / "a") == disks(tmp_path / "not" / "there" / "yet") != frozenset()


@pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="there is no /dev/shm")
def test_memory_is_not_the_disk(tmp_path: Path) -> None:
    if SHARED_MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("the tests' own folder lies in memory")

    assert disks(tmp_path).isdisjoint(disks(SHARED_MEMORY))


def test_a_symlink_counts_where_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/proc")

    assert disks(tmp_path / "link") == disks(Path("/proc")) != disks(tmp_path)


def test_datasets_of_one_pool_share_it(tmp_path: Path) -> None:
    assert seen(tmp_path, tmp_path, "zfs", "tank/subvol-101-disk-0") == {"pool tank"}


@pytest.mark.parametrize(
    ("type", "source"),
    [("nfs4", "nas:/export"), ("cifs", "//nas/share"), ("fuse.sshfs", "me@nas:/folder"), ("nfs", "nas:/")],
)
def test_what_a_server_holds_is_the_servers(tmp_path: Path, type: str, source: str) -> None:
    assert seen(tmp_path, tmp_path, type, source) == {"server nas"}


def test_a_name_with_a_blank_is_found_in_the_mounts(tmp_path: Path) -> None:
    (tmp_path / "a disk").mkdir()

    assert seen(tmp_path, tmp_path / "a disk", "nfs", "nas:/x") == {"server nas"}


def test_volumes_partitions_and_raids_are_followed_to_their_disks(tmp_path: Path) -> None:
    block(tmp_path, "8:0", "sda")
    block(tmp_path, "8:1", "sda1", partition_of="sda")
    block(tmp_path, "8:16", "sdb")
    block(tmp_path, "9:0", "md0", "8:1", "8:16")
    block(tmp_path, number(tmp_path), "dm-0", "9:0")

    assert seen(tmp_path, tmp_path, "ext4", "/dev/mapper/data") == {"disk sda", "disk sdb"}


def test_what_the_kernel_does_not_show_is_named_by_its_number(tmp_path: Path) -> None:
    assert seen(tmp_path, tmp_path, "ext4", "/dev/vda1") == {f"device {number(tmp_path)}"}
