"""What a container is made of, and the configuration file that LXC reads: pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

FIRST_ID = 100_000
ID_COUNT = 65_536

# What a box's root may still do inside its user namespace; everything else is dropped.
BOX_CAPABILITIES = "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap net_bind_service"
SYSTEMD_DROPS = "mac_admin mac_override sys_module sys_rawio sys_time"

# A loopback of its own, so that a server in the box can be asked, and nothing else.
NO_NETWORK = (("lxc.net.0.type", "empty"), ("lxc.net.0.flags", "up"))


class Init(enum.Enum):
    """The first process: a whole systemd, or one that sleeps and reaps for a box of single commands."""

    SYSTEMD = "/sbin/init"
    SLEEP = "/usr/bin/catatonit -P"


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host that is seen at `target` in the container.

    `true_owners` maps ids so that owner 1234 outside is 1234 inside; the data may then lie unshifted on
    the host's disk. Without it, the host's ids below 100000 are seen as nobody's.
    """

    source: Path
    target: str
    read_only: bool = True
    true_owners: bool = True


@dataclass(frozen=True)
class Limits:
    """The most that a container may take: bytes of memory, processes, bytes of its own writable layer.

    With `disk` the writable layer is a tmpfs of that size: fast, and gone with the container, but what
    is written to it counts as memory. Mounts are not part of the layer.
    """

    memory: int | None = None
    pids: int | None = None
    disk: int | None = None


UNLIMITED = Limits()


@dataclass(frozen=True)
class Settings:
    """All that goes into a container's configuration file."""

    hostname: str
    layers: tuple[Path, ...]
    delta: Path
    init: Init
    mounts: tuple[Mount, ...] = ()
    cgroup: tuple[tuple[str, str], ...] = ()
    network: tuple[tuple[str, str], ...] = NO_NETWORK


def written(settings: Settings) -> str:
    """The configuration as LXC's own text, one `key = value` a line."""
    lines = [
        ("lxc.include", "/usr/share/lxc/config/common.conf"),
        ("lxc.include", "/usr/share/lxc/config/userns.conf"),
        ("lxc.idmap", f"u 0 {FIRST_ID} {ID_COUNT}"),
        ("lxc.idmap", f"g 0 {FIRST_ID} {ID_COUNT}"),
        ("lxc.apparmor.profile", "unconfined"),
        ("lxc.uts.name", settings.hostname),
        ("lxc.rootfs.path", overlay(settings.layers, settings.delta)),
        ("lxc.init.cmd", settings.init.value),
        *(_box() if settings.init is Init.SLEEP else (("lxc.cap.drop", SYSTEMD_DROPS),)),
        *settings.cgroup,
        *settings.network,
        *(("lxc.mount.entry", entry(mount)) for mount in settings.mounts),
    ]
    for key, value in lines:
        if "\n" in value:
            raise ValueError(f"{key} cannot hold a line break: {value!r}")
    return "".join(f"{key} = {value}\n" for key, value in lines)


def overlay(layers: tuple[Path, ...], delta: Path) -> str:
    """LXC's spelling of an overlay: the uppermost read-only layer first, the writable one last."""
    paths = [*layers, delta]
    for path in paths:
        if any(character in str(path) for character in ":,\\\n"):
            raise ValueError(f"an overlay's path cannot hold a colon, comma or backslash: {path}")
    return "overlay:" + ":".join(str(path) for path in paths)


def _box() -> tuple[tuple[str, str], ...]:
    return (
        ("lxc.cap.keep", BOX_CAPABILITIES),
        ("lxc.no_new_privs", "1"),
        ("lxc.mount.auto", ""),
        ("lxc.mount.auto", "proc:mixed sys:ro"),
        ("lxc.mount.entry", "tmpfs dev/shm tmpfs rw,nosuid,nodev,mode=1777,create=dir 0 0"),
    )


def entry(mount: Mount) -> str:
    """One line in the style of fstab."""
    options = ["bind", "create=dir" if mount.source.is_dir() else "create=file"]
    if mount.read_only:
        options.append("ro")
    if mount.true_owners:
        options.append("idmap=container")
    target = mount.target.lstrip("/")
    return f"{escaped(str(mount.source))} {escaped(target)} none {','.join(options)} 0 0"


def escaped(path: str) -> str:
    """`path` as fstab wants it: blanks, line breaks and backslashes in octal."""
    return "".join(f"\\{ord(character):03o}" if character in " \t\n\\#" else character for character in path)
