"""Options of the command line that several commands have, or that need many words."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from datetime import date
from typing import NoReturn

LATEST = "latest"
PLACES = ("site.yaml", "specs/site.yaml", "/etc/backupcheck/site.yaml")
"""Where the site file is looked for, in this order."""
EPILOG = """exit status: 0 proven; 1 a backup is bad; 2 could not verify; 3 a spec, the site file or the command
line is wrong; 4 a policy is not met; 130 interrupted"""


class Parser(argparse.ArgumentParser):
    """A mistake on the command line has the exit status of a mistake in a file: 3."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(3, f"{self.prog}: {message}{_meant(message)}\n")


def _meant(message: str) -> str:
    """What was perhaps meant by a word that argparse does not know, in the form that its sentence has."""
    unknown = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
    if unknown is None:
        return ""
    near = difflib.get_close_matches(unknown[1], [word.strip(" '") for word in unknown[2].split(",")], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def add_wait(command: argparse.ArgumentParser) -> None:
    """What to do while another run holds the site."""
    command.add_argument(
        "--wait", type=_seconds, default=0.0, metavar="SECONDS", help="wait so long for another run of the site"
    )


def add_engine(command: argparse.ArgumentParser) -> None:
    """Which boxes to drill in."""
    command.add_argument("--engine", help="the scratch engine: lxc, process, or auto")


def add_fresh(command: argparse.ArgumentParser) -> None:
    """Nothing is taken from earlier runs."""
    command.add_argument(
        "--fresh", action="store_true", help="restore and ask every service, also where `drill.carry` would carry"
    )


def add_executor(command: argparse.ArgumentParser) -> None:
    """Who proves, and how long one proof may take them."""
    command.add_argument("--executor", default="local", metavar="local|dask://HOST:PORT",
                         help="who restores and asks: this machine, or the workers of a Dask cluster")  # fmt: skip
    command.add_argument("--proof-seconds", type=_seconds, default=4 * 3600.0, metavar="SECONDS",
                         help="how long a worker may take for one proof (default: 4 hours)")  # fmt: skip


def add_services(command: argparse.ArgumentParser) -> None:
    """Some services in the place of all."""
    command.add_argument("services", nargs="*", metavar="SERVICE", help="only these services")


def add_snapshot(command: argparse.ArgumentParser) -> None:
    """Which snapshot to drill."""
    which = command.add_mutually_exclusive_group()
    which.add_argument("--snapshot", default=LATEST, help="the snapshot's id; default: the site's newest")
    which.add_argument("--in-turn", action="store_true",
                       help="the older snapshot whose turn it is by the policy snapshots_in_turn")  # fmt: skip


def add_restore_options(command: argparse.ArgumentParser) -> None:
    """One service, where it comes to, and the snapshot that it comes from."""
    command.add_argument("services", nargs=1, metavar="SERVICE", help="the service to restore")
    command.add_argument("--to", metavar="DIR|HOST:/PATH", required=True,
                         help="a folder of this machine, not there yet or empty; what differs from its seal stays "
                         "in DIR.incomplete; how to put it back is printed at the end. Or, as rsync and scp have "
                         "it, [USER@]HOST:/PATH, mostly HOST:/ : each path of the service goes back below PATH "
                         "there, where it must be gone or empty, and every file is compared there. A colon before "
                         "the first slash means a host; write ./NAME for a folder with one")  # fmt: skip
    command.add_argument("--identity", metavar="FILE",
                         help="your private key for HOST; default: what ssh's agent and configuration have. The "
                         "site's own keys may only read")  # fmt: skip
    command.add_argument("--snapshot", default=LATEST, help="the snapshot's id; default: the site's newest")


def add_mutate_options(command: argparse.ArgumentParser) -> None:
    """Which services of which snapshot, in which boxes, and how good their specs must be."""
    command.description = """Puts faults, one at a time, into a private copy of restored data, asks the spec of
    each, and says which it would let pass, with a line of YAML that catches it. Exit status 0: it was measured,
    whatever the score; 1: the score is below --least; 2: a service could not be measured, for it is not healthy
    as it is."""
    add_engine(command)
    command.add_argument("--snapshot", default=LATEST, help="the snapshot's id; default: the site's newest")
    command.add_argument("--json", metavar="FILE", help="write every mutant and what became of it into this file")
    command.add_argument("--least", type=_percent, default=0, metavar="PERCENT",
                         help="exit with 1 if a smaller share of all mutants is killed, such as 80%%")  # fmt: skip
    add_services(command)


def add_sync_options(command: argparse.ArgumentParser) -> None:
    """What a person may let through, and how closely to look."""
    for name, meaning in (
        ("--allow-deletions", "that more is gone at the source than `source.deletions` allows"),
        ("--allow-new-host", "that another machine answers for the service than before"),
    ):
        command.add_argument(
            name,
            action="append",
            default=[],
            metavar="SERVICE",
            help=f"let through, this once, {meaning}; only this service is pulled, unless others are named",
        )
    command.add_argument(
        "--compare", action="store_true", help="compare every file's content, whatever its size and time say"
    )


def add_demo_options(command: argparse.ArgumentParser) -> None:
    """Where the demo is made, and what it does not show."""
    command.add_argument("--keep", metavar="DIR", help="make the demo in this folder and leave it there")
    command.add_argument("--engine", default="process", help="the scratch engine (default: process)")
    command.add_argument(
        "--not-exercised", action="append", default=[], metavar="TEXT", help="add this to what the report admits"
    )


def add_keys_options(command: argparse.ArgumentParser) -> None:
    """What the keys are bound to, and what is to be done with them."""
    command.add_argument("--from", dest="addresses", action="append", default=[], metavar="ADDRESS",
                         help="bind the keys to this address or network; default: ssh.addresses")  # fmt: skip
    command.add_argument("--json", action="store_true", help="print the lines for programs")
    command.add_argument("--check", action="store_true", help="try each key at each source")
    command.add_argument("--pin", nargs="*", metavar="HOST", help="show host keys, and pin what you confirm")
    command.add_argument("--confirm", action="append", default=[], metavar="FINGERPRINT",
                         help="with --pin: pin just the keys with this fingerprint, and do not ask")  # fmt: skip


def add_history_options(command: argparse.ArgumentParser) -> None:
    """One service or all, for people or programs, and a person's word on what is right."""
    command.add_argument(
        "service", nargs="?", metavar="SERVICE", help="only this one: its last runs, what changed"
    )
    command.add_argument("--json", action="store_true", help="print it for programs")
    command.add_argument(
        "--accept",
        metavar="SERVICE",
        help="what its last run measured is right, though it is less: settle the baseline there",
    )
    command.add_argument(
        "--forget", metavar="SERVICE", help="remove what is kept of a service that no spec names any more"
    )


def add_report_options(command: argparse.ArgumentParser) -> None:
    """Which run, and what to do with it."""
    command.add_argument("run", nargs="?", default="latest", metavar="RUN",
                         help="a run's id or its beginning; default: the last run")  # fmt: skip
    command.add_argument("--open", action="store_true", help="open its report.html in a browser")
    command.add_argument("--render", action="store_true", help="write its reports anew, from its run.json")
    command.add_argument("--path", action="store_true", help="print only the path of its report.html")


def add_evidence_options(command: argparse.ArgumentParser) -> None:
    """What is to be done with the log of evidence, and against what."""
    parts = command.add_subparsers(dest="do_with", metavar="verify|export", required=True)
    verify = parts.add_parser("verify", help="whether the log is whole")
    verify.add_argument("place", nargs="?", metavar="PATH",
                        help="the log's folder, or an unpacked bundle; default: the site's")  # fmt: skip
    verify.add_argument("--public-key", metavar="FILE", help="the key that you keep elsewhere")
    verify.add_argument("--anchor", type=_anchor, action="append", default=[], metavar="N:DIGEST",
                        help="an anchor that a report printed must be in the log")  # fmt: skip
    export = parts.add_parser("export", help="make the bundle for an auditor")
    export.add_argument("place", metavar="PATH", help="the folder, .zip or .tar.gz to make")
    for name, meaning in (("--from", "the first day"), ("--to", "the last day")):
        export.add_argument(name, dest=f"day_{name[2:]}", type=_day, metavar="DAY", help=f"{meaning}, UTC")
    for part in (verify, export):
        part.add_argument("--site", metavar="FILE", default=argparse.SUPPRESS, help="the site file")


def _anchor(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,17}:[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no anchor: write it as a report prints it, NUMBER:DIGEST")
    return text


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it like 2026-03-31") from None


def _percent(text: str) -> int:
    if not re.fullmatch(r"([0-9]|[1-9][0-9]|100)%?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no share: write it like 80%")
    return int(text.removesuffix("%"))


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return float(text)
