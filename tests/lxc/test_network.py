"""A lab's network is its own: the machine's is as it was, before, meanwhile and after."""

from __future__ import annotations

import ipaddress
import os
import subprocess
from collections.abc import Iterator

import pytest

from backupcheck import proc
from backupcheck.lxc import LabNetwork

NAME = f"try-{os.getpid()}"


@pytest.fixture
def network(lxc: None) -> Iterator[LabNetwork]:
    network = LabNetwork(NAME)
    yield network
    network.down()


def of_the_machine() -> str:
    """The machine's links, addresses and routes; not their counters."""
    commands = (("link",), ("address",), ("route", "show", "table", "all"), ("-6", "route"))
    return "".join(
        subprocess.run(("ip", "-o", *words), stdout=subprocess.PIPE, text=True, check=True).stdout
        for words in commands
    )


@pytest.mark.lxc
def test_it_goes_up_and_down_twice_and_the_machine_sees_nothing(network: LabNetwork) -> None:
    before = of_the_machine()

    network.up()
    network.up()
    meanwhile = of_the_machine()
    network.down()
    network.down()

    assert meanwhile == before
    assert of_the_machine() == before
    assert not network.is_up


@pytest.mark.lxc
def test_the_backup_host_has_its_address_there_and_no_way_out(network: LabNetwork) -> None:
    network.up()

    said = proc.run(proc.Command((*network.exec_prefix, "ip", "-o", "-4", "address"), timeout=10)).text
    routes = proc.run(proc.Command((*network.exec_prefix, "ip", "route"), timeout=10)).text

    assert "198.18.0.1/24" in said
    assert "default" not in routes


def test_addresses_that_are_not_for_tests_are_refused() -> None:
    with pytest.raises(ValueError, match="not within"):
        LabNetwork("lab", ipaddress.IPv4Network("192.168.0.0/24"))
