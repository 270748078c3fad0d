"""The lab as a whole: seven containers, a network, and the folders of the site that backs them up."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import UsageError
from backupcheck.lxc import Fleet
from tests.lab.service import LabService
from tests.lab.services.authelia import Authelia
from tests.lab.services.caddy import Caddy
from tests.lab.services.jellyfin import Jellyfin
from tests.lab.services.lldap import Lldap
from tests.lab.services.mealie import Mealie
from tests.lab.services.vault import Vault
from tests.lab.services.wishlist import Wishlist

SERVICES: tuple[type[LabService], ...] = (Mealie, Caddy, Wishlist, Jellyfin, Vault, Authelia, Lldap)
REPOSITORY_ROOT = Path(__file__).resolve().parents[2]
LABS = Path("/var/lib/backupcheck/labs")
DEFAULT_SEED = 20260901


@dataclass(frozen=True)
class Paths:
    """Where the lab's site keeps what; all of it below `.lab/`, except what containers must reach."""

    state: Path
    """The `.lab` folder."""
    ssh: Path
    ssh_config: Path
    mirror: Path
    repository: Path
    password_file: Path
    history: Path
    reports: Path
    scratch: Path
    """For boxes: every folder above it can be entered by containers, which is not true of /root."""

    def make(self, password: str) -> None:
        """Make the folders and, if it is missing, the repository's password file."""
        for folder in (self.state, self.mirror, self.history, self.reports, self.scratch):
            folder.mkdir(parents=True, exist_ok=True)
        self.mirror.chmod(0o700)
        link = self.state / "scratch"
        if not link.is_symlink():
            link.symlink_to(self.scratch)
        if not self.password_file.exists():
            descriptor = os.open(self.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{password}\n")


class Lab:
    """Seven services, as on the homelab, made again exactly from the same seed (except sshd's and Caddy's keys).

    `name` is the network namespace's: `$LAB_NAME`, else derived from the checkout's path, so that two
    checkouts can each have a lab on one machine. `state` is `.lab` in the checkout unless given. A lab
    outlives this process; `down` ends it.
    """

    def __init__(self, *, name: str = "", state: Path | None = None, seed: int = DEFAULT_SEED) -> None:
        self.name = name or os.environ.get("LAB_NAME") or default_name()
        self.seed = seed
        self.paths = paths(state or REPOSITORY_ROOT / ".lab", LABS / self.name)
        kinds = tuple(kind.of_seed(seed) for kind in SERVICES)
        self.fleet = Fleet(self.name, LABS / self.name, kinds, ssh=self.paths.ssh, kept=True)

    @property
    def exec_prefix(self) -> tuple[str, ...]:
        """What to put before a command to run it on the backup host's side of the lab's network."""
        return self.fleet.exec_prefix

    def up(self) -> Lab:
        """Bring the lab up, or repair it: fast if all is well."""
        self.paths.make(password=f"{random.Random(f'{self.seed}:restic').getrandbits(128):032x}")
        self.fleet.up()
        return self

    def down(self) -> None:
        """End it: no container, namespace, mount or process remains. The folder `.lab` does."""
        self.fleet.down()
        shutil.rmtree(self.fleet.folder, ignore_errors=True)

    def status(self) -> dict[str, bool]:
        """Each service's name, and whether it is up and made by this code and seed."""
        return self.fleet.status()

    def shell(self, name: str) -> tuple[str, ...]:
        """The command that opens a shell in a service's container, as the backup host would: by ssh."""
        if name not in self.fleet.addresses():
            raise UsageError(f"no service is called {name}; there are {', '.join(self.fleet.addresses())}")
        return (*self.exec_prefix, "ssh", "-F", str(self.paths.ssh_config), "-t", name)

    def run(self, *argv: str, timeout: float = 60.0) -> proc.Completed:
        """Run a command on the backup host's side."""
        return self.fleet.run(*argv, timeout=timeout)

    def ssh(self, name: str, command: str, timeout: float = 60.0) -> proc.Completed:
        """Run a shell command on a service, by ssh."""
        return self.run("ssh", "-F", str(self.paths.ssh_config), name, command, timeout=timeout)


def paths(state: Path, reachable: Path) -> Paths:
    """The lab's places below `state`, and below `reachable` what containers must be able to enter."""
    return Paths(
        state=state,
        ssh=state / "ssh",
        ssh_config=state / "ssh" / "config",
        mirror=state / "mirror",
        repository=state / "repository",
        password_file=state / "password",
        history=state / "state",
        reports=state / "reports",
        scratch=reachable / "scratch",
    )


def default_name(checkout: Path = REPOSITORY_ROOT) -> str:
    """A name of this checkout's own."""
    return f"lab-{hashlib.sha256(str(checkout).encode()).hexdigest()[:8]}"
