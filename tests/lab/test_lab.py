"""The lab is what it says: seven hosts with their data, on a network that is nobody else's."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from backupcheck.errors import ToolFailed
from backupcheck.lxc.cgroups import of_container
from tests.lab.lab import LABS, SERVICES, Lab, default_name
from tests.lab.services.caddy import certificates

pytestmark = [pytest.mark.lxc, pytest.mark.lab]

NAMES = [kind.name for kind in SERVICES]
DATA = {
    "lldap": ("/var/lib/lldap/users.db", "/var/lib/lldap/private_key", "/etc/lldap/lldap_config.toml"),
    "authelia": ("/etc/authelia/configuration.yml", "/var/lib/authelia/db.sqlite3"),
    "mealie": ("/opt/mealie/.env", "/opt/mealie/data/.secret", "/opt/mealie/data/.session_secret"),
    "wishlist": ("/opt/wishlist/data/prod.db", "/opt/wishlist/data/prod.db-wal", "/opt/wishlist/.env"),
    "jellyfin": (
        "/var/lib/jellyfin/data/jellyfin.db",
        "/etc/jellyfin/system.xml",
        "/var/cache/jellyfin/transcodes/0000.ts",
    ),
    "caddy": ("/etc/caddy/Caddyfile", "/etc/default/caddy", *certificates()),
    "vault": ("/opt/couchdb/data/_dbs.couch", "/opt/couchdb/etc/local.d/docker.ini"),
}
# What the seed alone decides: not sshd's keys, nor Caddy's, nor what Wishlist's writer has written since.
SAME_WITH_THE_SEED = {
    "lldap": "/var/lib/lldap /etc/lldap",
    "authelia": "/etc/authelia /var/lib/authelia",
    "mealie": "/opt/mealie",
    "wishlist": "/opt/wishlist/uploads /opt/wishlist/.env",
    "jellyfin": "/var/lib/jellyfin /etc/jellyfin /var/cache/jellyfin",
    "vault": "/opt/couchdb",
}


def of_the_machine() -> str:
    """The machine's own links, addresses and routes."""
    commands = (("link",), ("address",), ("route", "show", "table", "all"))
    return "".join(
        subprocess.run(("ip", "-o", *words), stdout=subprocess.PIPE, text=True, check=True).stdout
        for words in commands
    )


@pytest.fixture
def up(lab: Lab) -> Lab:
    """The lab of this test run: the machine's limit of inotify instances has no room for many."""
    return lab


@pytest.mark.parametrize("name", NAMES)
def test_a_service_answers_by_ssh_with_its_pinned_key_and_its_own_name(up: Lab, name: str) -> None:
    assert up.ssh(name, "hostname").text == f"{name}\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_services_systemd_is_running(up: Lab, name: str) -> None:
    assert up.ssh(name, "systemctl is-system-running").text == "running\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_services_data_is_where_it_should_be(up: Lab, name: str) -> None:
    assert up.ssh(name, f"ls {' '.join(DATA[name])}").code == 0


def test_every_host_has_a_host_key_of_its_own(up: Lab) -> None:
    keys = [line.split()[2] for line in up.fleet.ssh.known_hosts.read_text().splitlines()]

    assert len(set(keys)) == len(SERVICES)


def test_the_hosts_cannot_be_reached_from_the_machines_own_network(up: Lab) -> None:
    command = ("ssh", "-F", up.paths.ssh_config, "-o", "ConnectTimeout=2", "lldap", "true")

    assert subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 255


def test_another_key_is_not_let_in(up: Lab, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key), check=True)
    words = (
        "-o",
        f"UserKnownHostsFile={up.fleet.ssh.known_hosts}",
        "-o",
        "HostKeyAlias=vault",
        "-o",
        "BatchMode=yes",
    )

    with pytest.raises(ToolFailed, match="Permission denied"):
        up.run("ssh", "-i", str(key), "-o", "IdentitiesOnly=yes", *words, "root@198.18.3.21", "true")


def test_mealies_database_can_be_dumped_by_peer_and_by_password(up: Lab) -> None:
    by_peer = up.ssh("mealie", "runuser -u postgres -- pg_dump mealie").text
    environment = "set -a; . /opt/mealie/.env; export PGPASSWORD=$POSTGRES_PASSWORD"
    by_socket = up.ssh("mealie", f"{environment}; pg_dump -U mealie mealie").text
    by_network = up.ssh("mealie", f"{environment}; pg_dump -h 127.0.0.1 -U mealie mealie").text

    assert by_peer.count("\n") == by_socket.count("\n") == by_network.count("\n")
    assert "CREATE EXTENSION IF NOT EXISTS pg_trgm" in by_peer
    assert "-- PostgreSQL database dump complete" in by_peer


def test_mealies_recipes_have_the_pictures_that_the_database_says(up: Lab) -> None:
    query = "select id from recipes where image is not null order by id"
    told = up.ssh("mealie", f"runuser -u postgres -- psql -At -d mealie -c '{query}'").text.split()
    found = up.ssh("mealie", "cd /opt/mealie/data/recipes && ls -d */images/original.webp").text.split()

    assert sorted(told) == sorted(path.split("/")[0] for path in found)
    assert up.ssh("mealie", "ls /opt/mealie/data/recipes | wc -l").text == "100\n"


def test_wishlists_newest_rows_are_in_the_log_only(up: Lab) -> None:
    script = (
        "import sqlite3\n"
        'for how in ("immutable=1", "mode=ro"):\n'
        '    database = sqlite3.connect(f"file:/opt/wishlist/data/prod.db?{how}", uri=True)\n'
        '    print(database.execute("select max(rowid) from session").fetchone()[0])\n'
    )

    def newest() -> tuple[int, int]:
        without, with_the_log = up.ssh("wishlist", f"python3 -c '{script}'").text.split()
        return int(without), int(with_the_log)

    # a checkpoint may have emptied the log a moment ago; the writer writes again within a fifth of a second
    assert any(without < with_the_log for without, with_the_log in (newest() for _ in range(5)))


def test_caddys_certificates_by_acme_live_much_longer_than_its_own(up: Lab) -> None:
    storage = "/var/lib/caddy/.local/share/caddy/certificates"
    in_sixty_days = "openssl x509 -noout -checkend 5184000 -in"

    by_acme = up.ssh("caddy", f"{in_sixty_days} {storage}/acme*/auth.home.example/*.crt")

    assert by_acme.code == 0
    with pytest.raises(ToolFailed):
        up.ssh("caddy", f"{in_sixty_days} {storage}/local/ldap.home.example/*.crt")


def test_jellyfins_cache_is_fat(up: Lab) -> None:
    assert int(up.ssh("jellyfin", "du -sm /var/cache/jellyfin").text.split()[0]) >= 60


def test_vaults_files_belong_to_couchdbs_own_user(up: Lab) -> None:
    assert up.ssh("vault", "find /opt/couchdb -printf '%U:%G\\n' | sort -u").text == "5984:5984\n"


def test_the_password_file_and_the_mirror_are_private(up: Lab) -> None:
    assert up.paths.password_file.stat().st_mode & 0o777 == 0o600
    assert up.paths.mirror.stat().st_mode & 0o777 == 0o700


def test_bringing_up_what_is_up_changes_nothing_and_repairs_what_is_gone(up: Lab) -> None:
    boot = up.ssh("vault", "cat /proc/sys/kernel/random/boot_id; stat -c %Y /etc/backupcheck-fixture").text
    up.fleet.services["lldap"].container.stop()
    up.ssh("authelia", "systemctl stop ssh & sleep 0.2")
    assert up.status()["lldap"] is False

    up.up()

    assert all(up.status().values())
    assert up.ssh("lldap", "ls /var/lib/lldap/users.db").code == up.ssh("authelia", "true").code == 0
    assert up.ssh("vault", "cat /proc/sys/kernel/random/boot_id; stat -c %Y /etc/backupcheck-fixture").text == boot


@pytest.mark.slow
def test_the_same_seed_makes_the_same_data_and_down_leaves_nothing(up: Lab, tmp_path: Path) -> None:
    machine = of_the_machine()
    again = Lab(name=f"lab-again-{os.getpid()}", state=tmp_path, seed=up.seed)
    try:
        again.up()
        assert of_the_machine() == machine
        for name, folders in SAME_WITH_THE_SEED.items():
            assert digest(again, name, folders) == digest(up, name, folders), name
        assert dump(again) == dump(up)
        containers = [service.container for service in again.fleet.services.values()]
    finally:
        again.down()

    assert of_the_machine() == machine
    assert not again.fleet.network.is_up
    assert not (LABS / again.name).exists()
    assert [of_container(container.full_name) for container in containers] == [[]] * len(SERVICES)
    assert again.name not in Path("/proc/self/mountinfo").read_text()
    assert not any(
        again.name.encode() in path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()
    )


def dump(lab: Lab) -> str:
    """Mealie's database as text, without the token that each dump makes up."""
    text = lab.ssh("mealie", "runuser -u postgres -- pg_dump mealie").text
    return re.sub(r"(?m)^\\(un)?restrict .*$", "", text)


def digest(lab: Lab, name: str, folders: str) -> str:
    """One digest of all names, modes, owners and contents, without what SQLite leaves beside what it reads."""
    found = f"find {folders} ! -name '*-wal' ! -name '*-shm'"
    shown = f"{found} -printf '%P %m %U %G %y %l\\n' | sort | sha256sum"
    contents = f"{found} -type f | sort | tr '\\n' '\\0' | xargs -0 cat | sha256sum"
    return lab.ssh(name, f"{shown}; {contents}").text


def test_two_checkouts_have_two_names(tmp_path: Path) -> None:
    assert default_name(tmp_path / "one") != default_name(tmp_path / "two")
    assert default_name(tmp_path / "one") == default_name(tmp_path / "one")
