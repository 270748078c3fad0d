"""Several service containers on one network of their own, brought up and down side by side.

with Fleet("notes-test", Path("/var/lib/backupcheck/notes-test"), (Notes, Photos)) as fleet:
    fleet.run("ssh", "-F", str(fleet.ssh.config), "notes", "cat", "/var/lib/notes/notes.txt")
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from backupcheck import proc
from backupcheck.errors import ToolFailed
from backupcheck.lxc.fixture import ServiceContainer, Surroundings
from backupcheck.lxc.network import LabNetwork, Port
from backupcheck.lxc.ssh import SshFolder
from backupcheck.lxc.sweep import sweep

SUBNET = ipaddress.IPv4Network("198.18.0.0/16")
FIRST_ADDRESS = 10


LAST_WORDS = 2000
"""Characters of a failed command's output that its error shows."""


class Fleet:
    """Services that can be reached from the backup host's side of a network, and from nowhere else.

    `name` is the network namespace's: one fleet of a name on a machine. `folder` keeps the containers,
    `ssh` (a folder below it unless given) the keys. A fleet is `kept` if it is to outlive this process,
    until `down`; otherwise `sweep` takes what a killed process left.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        services: Sequence[type[ServiceContainer]],
        *,
        ssh: Path | None = None,
        kept: bool = False,
    ) -> None:
        self.network = LabNetwork(name, SUBNET)
        self.folder = folder.absolute()
        self.ssh = SshFolder(ssh or self.folder / "ssh")
        self._kinds = services
        self._kept = kept
        self.services: dict[str, ServiceContainer] = {}

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def exec_prefix(self) -> tuple[str, ...]:
        """What to put before a command to run it on the backup host's side."""
        return self.network.exec_prefix

    def addresses(self) -> dict[str, str]:
        """Each service's name and address."""
        chosen = iter(SUBNET[FIRST_ADDRESS + number] for number in range(len(self._kinds)))
        return {kind.name: kind.address or str(next(chosen)) for kind in self._kinds}

    def up(self) -> None:
        """Bring everything up, or repair it. What is up already is left as it is."""
        self._make()
        sweep(self._containers)
        self.network.up()
        self.ssh.write(self.addresses())
        try:
            _side_by_side(service.up for service in self.services.values())
        except BaseException:
            if not self._kept:
                self.down()
            raise

    def down(self) -> None:
        """Destroy everything that `up` made, except the ssh keys."""
        self._make()
        _side_by_side(service.down for service in self.services.values())
        self.network.down()

    def status(self) -> dict[str, bool]:
        """Each service's name, and whether it is up and made by its present recipe."""
        self._make()
        return {name: self.network.is_up and service.is_up for name, service in self.services.items()}

    def run(self, *argv: str, timeout: float = 60.0) -> proc.Completed:
        """Run a command on the backup host's side. Raises `ToolFailed` with the end of all that it said."""
        try:
            return proc.run(proc.Command((*self.exec_prefix, *argv), timeout=timeout))
        except ToolFailed as error:
            said = error.stdout.decode("utf-8", "backslashreplace")[-LAST_WORDS:]
            message = f"{argv[0]} ended with status {error.code}:\n{said}{error.stderr[-LAST_WORDS:]}"
            raise ToolFailed(
                message, code=error.code, argv=argv, stdout=error.stdout, stderr=error.stderr
            ) from None

    @property
    def _containers(self) -> Path:
        return self.folder / "containers"

    def _make(self) -> None:
        for kind, address in zip(self._kinds, self.addresses().values(), strict=True):
            if kind.name not in self.services:
                port = Port(self.network, address)
                self.services[kind.name] = kind(Surroundings(self._containers, port, self.ssh, self._kept))


def _side_by_side(deeds: Iterable[Callable[[], None]]) -> None:
    """Do all of them, each in a thread, and raise the first error when all have ended."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        futures = [pool.submit(deed) for deed in deeds]
    for future in futures:
        future.result()
