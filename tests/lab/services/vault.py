"""CT321 vault: the data directory of a real CouchDB, in which Obsidian's LiveSync keeps notes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import tempfile
import uuid
from pathlib import Path

from backupcheck.lxc import Inside
from backupcheck.lxc.transfer import unpack
from tests.lab.service import LabService

ARCHIVE = Path(__file__).parents[2] / "data" / "couchdb" / "couchdb-3.5.0.tar.gz"
HOME = "/opt/couchdb"
UID = GID = 5984


class Vault(LabService):
    """CouchDB's files, owned by its own user; there is no CouchDB in Debian to serve them."""

    name = "vault"
    number = 321

    def make_data(self) -> None:
        self.container.run(Inside(("mkdir", "-p", f"{HOME}/data", f"{HOME}/etc/local.d")))
        with tempfile.TemporaryFile() as stream:
            stream.write(gzip.decompress(ARCHIVE.read_bytes()))
            stream.seek(0)
            unpack(self.container, stream, f"{HOME}/data")
        self.container.write(f"{HOME}/etc/local.d/docker.ini", self._settings().encode())
        self.container.run(Inside(("chown", "-R", f"{UID}:{GID}", HOME)))

    def _settings(self) -> str:
        salt = self.rng.randbytes(16).hex()
        digest = hashlib.pbkdf2_hmac("sha256", b"vault of the lab", salt.encode(), 10_000).hex()
        secret = base64.b64encode(self.rng.randbytes(24)).decode()
        return (
            "[couchdb]\n"
            f"uuid = {uuid.UUID(int=self.rng.getrandbits(128), version=4).hex}\n"
            "\n[admins]\n"
            f"admin = -pbkdf2:sha256-{digest},{salt},10000\n"
            "\n[chttpd_auth]\n"
            f"secret = {secret}\n"
        )
