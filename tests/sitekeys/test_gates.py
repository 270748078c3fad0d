"""The programs in the lines of authorized_keys, in every shell that is here, asked for what an attacker would."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from backupcheck.errors import UsageError
from backupcheck.sitekeys import gates

SHELLS = [
    words
    for words in (["dash"], ["bash"], ["busybox", "sh"], ["ksh"], ["mksh"], ["bash", "--posix"])
    if shutil.which(words[0])
]
PATHS = ('/a root/./opt/it\'s "x" $HOME `id` \\ * [1] #;&é/', "/./etc/plain")
OTHER = ("/./opt/other",)
OPTIONS = "-lHogDtpAXrRSe.iLsfxCIvu --timeout=300 --numeric-ids"
PRINTS = """#!/bin/sh
printf '%s\\n' "$@" >"$0.came"
"""


class Shell:
    """A gate as sshd runs it: by the login shell, with what was asked for in the environment."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self.words = [shutil.which(words[0]) or words[0], *words[1:]]
        self.folder = folder
        self.rsync = folder / "rsync"
        self.rsync.write_text(PRINTS)
        self.rsync.chmod(0o755)

    def ask(self, gate: str, asked: str | None, **env: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": f"{self.folder}:{os.environ['PATH']}", "OUT": str(self.folder), **env}
        if asked is not None:
            env["SSH_ORIGINAL_COMMAND"] = asked
        return subprocess.run(
            [*self.words, "-c", gate],
            env=env,
            cwd=self.folder,
            input="in",
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def words_of_rsync(self) -> list[str] | None:
        """The words that rsync was started with, if it was."""
        came = self.rsync.with_name("rsync.came")
        return came.read_text().splitlines() if came.exists() else None


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    return Shell(request.param, tmp_path)


def tail(paths: tuple[str, ...]) -> str:
    return " ".join(gates.sent(path) for path in paths)


PULL = gates.pull_gate([PATHS, OTHER])
HEAD = "rsync --server --sender"
GOOD = f"{HEAD} {OPTIONS} . {tail(PATHS)}"

BAD = {
    "nothing": "",
    "one space": " ",
    "an operator of test": "!",
    "a bracket": "(",
    "another program": "id",
    "no options and no paths": HEAD,
    "only a dot": f"{HEAD} .",
    "no path": f"{HEAD} {OPTIONS} . ",
    "one path of two": f"{HEAD} {OPTIONS} . {tail(PATHS[1:])}",
    "one path more": f"{GOOD} /etc",
    "one path before": f"{HEAD} {OPTIONS} . /etc {tail(PATHS)}",
    "the paths twice": f"{GOOD} . {tail(PATHS)}",
    "two declared pulls": f"{HEAD} {OPTIONS} . {tail(OTHER)} {tail(PATHS)}",
    "the path without its quoting": f"{HEAD} {OPTIONS} . {' '.join(PATHS)}",
    "a wildcard": f"{HEAD} {OPTIONS} . {tail(OTHER)}*",
    "a path upwards": f"{HEAD} {OPTIONS} . {tail(OTHER)}/..",
    "a prefix": f"env {GOOD}",
    "a space before": f" {GOOD}",
    "a space after": f"{GOOD} ",
    "a newline after": f"{GOOD}\n",
    "a newline before": f"\n{GOOD}",
    "a receiver": GOOD.replace("--sender", "--receiver"),
    "no sender": GOOD.replace(" --sender", ""),
    "a daemon": GOOD.replace("--numeric-ids", "--daemon"),
    "no --server": GOOD.replace("--server ", ""),
    "a dash for an option": f"{HEAD} {OPTIONS} - . {tail(PATHS)}",
    "two dashes": f"{HEAD} {OPTIONS} -- . {tail(PATHS)}",
    "an e that takes the next word": f"{HEAD} -lre . {tail(PATHS)}",
    "a path among the options": f"{HEAD} {OPTIONS} /etc . {tail(PATHS)}",
    **{
        f"the option {option!r}": f"{HEAD} -lr {option} . {tail(PATHS)}"
        for option in (
            *("-L", "-k", "-s", "-T/tmp", "-f", "-M", "-b", "-K", "-B9", "-F", "-ls", "-l-k", "-lLe.i", "-l,e.i"),
            *("--copy-links", "--copy-unsafe-links", "--copy-dirlinks", "--copy-devices", "--secluded-args"),
            *("--files-from=/x", "--remove-source-files", "--remove-sent-files", "--log-file=x", "--rsh=x"),
            *("--rsync-path=x", "--temp-dir=x", "--partial-dir=x", "--backup-dir=x", "--copy-dest=x", "--from0"),
            *("--compare-dest=x", "--link-dest=x", "--exclude-from=x", "--include-from=x", "--filter=x"),
            *("--config=x", "--password-file=x", "--write-batch=x", "--timeout", "--timeouts=3", "--no-sender"),
            *(
                "--timeout=/x",
                "--info=a.b",
                "--info=$(id)",
                "--info=`id`",
                "--info=a;id",
                "--info=a b",
                "--info=*",
            ),
            *(
                "-e'id'",
                "-le.$(id)",
                "-le.i;id",
                "-le.i\nid",
                "-l\tid",
                "--numeric-ids\nid",
                "--timeout=3\n",
                "\\",
            ),
            *("-l\x0bid", "-lé", "--info=é", "-l\\", "'-l'", '"-l"', "-l&", "-l|id", "-l>x", "-l#", "~", "$HOME"),
        )
    },
}


@pytest.mark.parametrize("paths", [PATHS, OTHER], ids=["odd", "plain"])
@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        "-nlHogDtpAXrcRSe.iLsfxCIvu --bwlimit=500",
        "-lHogDtpAXrRSe31.14 --info=STATS2,MISC2",
        "-logDtprRe.",
        "",
    ],
)
def test_a_declared_pull_is_started_with_its_very_words(
    shell: Shell, paths: tuple[str, ...], options: str
) -> None:
    done = shell.ask(PULL, f"{HEAD} {options} . {tail(paths)}")

    assert (done.returncode, done.stderr) == (0, "") if not options.endswith("e.") else (126, done.stderr)
    if done.returncode == 0:
        assert shell.words_of_rsync == ["--server", "--sender", *options.split(), ".", *paths]


@pytest.mark.parametrize("asked", BAD.values(), ids=list(BAD))
def test_whatever_else_is_asked_of_the_pulls_key_is_refused(shell: Shell, asked: str) -> None:
    before = set(shell.folder.iterdir())
    done = shell.ask(PULL, asked)

    assert (done.returncode, done.stdout, done.stderr) == (126, "", f"{gates.refusal(PULL)}\n")
    assert shell.words_of_rsync is None
    assert set(shell.folder.iterdir()) == before


def test_a_wildcard_among_the_options_does_not_become_a_file_of_an_allowed_name(shell: Shell) -> None:
    (shell.folder / "-l").touch()
    (shell.folder / "--numeric-ids").touch()

    assert shell.ask(PULL, f"{HEAD} -[lr] --numeric* . {tail(OTHER)}").returncode == 126


def test_a_login_without_a_command_is_refused(shell: Shell) -> None:
    assert [shell.ask(gate, None).returncode for gate in (PULL, gates.capture_gate([("id",)]))] == [126, 126]


def test_a_gate_that_lets_nothing_through_refuses_everything(shell: Shell) -> None:
    nothing = gates.pull_gate([])
    asked = [f"{HEAD} . ", f"{HEAD} {OPTIONS} . ", f"{HEAD} {OPTIONS} .", ""]

    assert [shell.ask(nothing, each).returncode for each in asked] == [126] * 4
    assert [shell.ask(gates.capture_gate([]), each, PATH="").returncode for each in ("", "id")] == [126] * 2
    assert shell.words_of_rsync is None


def test_the_clients_environment_changes_nothing(shell: Shell) -> None:
    env = {"IFS": "s", "t": "/etc", "c": GOOD, "p": "id", "o": "x", "w": "y", "h": "z", "no": "id"}

    assert shell.ask(PULL, "id", **env).returncode == 126
    assert shell.ask(PULL, GOOD, **env).returncode == 0
    assert shell.words_of_rsync == ["--server", "--sender", *OPTIONS.split(), ".", *PATHS]


PROGRAM = ("sh", "-c", 'cat; printf "%s\n" "$1" >&2\n', "sh", 'it\'s "a" $HOME `id` \\ é')
CAPTURE = gates.capture_gate([PROGRAM, ("true",)])
DECLARED = shlex.join(PROGRAM)


def test_a_declared_command_runs_and_reads_its_input(shell: Shell) -> None:
    done = shell.ask(CAPTURE, DECLARED)

    assert (done.returncode, done.stdout, done.stderr) == (0, "in", f"{PROGRAM[-1]}\n")
    assert shell.ask(CAPTURE, "true").returncode == 0


def test_the_status_of_a_declared_command_comes_back(shell: Shell) -> None:
    assert shell.ask(gates.capture_gate([("sh", "-c", "exit 3")]), "sh -c 'exit 3'").returncode == 3


@pytest.mark.parametrize(
    "form",
    [
        "{0}; id",
        "{0}\nid",
        "id\n{0}",
        "id; {0}",
        "{0} ",
        " {0}",
        "{0}\n",
        "{0} && id",
        "{0} $(id)",
        "{0} x",
        "x={0}",
        "{1}",
        "id",
    ],
)
def test_whatever_else_is_asked_of_the_captures_key_is_refused(shell: Shell, form: str) -> None:
    done = shell.ask(CAPTURE, form.format(DECLARED, DECLARED[:-1]))

    assert (done.returncode, done.stdout, done.stderr) == (126, "", f"{gates.refusal(CAPTURE)}\n")


def test_without_sha256sum_nothing_runs(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = shell.ask(CAPTURE, "true", PATH=str(tmp_path / "empty"))

    assert done.returncode == 126 or shell.words[0].endswith("busybox")


def test_a_refusal_tells_one_gate_from_another() -> None:
    refusals = {gates.refusal(gate) for gate in (PULL, CAPTURE, gates.pull_gate([OTHER]), gates.capture_gate([]))}

    assert len(refusals) == 4
    assert all(refusal.startswith(gates.REFUSED) for refusal in refusals)


def test_a_line_is_one_line_that_binds_the_key_to_addresses() -> None:
    line = gates.line("ssh-ed25519 AAAA me", PULL, ("192.0.2.1", "2001:db8::/64"))

    assert line.startswith('restrict,from="192.0.2.1,2001:db8::/64",command="LC_ALL=C; ')
    assert line.endswith('; done; no" ssh-ed25519 AAAA me')
    assert line.isprintable()
    assert gates.line("k", "x", ()) == 'restrict,command="x" k'
    assert len(line) < 2048


def test_a_path_that_no_line_can_hold_is_refused() -> None:
    with pytest.raises(UsageError):
        gates.line("k", gates.pull_gate([("/a\nb",)]), ())
