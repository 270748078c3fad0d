"""A real OpenSSH server on a loopback port, with a host key and an authorized key of its own."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.proc import Command
from backupcheck.remote import Ssh, SshAccess

HOST = "source"
CONFIG = """
Port {port}
ListenAddress 127.0.0.1
ListenAddress ::1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
MaxStartups 100
KexAlgorithms curve25519-sha256
PrintLastLog no
Subsystem sftp internal-sftp
"""


class Sshd:
    """One server and how to reach it: `running` starts it and ends it; the rest changes what it allows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "a site 100%h"
        self.site.mkdir()
        self.port = _free_port()
        self.user = getpass.getuser()
        self.through("")
        for key in (folder / "host_key", self.site / "user_key", self.site / "another"):
            make_key(key)
        self.authorize()
        self.pin()

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path, config: str = "") -> Iterator[Sshd]:
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
        if program is None:
            pytest.skip("there is no sshd")
        with contextlib.suppress(PermissionError):
            Path("/run/sshd").mkdir(exist_ok=True, mode=0o755)
        folder.mkdir(parents=True, exist_ok=True)
        server = cls(folder)
        (folder / "sshd_config").write_text(CONFIG.format(port=server.port, folder=folder) + config)
        command = Command((program, "-D", "-e", "-f", str(folder / "sshd_config")), timeout=600, cleanup=True)
        with proc.started(command) as started:
            _wait(server.port, started)
            yield server

    @property
    def access(self) -> SshAccess:
        return SshAccess(self.user, self.site / "user_key", self.site / "known_hosts", self._config(self.port))

    def source(self, root: str = "/") -> Ssh:
        """The machine behind the server, by the name that the ssh configuration gives it."""
        return Ssh(HOST, self.access, root)

    def authorize(self, *names: str) -> None:
        """Accept these keys, by default the one that `access` offers; there is also `another`, and no `none`."""
        keys = [self.site / f"{name}.pub" for name in names or ("user_key",)]
        lines = [f'command="{self.folder}/login" {key.read_text()}' for key in keys if key.exists()]
        (self.folder / "authorized_keys").write_text("".join(lines))

    def pin(self, key: Path | None = None) -> None:
        """Make this public key the only one that is known of the host; by default the one that it has."""
        known = (key or self.folder / "host_key.pub").read_text()
        (self.site / "known_hosts").write_text(f"[127.0.0.1]:{self.port},[::1]:{self.port} {known}")

    def through(self, script: str) -> None:
        """What every login runs first, as a login script would; `exec "$@"` at its end takes the command over."""
        login = self.folder / "login"
        login.write_text(f'#!/bin/sh\nset -- sh -c "$SSH_ORIGINAL_COMMAND"\n{script}\nexec "$@"\n')
        login.chmod(0o755)

    def elsewhere(self, port: int) -> Ssh:
        """The same access to another port."""
        return Ssh(HOST, replace(self.access, config=self._config(port), patience=2))

    def _config(self, port: int) -> Path:
        file = self.site / f"ssh_config_{port}"
        if not file.exists():  # an ssh of another thread may be reading it
            file.write_text(f"Host {HOST}\n  HostName 127.0.0.1\nHost *\n  Port {port}\n")
        return file


def make_key(file: Path) -> None:
    """A new key pair: `file` and `file`.pub."""
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file)]
    subprocess.run(words, check=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait(port: int, server: proc.Started) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if not server.running:
            break
        time.sleep(0.02)
    raise AssertionError(f"sshd does not listen: {server.stderr_text()}")
