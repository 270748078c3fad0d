"""A site whose two services live on one machine behind a real sshd, with names that a shell would take apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from backupcheck.sitekeys.destinations import Machine, machines
from backupcheck.sitekeys.lines import Lines, lines
from backupcheck.sitekeys.pairs import pairs
from backupcheck.spec import Site, Spec, load_site, load_specs
from tests.sshd import HOST, Sshd

ODD = '/opt/an app/it\'s $HOME "x" [1] * \\ #;&é/'
PLAIN = "/etc/plain.conf"
DATABASE = "/opt/an app/app.db"
SECRET = "the secret of another service"

SITE = """
site: home
mirror: {folder}/mirror
repository: {{url: {folder}/repository, password_file: {folder}/password}}
ssh:
  identity: {folder}/keys/pull
  capture_identity: {folder}/keys/capture
  known_hosts: "{known_hosts}"
  config: "{config}"
  user: {user}
scratch: {{folder: {folder}/scratch, engine: process}}
reports: {folder}/reports
state: {folder}/state
reserve: 1M
"""
SPEC = """
service: {service}
source:
  host: {host}
  paths: {paths}
  root: "{root}"
{capture}
checks:
  - seal: {{}}
"""


@dataclass(frozen=True)
class Said:
    """The exit status of the command, and what it said where."""

    code: int
    text: str
    stderr: str


Keys = Callable[..., Said]
"""Called with options by name, and with `only`, the services that are named."""


@dataclass(frozen=True)
class Place:
    """The site file and the source's root; `outside` is a folder there that no spec declares."""

    folder: Path
    server: Sshd

    @classmethod
    def made(cls, folder: Path, server: Sshd) -> Place:
        """A new site in a folder."""
        place = cls(folder, server)
        for each in (place.there(ODD), place.there(PLAIN).parent, place.outside, folder / "specs"):
            each.mkdir(parents=True)
        place.there(f"{ODD}file").write_text("content")
        place.there(f"{ODD}out").symlink_to(place.outside)
        place.there(PLAIN).write_text("plain")
        (place.outside / "secret").write_text(SECRET)
        with sqlite3.connect(place.there(DATABASE)) as database:
            database.execute("create table t as select 1 as a")
        database.close()
        access = server.access
        site = SITE.format(folder=folder, known_hosts=access.known_hosts, config=access.config, user=server.user)
        place.site_file.write_text(site)
        place.write("first", [ODD], f'capture:\n  - sqlite: {{path: "{DATABASE}"}}')
        place.write("second", [PLAIN])
        return place

    @property
    def site_file(self) -> Path:
        return self.folder / "specs/site.yaml"

    @property
    def root(self) -> Path:
        return self.folder / "the root"

    @property
    def outside(self) -> Path:
        return self.root / "other/service"

    def there(self, path: str) -> Path:
        """A path of the source as this machine sees it."""
        return self.root / path.lstrip("/")

    def write(self, service: str, paths: Sequence[str], capture: str = "", host: str = HOST) -> None:
        """A spec file."""
        listed = "".join(f"\n    - {_quoted(path)}" for path in paths)
        text = SPEC.format(service=service, host=host, paths=listed, root=self.root, capture=capture)
        (self.folder / f"specs/{service}.yaml").write_text(text)

    @cached_property
    def site(self) -> Site:
        return load_site(self.site_file)

    @property
    def specs(self) -> tuple[Spec, ...]:
        return load_specs(self.site.specs)

    @property
    def machine(self) -> Machine:
        """The only machine of the specs."""
        (machine,) = machines(self.site, self.specs)
        return machine

    def lines(self, *addresses: str) -> Lines:
        """What authorized_keys must hold."""
        return lines(self.machine, pairs(self.site), addresses)

    def authorize(self, *texts: str) -> None:
        """Make these the source's authorized_keys."""
        (self.server.folder / "authorized_keys").write_text("".join(f"{text}\n" for text in texts))

    def restrict(self, *addresses: str) -> None:
        """Accept both keys with the very lines that are printed."""
        self.authorize(self.lines(*addresses).text)

    def widen(self) -> None:
        """Accept both keys for anything."""
        public = pairs(self.site)
        self.authorize(public.pull, public.capture)


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"
