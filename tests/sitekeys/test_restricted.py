"""What each key can do at a source with the lines that are printed: all that a sync does, and nothing more."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backupcheck import allowed
from backupcheck.remote.rsync import rooted
from backupcheck.result import Outcome
from backupcheck.sitekeys import gates
from backupcheck.sync.services import sync
from tests.night import command
from tests.sitekeys.place import DATABASE, ODD, PLAIN, SECRET, Place
from tests.sshd import HOST


class Attacker:
    """Somebody who has stolen one of the keys, and what was got with it so far in the folder `loot`."""

    def __init__(self, place: Place, key: str) -> None:
        self.place = place
        self.loot = place.folder / f"loot of {key}"
        self.loot.mkdir()
        own = {"User": place.server.user, "Port": str(place.server.port), "HostName": "127.0.0.1"}
        options = {
            "IdentityFile": str(place.folder / "keys" / key),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "ControlMaster": "no",
        }
        self.config = place.folder / f"config of {key}"
        lines = [f"Host {HOST}\n", *(f"  {name} {value}\n" for name, value in (own | options).items())]
        self.config.write_text("".join(lines))
        self.script = place.folder / f"ssh-{key}"
        self.script.write_text(f'#!/bin/sh\nexec ssh -F {shlex.quote(str(self.config))} "$@"\n')
        self.script.chmod(0o755)

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, input=stdin, capture_output=True, text=True, check=False, timeout=120, errors="replace"
        )

    def ssh(self, *words: str, stdin: str = "") -> str:
        """Everything that came back."""
        done = self.run("ssh", "-F", str(self.config), *words, stdin=stdin)
        return done.stdout + done.stderr

    def asked(self, line: str, stdin: str = "") -> str:
        """What came back of a command line at the source, taken as it is."""
        return self.ssh(HOST, line, stdin=stdin)

    def rsync(self, *words: str) -> None:
        """An rsync by ssh, its files into the loot unless another target is given last."""
        self.run("rsync", "-e", str(self.script), *words)

    @property
    def has_secret(self) -> bool:
        return any(file.read_text() == SECRET for file in self.loot.rglob("*") if file.is_file())

    @property
    def pull(self) -> str:
        """The command line of the declared pull of the first service."""
        paths = " ".join(gates.sent(rooted(str(self.place.root), path)) for path in (ODD,))
        return f"rsync --server --sender -lHogDtpAXrRSe.iLsfxCIvu --numeric-ids . {paths}"

    @property
    def capture(self) -> str:
        """A declared command line that ends quickly."""
        return shlex.join(allowed.commands(self.place.specs[0])[0])

    @property
    def declared(self) -> str:
        """What rsync is given to pull the first service."""
        return f"{HOST}:{unexpanded(rooted(str(self.place.root), ODD))}"

    def read(self) -> str:
        return f"cat {shlex.quote(str(self.place.outside / 'secret'))}"


def unexpanded(path: str) -> str:
    return re.sub(r"([*?\[\]])", r"\\\1", path)


Attack = Callable[[Attacker], bool]
"""Tries something, and says whether it worked."""

ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__.strip("_")] = function
    return function


@attack
def another_command(by: Attacker) -> bool:
    return SECRET in by.asked(by.read())


@attack
def a_shell(by: Attacker) -> bool:
    return SECRET in by.ssh("-T", HOST, stdin=f"{by.read()}\nexit\n")


@attack
def a_command_after_a_declared_one(by: Attacker) -> bool:
    return any(SECRET in by.asked(f"{declared}; {by.read()}") for declared in (by.pull, by.capture))


@attack
def rsync_of_another_path(by: Attacker) -> bool:
    by.rsync("-a", f"{HOST}:{by.place.outside}/", f"{by.loot}/")
    return by.has_secret


@attack
def rsync_of_one_path_more(by: Attacker) -> bool:
    by.rsync("-aR", by.declared, f":{by.place.outside}/", f"{by.loot}/")
    by.rsync("-aR", f"{HOST}:{by.place.outside}/", by.declared.removeprefix(HOST), f"{by.loot}/")
    return by.has_secret


@attack
def rsync_upwards(by: Attacker) -> bool:
    by.rsync("-a", f"{by.declared}../../../other/", f"{by.loot}/")
    return by.has_secret


@attack
def rsync_below_a_declared_path(by: Attacker) -> bool:
    by.rsync("-a", f"{by.declared}out/", f"{by.loot}/")
    return by.has_secret


def following(option: str) -> Attack:
    """A pull of just the declared path, but with what its links lead to."""

    def attack(by: Attacker) -> bool:
        by.rsync("-rlR", option, by.declared, f"{by.loot}/")
        return by.has_secret

    return attack


ATTACKS |= {option: following(option) for option in ("-L", "-k", "--copy-unsafe-links")}


@attack
def a_push(by: Attacker) -> bool:
    (by.loot / "pushed").write_text("x")
    by.rsync("-r", f"{by.loot}/", by.declared)
    return by.place.there(f"{ODD}pushed").exists()


@attack
def removing_what_was_read(by: Attacker) -> bool:
    by.rsync("-rlR", "--remove-source-files", by.declared, f"{by.loot}/")
    return not by.place.there(f"{ODD}file").exists()


@attack
def a_list_of_files(by: Attacker) -> bool:
    (by.place.folder / "list").write_text("secret\n")
    by.rsync("-a", f"--files-from=:{by.place.folder}/list", f"{HOST}:{by.place.outside}/", f"{by.loot}/")
    return by.has_secret


@attack
def arguments_by_the_protocol(by: Attacker) -> bool:
    """With `-s` the paths are not in the command at all."""
    by.rsync("-as", f"{HOST}:{by.place.outside}/", f"{by.loot}/")
    return by.has_secret


@attack
def a_log_file(by: Attacker) -> bool:
    file = by.place.folder / "written by rsync"
    by.rsync("-rlR", f"-M--log-file={str(file).replace(' ', '?')}", by.declared, f"{by.loot}/")
    by.rsync("-rlR", f"--remote-option=--log-file={by.place.folder}/written", by.declared, f"{by.loot}/")
    return (by.place.folder / "written").exists()


@attack
def another_program_for_rsync(by: Attacker) -> bool:
    by.rsync("-rlR", f"--rsync-path=touch {by.place.folder}/touched; rsync", by.declared, f"{by.loot}/")
    return (by.place.folder / "touched").exists()


@attack
def a_dash_in_place_of_a_folder(by: Attacker) -> bool:
    """`-` is no option, so the dot behind it becomes a path: the home folder of who logs in."""
    home = by.place.folder / "home"
    home.mkdir(exist_ok=True)
    program = f"cd {shlex.quote(str(by.place.outside))} && rsync --server --sender -r -"
    by.rsync("-r", f"--rsync-path={program}", f"{HOST}:.", f"{by.loot}/")
    inside = by.asked(by.pull.replace(" . ", " - . "), stdin="")
    return by.has_secret or "protocol" in inside.lower()


@attack
def sftp(by: Attacker) -> bool:
    by.run(
        "sftp", "-F", str(by.config), "-b", "-", HOST, stdin=f'get "{by.place.outside}/secret" "{by.loot}/got"\n'
    )
    return by.has_secret


@attack
def scp(by: Attacker) -> bool:
    for how in ("-s", "-O"):
        by.run("scp", how, "-F", str(by.config), f"{HOST}:{by.place.folder}/short", str(by.loot))
    return (by.loot / "short").exists()


@attack
def a_tunnel(by: Attacker) -> bool:
    return "SSH-2.0" in by.ssh("-W", f"127.0.0.1:{by.place.server.port}", HOST)


@attack
def a_port_of_the_source(by: Attacker) -> bool:
    done = by.run(
        *("ssh", "-F", str(by.config), "-o", "ExitOnForwardFailure=yes"),
        *("-R", "127.0.0.1:0:127.0.0.1:1", HOST, "true"),
    )
    return done.returncode != 255


@attack
def a_terminal(by: Attacker) -> bool:
    return "PTY allocation request failed" not in by.ssh("-tt", HOST, "true")


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_works_with_an_unrestricted_key_and_with_neither_of_ours(name: str, place: Place) -> None:
    (place.folder / "short").write_text(SECRET)
    place.restrict()
    worked = {key: ATTACKS[name](Attacker(place, key)) for key in ("pull", "capture")}
    place.widen()
    unrestricted = place.folder / "keys/free"
    unrestricted.symlink_to("pull")

    assert worked == {"pull": False, "capture": False}
    assert ATTACKS[name](Attacker(place, "free"))


@pytest.mark.parametrize("key", ["pull", "capture"])
def test_a_key_has_no_permission_of_sshd_but_its_command(key: str, place: Place) -> None:
    def options() -> set[str]:
        said = Attacker(place, key).ssh("-v", HOST, "true")
        (place.folder / f"loot of {key}").rmdir()
        return set(re.findall(r"key options: ([^\r\n]+)", said)[-1].split())

    place.restrict()
    restricted = options()
    place.widen()

    assert restricted == {"command"}
    assert options() >= {"agent-forwarding", "port-forwarding", "pty", "user-rc", "x11-forwarding"}


def test_a_whole_sync_works_with_both_keys_as_they_are_printed(place: Place) -> None:
    place.restrict()
    synced = sync(place.site, place.specs, lambda service, text: None)
    mirror = place.folder / "mirror"

    assert {item.service: item.result.outcome for item in synced} == {
        "first": Outcome.PASS,
        "second": Outcome.PASS,
    }, [item.result for item in synced]
    assert (mirror / "first" / f"{ODD}file".lstrip("/")).read_text() == "content"
    assert (mirror / "first" / DATABASE.lstrip("/")).stat().st_size > 0
    assert (mirror / "second" / PLAIN.lstrip("/")).read_text() == "plain"


def test_a_sync_works_with_what_the_command_line_printed(place: Place) -> None:
    printed = command("keys", "--site", str(place.site_file), "--from", "127.0.0.1,::1")
    place.authorize(printed.text)
    synced = command("sync", "--site", str(place.site_file))

    assert printed.code == 0, printed.stderr
    assert synced.code == 0, synced.text + synced.stderr


def test_a_key_is_of_no_use_from_another_address(place: Place) -> None:
    place.restrict("192.0.2.1", "!127.0.0.1")
    elsewhere = Attacker(place, "pull").asked("true")
    place.restrict("127.0.0.0/8")

    assert "Permission denied" in elsewhere
    assert gates.REFUSED in Attacker(place, "capture").asked("true")


def test_a_path_that_is_declared_no_more_is_refused(place: Place) -> None:
    place.restrict()
    place.write("second", ["/etc/another.conf"])
    place.there("/etc/another.conf").write_text("x")
    synced = {item.service: item.result for item in sync(place.site, place.specs, lambda service, text: None)}

    assert synced["first"].outcome is Outcome.PASS
    assert synced["second"].outcome is Outcome.ERROR
    assert synced["second"].findings[0].id == "sync.key-refuses"


def test_a_capture_that_is_not_declared_yet_is_refused(place: Place) -> None:
    place.restrict()
    place.there("/opt/an app/new.db").write_bytes(place.there(DATABASE).read_bytes())
    place.write("second", [PLAIN], 'capture:\n  - sqlite: {path: "/opt/an app/new.db"}')
    synced = {item.service: item.result for item in sync(place.site, place.specs, lambda service, text: None)}

    assert synced["first"].outcome is Outcome.PASS
    assert synced["second"].findings[0].id in ("sync.key-refuses", "sync.not-allowed")


def test_what_comes_in_reaches_a_declared_command(place: Place) -> None:
    """As a canary's value does; a hook is a command that can be chosen freely here."""
    place.write("second", [PLAIN], f"  before: {{run: [sh, -c, 'cat >\"$0\"', {place.folder}/came]}}")
    place.restrict()
    words = allowed.commands(place.specs[1])[1]
    Attacker(place, "capture").asked(shlex.join(words), stdin="x" * 100_000)

    assert (place.folder / "came").read_text() == "x" * 100_000


@pytest.mark.parametrize("client", ["-aHAX", "-aHAXnc", "-aHAXz --bwlimit=5 --timeout=9", "-rlv -S --info=stats2"])
def test_the_client_that_is_installed_sends_what_the_gate_knows(client: str, place: Place, tmp_path: Path) -> None:
    place.restrict()
    by = Attacker(place, "pull")
    done = by.run("rsync", "-e", str(by.script), *client.split(), "--relative", by.declared, f"{by.loot}/")

    assert done.returncode == 0, done.stderr
