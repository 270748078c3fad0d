"""Which disks a folder of this machine lies on: what two places share, they lose together."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

REMOTE = re.compile(r"(//)?(?:[^@/]*@)?(?P<host>\[[^]]+\]|[^:/]+)(:|/)")
"""How a network's file system names its server: `nas:/export`, `//nas/share`, `user@nas:/folder`."""
OVER_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "9p")
DEEPEST = 16


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    point: str
    device: str
    type: str
    source: str


def disks(place: Path, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> frozenset[str]:
    """The disks, pool or server that hold a place, in words; of one that is not there yet, those of the folder
    that it would lie in. Raises `OSError`.

    Partitions, LVM, RAID, encryption and files mounted as disks are followed to the disks below them, as far as
    the kernel shows them here; what is not shown is named by its device number.
    """
    return _disks(place, proc, sys, 0)


def _disks(place: Path, proc: Path, sys: Path, depth: int) -> frozenset[str]:
    real = Path(os.path.realpath(place))
    there = next(each for each in (real, *real.parents) if each.exists())
    mount = _mount(there, (proc / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
    number = there.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    if mount is None:
        return frozenset({f"device {device}"})
    if mount.type == "zfs":
        return frozenset({f"pool {mount.source.partition('/')[0]}"})
    if mount.type in OVER_NETWORK and (server := REMOTE.match(mount.source)):
        return frozenset({f"server {server['host']}"})
    if os.major(number) == 0 and mount.source.startswith("/dev/"):  # btrfs: a number of its own a subvolume
        try:
            block = Path(mount.source).stat().st_rdev
            device = f"{os.major(block)}:{os.minor(block)}"
        except OSError:
            return frozenset({f"disk {mount.source}"})
    return _below(device, proc, sys, depth)


def _mount(place: Path, mountinfo: str) -> Mount | None:
    """The mount that a place is seen through: the deepest, of several at one point the last."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        own, _, rest = line.partition(" - ")
        words, others = own.split(), rest.split()
        if len(words) < 5 or len(others) < 2:
            continue
        mount = Mount(_plain(words[4]), words[2], others[0], _plain(others[1]))
        if place.is_relative_to(mount.point) and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    return found


def _plain(word: str) -> str:
    """The kernel writes blanks and the like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)


def _below(device: str, proc: Path, sys: Path, depth: int) -> frozenset[str]:
    """The disks that a block device is made of."""
    link = sys / "dev" / "block" / device
    if not link.exists() or depth > DEEPEST:
        return frozenset({f"device {device}"})
    folder = link.resolve()
    if (folder / "partition").exists():
        folder = folder.parent
    backing = folder / "loop" / "backing_file"
    if backing.exists() and (file := Path(backing.read_text().rstrip("\n"))).exists():
        return _disks(file, proc, sys, depth + 1)
    parts = [(part / "dev").read_text().strip() for part in sorted((folder / "slaves").glob("*"))]
    below = [_below(part, proc, sys, depth + 1) for part in parts]
    return frozenset().union(*below) if below else frozenset({f"disk {folder.name}"})
