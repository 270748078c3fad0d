"""Somebody's own service, in a container of its own, reached over ssh as the real one is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backupcheck.errors import ScratchError, ToolFailed
from backupcheck.lxc import Fleet, ServiceContainer

pytestmark = pytest.mark.lxc


class Notes(ServiceContainer):
    name = "notes"

    def populate(self) -> None:
        self.container.write("/var/lib/notes/today", b"buy milk\n")


class Broken(ServiceContainer):
    name = "broken"

    def populate(self) -> None:
        raise ScratchError("its data cannot be made")


def test_a_fleets_services_answer_by_ssh_under_their_names(reachable: Path) -> None:
    with Fleet(f"try-{os.getpid()}", reachable, (Notes,)) as fleet:
        said = fleet.run("ssh", "-F", str(fleet.ssh.config), "notes", "hostname; cat /var/lib/notes/today").text

        assert said == "notes\nbuy milk\n"
        assert fleet.status() == {"notes": True}


def test_a_service_with_another_host_key_than_the_pinned_one_is_refused(reachable: Path) -> None:
    with Fleet(f"try-{os.getpid()}", reachable, (Notes,)) as fleet:
        pinned = fleet.ssh.known_hosts.read_text().split()
        fleet.ssh.known_hosts.write_text(f"notes {' '.join(fleet.ssh.public_key.split())}\n")

        with pytest.raises(ToolFailed) as caught:
            fleet.run("ssh", "-F", str(fleet.ssh.config), "notes", "true")

        assert pinned[0] == "notes"
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in caught.value.stderr


def test_a_service_that_cannot_be_populated_takes_the_fleet_down_with_it(reachable: Path) -> None:
    fleet = Fleet(f"try-{os.getpid()}", reachable, (Notes, Broken))

    with pytest.raises(ScratchError, match="its data cannot be made"):
        fleet.up()

    assert not fleet.network.is_up
    assert list((reachable / "containers").iterdir()) == []
