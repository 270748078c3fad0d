"""CT311 caddy: a running Caddy that has been issued certificates, some by its own CA and some by ACME."""

from __future__ import annotations

from pathlib import Path

from backupcheck.lxc import Inside
from backupcheck.lxc.transfer import Entry
from tests.lab.service import LabService

FILES = Path(__file__).parents[1] / "caddy"
STORAGE = "/var/lib/caddy/.local/share/caddy"
ACME = "acme.home.example-9443-directory"
BY_ACME = ("auth", "recipes", "wishes", "media", "notes")
BY_ITSELF = ("ldap.home.example", "status.home.example", "wildcard_.lan.home.example")
AUTHORITY_ROOT = "/var/lib/acme-caddy/pki/authorities/local/root.crt"
DROP_IN = b"[Service]\nEnvironmentFile=/etc/default/caddy\n"
UNIT = """\
[Unit]
Description=The lab's certificate authority: {about}

[Service]
ExecStart={command}
Restart=always

[Install]
WantedBy=multi-user.target
"""


class Caddy(LabService):
    """Two Caddies: the guarded one, and the one at which it gets certificates that live 90 days."""

    name = "caddy"
    number = 311

    def make_data(self) -> None:
        self.container.write("/etc/hosts", b"127.0.0.1 localhost acme.home.example\n::1 localhost\n")
        self._start_the_authority()
        self.container.write("/etc/caddy/acme-root.crt", self.wait_for(AUTHORITY_ROOT))
        self.container.write("/etc/caddy/Caddyfile", (FILES / "Caddyfile").read_bytes())
        self.container.write("/etc/default/caddy", self._environment().encode(), Entry(mode=0o640))
        self.container.write("/etc/systemd/system/caddy.service.d/environment.conf", DROP_IN)
        self.container.run(Inside(("systemctl", "daemon-reload")))
        self.enable("caddy.service")
        for path in certificates():
            self.wait_for(path)

    def _start_the_authority(self) -> None:
        for name in ("authority.py", "authority.Caddyfile"):
            self.container.write(f"/usr/local/lib/acme/{name}", (FILES / name).read_bytes())
        server = UNIT.format(about="ACME", command="/usr/bin/python3 /usr/local/lib/acme/authority.py")
        front = UNIT.format(
            about="TLS",
            command="/usr/bin/caddy run --adapter caddyfile --config /usr/local/lib/acme/authority.Caddyfile",
        )
        front = front.replace("[Service]", "[Service]\nEnvironment=HOME=/root")
        self.container.write("/etc/systemd/system/acme-authority.service", server.encode())
        self.container.write("/etc/systemd/system/acme-caddy.service", front.encode())
        self.enable("acme-authority.service", "acme-caddy.service")

    def _environment(self) -> str:
        return (
            "ACME_EMAIL=astrid@home.example\n"
            "ACME_DIRECTORY=https://acme.home.example:9443/directory\n"
            f"STATUS_TOKEN={self.rng.getrandbits(128):032x}\n"
        )


def certificates() -> tuple[str, ...]:
    """The last file that Caddy writes for each name, when a certificate has been issued."""
    by_acme = (f"{ACME}/{name}.home.example/{name}.home.example" for name in BY_ACME)
    by_itself = (f"local/{name}/{name}" for name in BY_ITSELF)
    return tuple(f"{STORAGE}/certificates/{path}.json" for path in (*by_acme, *by_itself))
