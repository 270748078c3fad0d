"""A container's control groups, of version 1 and 2: which limits can be set, and what is left to end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from backupcheck.lxc.config import Limits

ROOT = Path("/sys/fs/cgroup")
KEYS = {
    "memory": ("memory.limit_in_bytes", "memory.max"),
    "pids": ("pids.max", "pids.max"),
}


def hierarchy(controller: str) -> int | None:
    """1 or 2: the version that has `controller` on this machine; None if neither has it."""
    if (ROOT / controller / "cgroup.procs").exists():
        return 1
    with contextlib.suppress(FileNotFoundError):
        if controller in (ROOT / "cgroup.controllers").read_text().split():
            return 2
    return None


def settings(limits: Limits) -> tuple[tuple[str, str], ...]:
    """The lines of LXC's configuration that set what can be set here."""
    lines = []
    for controller, value in _wanted(limits):
        version = hierarchy(controller)
        if version is not None:
            prefix = "lxc.cgroup" if version == 1 else "lxc.cgroup2"
            lines.append((f"{prefix}.{KEYS[controller][version - 1]}", str(value)))
            if controller == "memory" and version == 2 and any(ROOT.glob("*/memory.swap.max")):
                lines.append(("lxc.cgroup2.memory.swap.max", "0"))
    return tuple(lines)


def unapplied(limits: Limits, init_pid: int) -> tuple[str, ...]:
    """A sentence for each limit that does not hold for the container, looked up in its own groups."""
    complaints = []
    for controller, value in _wanted(limits):
        actual = _actual(controller, init_pid)
        if actual is None or actual > value:
            complaints.append(f"the limit on {controller} ({value}) could not be applied on this machine")
    return tuple(complaints)


def _wanted(limits: Limits) -> Iterator[tuple[str, int]]:
    if limits.memory is not None:
        yield "memory", limits.memory
    if limits.pids is not None:
        yield "pids", limits.pids


def _actual(controller: str, pid: int) -> int | None:
    """The smallest value in the process's group and those above it."""
    version = hierarchy(controller)
    if version is None:
        return None
    top = ROOT / controller if version == 1 else ROOT
    values = []
    group = top / _group(controller if version == 1 else "", pid)
    while group != top:
        with contextlib.suppress(FileNotFoundError, ValueError):
            values.append(int((group / KEYS[controller][version - 1]).read_text()))
        group = group.parent
    return min(values, default=None)


def _group(controller: str, pid: int) -> str:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.lstrip("/")
    return ""


def of_container(full_name: str) -> list[Path]:
    """The groups that LXC made for the container in every hierarchy, the innermost first."""
    tops = [path for path in (ROOT, *ROOT.iterdir()) if (path / "cgroup.procs").exists()]
    own = [group for top in tops for group in top.glob("lxc.*") if is_of(group.name, full_name)]
    return sorted((Path(path) for group in own for path, _, _ in os.walk(group)), key=lambda p: -len(p.parts))


def is_of(group: str, full_name: str) -> bool:
    """Whether LXC gives the container a group of this name; it adds `-1` and so on if one is there already."""
    return re.fullmatch(rf"lxc\.(payload|monitor|pivot)\.{re.escape(full_name)}(-\d+)?", group) is not None


def end(full_name: str, within: float = 10.0) -> None:
    """Kill every process of the container, its monitor included, and remove its groups."""
    deadline = time.monotonic() + within
    while groups := of_container(full_name):
        for pid in _members(groups):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for group in groups:
            with contextlib.suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            return
        if of_container(full_name):
            time.sleep(0.02)


def _members(groups: list[Path]) -> set[int]:
    found: set[int] = set()
    for group in groups:
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
    return found
