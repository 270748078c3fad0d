"""A service in a container that is reached as a real host is: systemd, sshd with a pinned key, an address.

    class Notes(ServiceContainer):
        name = "notes"

        def populate(self) -> None:
            self.container.write("/var/lib/notes/notes.txt", b"buy milk")

A `Fleet` brings some of them up side by side.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from backupcheck.errors import BackupcheckError, ScratchError
from backupcheck.lxc.config import Init, Limits, Mount
from backupcheck.lxc.container import Container, Plan
from backupcheck.lxc.image import Image
from backupcheck.lxc.images import SERVICE
from backupcheck.lxc.inside import Inside
from backupcheck.lxc.network import Port
from backupcheck.lxc.ssh import SshFolder
from backupcheck.lxc.transfer import Entry

MARKER = "/etc/backupcheck-fixture"
PRIVATE = Entry(mode=0o600)


@dataclass(frozen=True)
class Surroundings:
    """What a fleet gives to each of its services."""

    folder: Path
    port: Port
    ssh: SshFolder
    kept: bool


class ServiceContainer:
    """Derive from it: name the service, and put its data in place in `populate`.

    `image` must contain what `SERVICE` contains (make it with `parent=SERVICE`). `address` is the one on
    the fleet's network; if it is empty the fleet chooses. `recipe` says what the data is made from: a
    container whose recipe has changed is made anew by the next `up`.
    """

    name: ClassVar[str]
    address: ClassVar[str] = ""
    image: ClassVar[Image] = SERVICE
    limits: ClassVar[Limits] = Limits(disk=512 * 2**20)
    mounts: ClassVar[tuple[Mount, ...]] = ()

    def __init__(self, surroundings: Surroundings) -> None:
        self.surroundings = surroundings
        plan = Plan(
            name=self.name,
            layers=(self.image.ensure(),),
            folder=surroundings.folder,
            init=Init.SYSTEMD,
            mounts=self.mounts,
            limits=self.limits,
            port=surroundings.port,
            kept=surroundings.kept,
        )
        self.container = Container(plan)

    def populate(self) -> None:
        """Put the service's data in place; the container's systemd runs, its sshd does not yet."""

    def recipe(self) -> str:
        """What the data is made from, for instance a seed."""
        return ""

    @property
    def is_up(self) -> bool:
        """Whether it runs and was made by this recipe."""
        if not self.container.is_running:
            return False
        with contextlib.suppress(BackupcheckError):
            return self.container.read(MARKER).decode() == self._recipe()
        return False

    def up(self) -> None:
        """Bring it up, or repair it; returns when ssh answers and systemd says `running`."""
        if self.is_up:
            self.container.wait_until_running()  # it may have been started a moment ago
            self.container.run(Inside(("systemctl", "start", "ssh")))
            return
        self.container.destroy()
        self.container.start()
        self.container.wait_until_running()
        self._accept_the_backup_host()
        self.populate()
        self.container.run(Inside(("systemctl", "enable", "--now", "--quiet", "ssh")))
        self.container.wait_until_running()
        self.container.write(MARKER, self._recipe().encode())

    def down(self) -> None:
        """Destroy it; nothing happens if there is none."""
        self.container.destroy()

    def enable(self, *units: str) -> None:
        """Start systemd units, now and after each start of the container."""
        self.container.run(Inside(("systemctl", "enable", "--now", "--quiet", *units), timeout=120))

    def wait_for(self, path: str, within: float = 30.0) -> bytes:
        """The bytes of a file that the service writes itself, as soon as there are any."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            found = self.container.run(Inside(("cat", "--", path), accept=frozenset({0, 1})))
            if found.stdout:
                return found.stdout
            time.sleep(0.1)
        raise ScratchError(f"{self.name} has not made {path} within {within:g} s")

    def _accept_the_backup_host(self) -> None:
        ssh = self.surroundings.ssh
        host_key = ssh.host_key(self.name)
        self.container.write("/etc/ssh/ssh_host_ed25519_key", host_key.read_bytes(), PRIVATE)
        self.container.write("/etc/ssh/ssh_host_ed25519_key.pub", host_key.with_suffix(".pub").read_bytes())
        self.container.write("/etc/ssh/sshd_config.d/fixture.conf", b"HostKey /etc/ssh/ssh_host_ed25519_key\n")
        self.container.run(Inside(("install", "-d", "-m", "0700", "/root/.ssh")))
        self.container.write("/root/.ssh/authorized_keys", f"{ssh.public_key}\n".encode(), PRIVATE)

    def _recipe(self) -> str:
        made_from = f"{type(self).__name__}\n{self.image.key}\n{self.recipe()}\n{self.surroundings.ssh.public_key}"
        return hashlib.sha256(made_from.encode()).hexdigest()
