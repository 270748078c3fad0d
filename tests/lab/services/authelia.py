"""CT312 authelia: its configuration, secrets and an encrypted SQLite database."""

from __future__ import annotations

from tests.lab.service import LabService, maker


class Authelia(LabService):
    """Authelia: its configuration, secrets and an encrypted SQLite database."""

    name = "authelia"
    number = 312

    def make_data(self) -> None:
        self.load(maker("authelia"))
