"""A command to run inside a container, and the `lxc-attach` that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

# Passed as lxc-attach's own arguments, because setting them in lxc-attach's environment would change
# lxc-attach itself. All other variables go by the environment, where `ps` does not show them.
SHOWN = ("PATH", "HOME", "USER", "LOGNAME", "LC_ALL", "LANG", "TMPDIR")
DEFAULTS = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "LANG": "C.UTF-8",
}


@dataclass(frozen=True)
class Inside:
    """What to run in a container; the fields mean what they mean in `proc.Command`.

    `user` is a name known in the container, or a number that is used as uid and gid without further
    groups. `env` is added to a small fixed environment: nothing of the caller's own gets in.
    """

    argv: tuple[str, ...]
    timeout: float = 60.0
    stdin: bytes = b""
    user: str | int = "root"
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    accept: frozenset[int] = frozenset({0})
    secrets: tuple[str, ...] = ()
    cleanup: bool = False
    stdout: IO[bytes] | None = None

    def attach_arguments(self) -> tuple[str, ...]:
        """The arguments of lxc-attach after those that name the container."""
        shown = {**DEFAULTS, **{name: value for name, value in self.env.items() if _is_shown(name)}}
        arguments = ["--clear-env"]
        arguments += [f"--set-var={name}={value}" for name, value in shown.items()]
        arguments += [f"--keep-var={name}" for name in self.hidden_environment()]
        return (*arguments, "--", *self._as_user(), *self._in_folder(), *self.argv)

    def hidden_environment(self) -> dict[str, str]:
        """The variables that lxc-attach is to hand on from its own environment."""
        return {name: value for name, value in self.env.items() if not _is_shown(name)}

    def _as_user(self) -> tuple[str, ...]:
        if self.user in ("root", 0):
            return ()
        if isinstance(self.user, int):
            return ("setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--")
        return ("runuser", "-u", self.user, "--")

    def _in_folder(self) -> tuple[str, ...]:
        return () if self.cwd == "/" else ("env", f"--chdir={self.cwd}", "--")


def _is_shown(name: str) -> bool:
    return name in SHOWN or name.startswith("LD_")
