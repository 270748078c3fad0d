"""CT308 lldap: users and groups in SQLite, and the key that passwords hang on."""

from __future__ import annotations

from tests.lab.service import LabService, maker


class Lldap(LabService):
    """LLDAP: users and groups in SQLite, and the key that passwords hang on."""

    name = "lldap"
    number = 308

    def make_data(self) -> None:
        self.load(maker("lldap"))
