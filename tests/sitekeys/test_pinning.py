"""Host keys: shown, compared by a person, and pinned only then."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from backupcheck.errors import UsageError
from backupcheck.result import Outcome
from backupcheck.sitekeys import look
from backupcheck.sitekeys.pinning import by_nobody, pin
from backupcheck.sitekeys.scan import HostKey
from tests.sitekeys.place import Keys, Place
from tests.sshd import HOST, make_key


@pytest.fixture
def known(place: Place) -> Path:
    """The site's known_hosts, not there at first."""
    file = place.folder / "known hosts"
    text = place.site_file.read_text()
    place.site_file.write_text(text.replace(str(place.server.access.known_hosts), str(file)))
    return file


def fingerprint(public: Path) -> str:
    said = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout
    return said.split()[1]


def own(place: Place) -> str:
    return fingerprint(place.server.folder / "host_key.pub")


def on_a_terminal(place: Place, answer: str) -> tuple[int, str]:
    """The exit status and what was said, to a person who answers this."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "backupcheck", "keys", "--site", str(place.site_file), "--pin"]
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(words, stdin=theirs, capture_output=True, text=True, check=False, timeout=120)
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout


def pinned_as_ssh_sees_it(place: Place) -> bool:
    """Whether a sync's ssh would accept the host."""
    place.restrict()
    return {finding.outcome for finding in look(place.site, place.specs)} == {Outcome.PASS}


def test_a_person_who_says_yes_has_the_key_pinned(place: Place, known: Path) -> None:
    status, said = on_a_terminal(place, "yes")

    assert own(place) in said
    assert "yes" in said
    assert status == 0
    assert known.stat().st_mode & 0o777 == 0o644
    assert pinned_as_ssh_sees_it(place)


@pytest.mark.parametrize("answer", ["", "y"])
def test_any_other_answer_pins_nothing(answer: str, place: Place, known: Path) -> None:
    status, said = on_a_terminal(place, answer)

    assert status == 2
    assert own(place) in said
    assert not known.exists()


def test_without_a_terminal_the_key_is_shown_and_not_pinned(place: Place, known: Path, keys: Keys) -> None:
    said = keys(pin=())

    assert said.code == 2
    assert own(place) in said.text
    assert f"not pinned: {HOST}" in said.stderr
    assert not known.exists()


def test_a_program_pins_just_the_key_whose_fingerprint_it_knows(place: Place, known: Path, keys: Keys) -> None:
    wrong = keys(pin=(HOST,), confirm=(fingerprint(place.server.site / "another.pub"),))
    there = known.exists()
    right = keys(pin=(HOST,), confirm=(own(place),))
    again = keys(pin=())

    assert (wrong.code, there) == (2, False)
    assert right.code == 0
    assert again.code == 0
    assert "is pinned already" in again.text
    assert len(known.read_text().splitlines()) == 1


def changed(place: Place, known: Path) -> str:
    """Pin another key under the host's name and, in the same line, under another's; its fingerprint."""
    other = place.folder / "old_key"
    make_key(other)
    key = " ".join(other.with_name("old_key.pub").read_text().split()[:2])
    known.write_text(f"# ours\nelsewhere,[127.0.0.1]:{place.server.port} {key}\nthird {key}\n")
    return fingerprint(other)


def test_a_changed_key_is_shown_beside_the_pinned_one_with_a_warning(place: Place, known: Path) -> None:
    old = changed(place, known)
    before = known.read_text()
    status, said = on_a_terminal(place, "yes")

    assert status == 2
    assert "WARNING" in said
    assert f"pinned   {old}" in said
    assert f"offered  {own(place)}" in said
    assert known.read_text() == before


def test_a_changed_key_is_replaced_for_who_says_so_and_the_other_names_stay(place: Place, known: Path) -> None:
    changed(place, known)
    comment, elsewhere, third = known.read_text().splitlines()
    status, _ = on_a_terminal(place, "replace")
    lines = known.read_text().splitlines()

    assert status == 0
    assert lines[:3] == [comment, f"elsewhere {elsewhere.split(' ', 1)[1]}", third]
    assert len(lines) == 4
    assert pinned_as_ssh_sees_it(place)


def test_a_changed_key_is_replaced_under_a_hashed_name_too(place: Place, known: Path, keys: Keys) -> None:
    changed(place, known)
    subprocess.run(["ssh-keygen", "-H", "-f", known], capture_output=True, check=True)
    replaced = keys(pin=(), confirm=(own(place),))
    port = place.server.port
    found = subprocess.run(
        ["ssh-keygen", "-F", f"[127.0.0.1]:{port}", "-f", known], capture_output=True, text=True, check=True
    )

    assert replaced.code == 0
    assert found.stdout.count("ssh-ed25519") == 1
    assert pinned_as_ssh_sees_it(place)


def test_a_revoked_key_is_never_pinned(place: Place, known: Path, keys: Keys) -> None:
    public = (place.server.folder / "host_key.pub").read_text()
    known.write_text(f"@revoked * {public}")
    said = keys(pin=(), confirm=(own(place),))

    assert said.code == 2
    assert "revoked" in said.text
    assert known.read_text() == f"@revoked * {public}"


def test_a_host_that_does_not_answer_is_named_and_the_others_are_pinned(
    place: Place, known: Path, keys: Keys
) -> None:
    place.write("third", ["/srv/x"], host="nowhere.invalid")
    said = keys(pin=(), confirm=(own(place),))

    assert said.code == 2
    assert "nowhere.invalid shows no host key at nowhere.invalid port" in said.text
    assert said.stderr.strip() == "not pinned: nowhere.invalid"
    assert known.exists()


def test_a_host_has_the_name_and_the_port_of_the_ssh_configuration(place: Place, known: Path, keys: Keys) -> None:
    config = place.server.access.config
    assert config is not None
    own_config = place.folder / "config"
    own_config.write_text(f"Host {HOST}\n  HostKeyAlias the-alias\n{config.read_text()}")
    text = place.site_file.read_text()
    place.site_file.write_text(text.replace(str(config), str(own_config)))
    keys(pin=(), confirm=(own(place),))

    assert known.read_text().startswith("the-alias ssh-ed25519 ")
    assert pinned_as_ssh_sees_it(place)


def test_a_host_behind_a_jump_host_is_left_to_a_person(place: Place, known: Path, keys: Keys) -> None:
    config = place.server.access.config
    assert config is not None
    own_config = place.folder / "config"
    own_config.write_text(f"Host {HOST}\n  ProxyJump gate.example\n{config.read_text()}")
    text = place.site_file.read_text()
    place.site_file.write_text(text.replace(str(config), str(own_config)))
    said = keys(pin=())

    assert said.code == 2
    assert "gate.example" in said.text


def test_a_site_that_pins_nowhere_is_one_sentence(place: Place) -> None:
    site = place.site.model_copy(update={"ssh": place.site.ssh.model_copy(update={"known_hosts": None})})
    with pytest.raises(UsageError, match=r"ssh\.known_hosts is not set"):
        pin(site, (HOST,), by_nobody)


@pytest.mark.parametrize("which", ["host_key", "another"])
def test_a_fingerprint_is_the_one_that_ssh_keygen_shows(which: str, place: Place) -> None:
    file = place.server.folder / "host_key.pub" if which == "host_key" else place.server.site / "another.pub"
    words: Sequence[str] = file.read_text().split()

    assert HostKey(words[0], words[1]).fingerprint == fingerprint(file)
