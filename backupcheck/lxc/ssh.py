"""The backup host's side of ssh: its key pair, the containers' pinned host keys, one configuration file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from backupcheck import proc


@dataclass(frozen=True)
class SshFolder:
    """A folder with all that `ssh -F <folder>/config NAME` needs; nothing of ~/.ssh is used."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration file: an alias for each container."""
        return self.path / "config"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys; no other key is accepted, and none is learned."""
        return self.path / "known_hosts"

    @property
    def private_key(self) -> Path:
        """The backup host's key, made if it is missing."""
        return self._key("id_ed25519")

    @property
    def public_key(self) -> str:
        """The line for an `authorized_keys`."""
        return self._public(self.private_key)

    def host_key(self, name: str) -> Path:
        """The private key of the container's sshd, made if it is missing."""
        return self._key(f"host_{name}_ed25519")

    def write(self, addresses: dict[str, str]) -> None:
        """Write `known_hosts` and `config` for the containers of these names and addresses."""
        self.known_hosts.write_text("".join(f"{name} {self._public(self.host_key(name))}\n" for name in addresses))
        common = (
            "Host *\n"
            "    User root\n"
            f'    IdentityFile "{self.private_key}"\n'
            f'    UserKnownHostsFile "{self.known_hosts}"\n'
            "    GlobalKnownHostsFile /dev/null\n"
            "    IdentitiesOnly yes\n"
            "    StrictHostKeyChecking yes\n"
            "    BatchMode yes\n"
            "    ConnectTimeout 10\n"
        )
        hosts = (
            f"Host {name}\n    HostName {address}\n    HostKeyAlias {name}\n"
            for name, address in addresses.items()
        )
        self.config.write_text("".join(hosts) + common)

    def _key(self, name: str) -> Path:
        path = self.path / name
        if not path.exists():
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            proc.run(
                proc.Command(
                    ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "backupcheck", "-f", str(path)),
                    timeout=30,
                )
            )
        return path

    def _public(self, private: Path) -> str:
        kind, key = private.with_name(private.name + ".pub").read_text().split()[:2]
        return f"{kind} {key}"
