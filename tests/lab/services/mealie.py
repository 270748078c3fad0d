"""CT314 mealie: recipes in a real Postgres server, their pictures on disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

from backupcheck.lxc import Inside
from tests.lab.mealie import files, household
from tests.lab.service import LabService

SCHEMA = Path(household.__file__).with_name("schema.sql")
# `postgres` by the socket's peer, every role with its password by socket or loopback.
ACCESS = b"""\
local all postgres peer
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
"""


class Mealie(LabService):
    """Role and database `mealie`, extension pg_trgm, a hundred recipes."""

    name = "mealie"
    number = 314

    def make_data(self) -> None:
        secret, password = files.token(self.rng), files.token(self.rng)[:32]
        mealie = household.make(self.rng, secret)
        with tempfile.TemporaryDirectory(prefix="backupcheck-mealie-") as folder:
            files.make(Path(folder), mealie, password)
            self.load_tree(Path(folder), files.OWNERS)
        self._make_cluster()
        self._psql("postgres", _role(password))
        self._psql("mealie", "SET ROLE mealie;\nCREATE EXTENSION pg_trgm;\n" + SCHEMA.read_text() + mealie.sql())

    def _make_cluster(self) -> None:
        version = self.container.run(Inside(("ls", "/usr/lib/postgresql"))).text.split()[-1]
        make = ("pg_createcluster", version, "main", "--", "--no-sync", "--auth-host=scram-sha-256")
        self.container.run(Inside(make, timeout=120))
        self.container.write(f"/etc/postgresql/{version}/main/pg_hba.conf", ACCESS)
        self.enable("postgresql.service", f"postgresql@{version}-main.service")

    def _psql(self, database: str, sql: str) -> None:
        command = ("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-o", "/dev/null")
        self.container.run(Inside(command, stdin=sql.encode(), user="postgres", timeout=120))


def _role(password: str) -> str:
    return (
        f"CREATE ROLE mealie LOGIN PASSWORD '{password}';\n"
        "CREATE DATABASE mealie OWNER mealie ENCODING 'UTF8' TEMPLATE template0;\n"
    )
