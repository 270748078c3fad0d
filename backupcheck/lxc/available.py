"""Whether classic LXC can be used on this machine, and if not, why not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PROGRAMS = {
    "lxc-start": "lxc",
    "lxc-attach": "lxc",
    "lxc-stop": "lxc",
    "lxc-info": "lxc",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "tar": "tar",
}
CONFIGURATION = Path("/usr/share/lxc/config/userns.conf")


def why_not() -> str | None:
    """One sentence that says why LXC cannot be used here, or None when nothing is known against it."""
    if os.geteuid() != 0:
        return "LXC boxes need root: run it as root, or choose the engine `process`."
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            return f"{program} is missing: install the package {package}."
    if not CONFIGURATION.is_file():
        return f"{CONFIGURATION} is missing: install LXC's own configuration (package lxc)."
    return _what_the_kernel_lacks()


def _what_the_kernel_lacks() -> str | None:
    if not Path("/proc/self/ns/user").exists() or _number("/proc/sys/user/max_user_namespaces") == 0:
        return "The kernel has no user namespaces, or none are allowed (user.max_user_namespaces)."
    if not _knows_overlay():
        return "The kernel has no overlay file system, and its module cannot be loaded."
    if not any(Path("/sys/fs/cgroup").glob("*")):
        return "There are no control groups below /sys/fs/cgroup."
    return None


def _knows_overlay() -> bool:
    if _listed_file_system("overlay"):
        return True
    release = os.uname().release
    return any(Path(f"/lib/modules/{release}").glob("kernel/fs/overlayfs/overlay.ko*"))


def _listed_file_system(name: str) -> bool:
    return any(line.split()[-1:] == [name] for line in Path("/proc/filesystems").read_text().splitlines())


def _number(path: str) -> int:
    try:
        return int(Path(path).read_text())
    except (FileNotFoundError, ValueError):
        return -1
