"""A network for a lab that the machine's own network never sees: a namespace with a bridge in it."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import ScratchError, ToolFailed
from backupcheck.lxc.owner import checked

TEST_RANGE = ipaddress.IPv4Network("198.18.0.0/15")  # RFC 2544: for tests, routed nowhere
SMALL_SUBNET = ipaddress.IPv4Network("198.18.0.0/24")
BRIDGE = "br0"
SECONDS = 30.0


@dataclass(frozen=True)
class LabNetwork:
    """A network namespace with a bridge, on which the backup host has the subnet's first address.

    There is no route to anywhere else. The name is the machine's (`ip netns`): two labs on one machine
    need two names, but may use the same subnet.
    """

    name: str
    subnet: ipaddress.IPv4Network = SMALL_SUBNET

    def __post_init__(self) -> None:
        checked(self.name)
        if not self.subnet.subnet_of(TEST_RANGE):
            raise ValueError(f"{self.subnet} is not within {TEST_RANGE}")

    @property
    def host_address(self) -> str:
        """The backup host's own address on the bridge."""
        return str(self.subnet[1])

    @property
    def exec_prefix(self) -> tuple[str, ...]:
        """What to put before a command to run it on the backup host's side of the lab.

        Not `ip netns exec`: that hides /sys/fs/cgroup, and then no LXC box starts.
        """
        return ("nsenter", f"--net={self._handle}", "--")

    @property
    def is_up(self) -> bool:
        """Whether the namespace exists."""
        return self._handle.exists()

    @property
    def _handle(self) -> Path:
        return Path("/run/netns") / self.name

    def up(self) -> None:
        """Make what is missing; raises `ScratchError` if that cannot be."""
        if not self.is_up:
            self._ip("netns", "add", self.name)
        if BRIDGE not in self._said("-brief", "link"):
            self._inside("link", "add", BRIDGE, "type", "bridge")
        if self.host_address not in self._said("-brief", "address"):
            self._inside("address", "add", f"{self.host_address}/{self.subnet.prefixlen}", "dev", BRIDGE)
        self._inside("link", "set", "lo", "up")
        self._inside("link", "set", BRIDGE, "up")

    def down(self) -> None:
        """Remove the namespace and all in it; nothing happens if there is none. Containers go first."""
        if self.is_up:
            self._ip("netns", "delete", self.name, cleanup=True)

    def join(self, interface: str) -> None:
        """Put a container's outer end of a veth pair on the bridge."""
        self._inside("link", "set", "dev", interface, "master", BRIDGE, "up")

    def _said(self, *words: str) -> str:
        return self._ip("-netns", self.name, *words)

    def _inside(self, *words: str) -> None:
        self._ip("-netns", self.name, *words)

    def _ip(self, *words: str, cleanup: bool = False) -> str:
        try:
            return proc.run(proc.Command(("ip", *words), timeout=SECONDS, cleanup=cleanup)).text
        except ToolFailed as error:
            raise ScratchError(f"the network {self.name} cannot be made: {error.stderr.strip()}") from error


@dataclass(frozen=True)
class Port:
    """A container's place on a lab's network."""

    network: LabNetwork
    address: str

    def __post_init__(self) -> None:
        if ipaddress.IPv4Address(self.address) not in self.network.subnet:
            raise ValueError(f"{self.address} is not within {self.network.subnet}")

    def interface(self, full_name: str) -> str:
        """The name of the outer end of the veth pair: at most 15 characters, the container's own."""
        return "v" + hashlib.sha256(full_name.encode()).hexdigest()[:12]

    @property
    def hardware_address(self) -> str:
        """Always the same for an address: a container made anew is found at once, not when ARP has forgotten."""
        return "02:00:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(self.address).packed)

    def settings(self, full_name: str) -> tuple[tuple[str, str], ...]:
        """LXC's configuration of the container's network."""
        return (
            ("lxc.net.0.type", "veth"),
            ("lxc.net.0.veth.pair", self.interface(full_name)),
            ("lxc.net.0.name", "eth0"),
            ("lxc.net.0.hwaddr", self.hardware_address),
            ("lxc.net.0.flags", "up"),
            ("lxc.net.0.ipv4.address", f"{self.address}/{self.network.subnet.prefixlen}"),
        )
