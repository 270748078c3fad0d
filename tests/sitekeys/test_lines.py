"""What `backupcheck keys` prints, for people and for programs."""

from __future__ import annotations

import json
import re

import pytest

from backupcheck.errors import BackupcheckError, UsageError
from tests.sitekeys.place import ODD, PLAIN, Keys, Place
from tests.sshd import HOST


def key_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#") and line]


def test_what_is_printed_can_be_pasted_and_says_what_it_allows(place: Place, keys: Keys) -> None:
    said = keys()
    options = r'restrict,command="[^\n]*" ssh-ed25519 [A-Za-z0-9+/]+ backupcheck {} of home'

    assert said.code == 0
    assert len(key_lines(said.text)) == 2
    assert re.fullmatch(options.format("pull"), key_lines(said.text)[0])
    assert re.fullmatch(options.format("capture"), key_lines(said.text)[1])
    assert f"# first, second at {HOST}, user {place.server.user}" in said.text
    assert f"#   {PLAIN}\n" in said.text
    assert f"#   {ODD}\n" in said.text
    assert "\x1b" not in said.text
    assert "made the key pair" in said.stderr
    assert "may be used from anywhere" in said.stderr


def test_the_same_is_printed_each_time(place: Place, keys: Keys) -> None:
    first, second = keys(), keys()

    assert second.text == first.text
    assert "made" not in second.stderr


def test_the_addresses_are_the_command_lines_or_else_the_sites(place: Place, keys: Keys) -> None:
    text = place.site_file.read_text()
    place.site_file.write_text(text.replace("ssh:\n", "ssh:\n  addresses: [192.0.2.1, 'fd00::/64']\n"))
    by_site, by_line = keys(), keys(addresses=("198.51.100.7", "a.example"))

    assert all('restrict,from="192.0.2.1,fd00::/64",command=' in line for line in key_lines(by_site.text))
    assert all('restrict,from="198.51.100.7,a.example",command=' in line for line in key_lines(by_line.text))
    assert "anywhere" not in by_site.stderr


@pytest.mark.parametrize("address", ['1.2.3.4"', "a b", "", "1.2.3.4\n", 'x",command="sh'])
def test_an_address_that_would_break_the_line_is_refused(address: str, place: Place) -> None:
    with pytest.raises(UsageError):
        place.lines(address)


def test_programs_get_the_lines_of_each_host_that_is_named(place: Place, keys: Keys) -> None:
    place.write("third", ["/srv/x"], host="127.0.0.1")
    place.write("fourth", ["/srv/y"], host="198.51.100.7")
    place.write("fifth", ["/srv/z"], host="local")
    said = {one["host"]: one for one in json.loads(keys(json=True).text)}
    shared = ["first", "second", "third"]

    assert {host: one["services"] for host, one in said.items()} == {
        HOST: shared,
        "127.0.0.1": shared,
        "198.51.100.7": ["fourth"],
    }
    assert said[HOST]["lines"] == said["127.0.0.1"]["lines"] != said["198.51.100.7"]["lines"]
    assert {one["user"] for one in said.values()} == {place.server.user}
    assert [list(one["lines"]) for one in said.values()] == [["pull", "capture"]] * 3


def test_one_service_has_the_lines_that_all_of_its_machine_share(place: Place, keys: Keys) -> None:
    place.write("fourth", ["/srv/y"], host="198.51.100.7")

    assert key_lines(keys("second").text) == key_lines(keys("first").text)
    assert (
        key_lines(keys("second").text) == key_lines(keys().text)[2:]
        or key_lines(keys("second").text) == key_lines(keys().text)[:2]
    )
    assert len(key_lines(keys().text)) == 4


def test_a_site_of_this_machine_alone_needs_no_lines(place: Place, keys: Keys) -> None:
    place.write("first", ["/srv/x"], host="local")
    place.write("second", ["/srv/y"], host="local")
    said = keys()

    assert (said.code, said.text.strip()) == (0, "")
    assert "needs no keys" in said.stderr
    for option in ({"check": True}, {"pin": ()}):
        told = keys(**option)

        assert (told.code, told.text) == (0, "every service is on this machine, which needs no keys\n")


def test_a_configuration_that_ssh_cannot_read_is_one_sentence(place: Place, keys: Keys) -> None:
    text = place.site_file.read_text()
    (place.folder / "broken").write_text("Nonsense yes\n")
    place.site_file.write_text(re.sub(r"config: .*", f"config: {place.folder}/broken", text))
    with pytest.raises(BackupcheckError) as caught:
        keys()

    assert caught.value.id == "keys.ssh-config"
    assert caught.value.message.startswith(f"ssh cannot read its configuration for {HOST}: ")


def test_a_root_with_a_newline_has_no_line(place: Place, keys: Keys) -> None:
    file = place.folder / "specs/first.yaml"
    file.write_text(file.read_text().replace("the root", "the\\nroot"))

    with pytest.raises(UsageError):
        keys()
