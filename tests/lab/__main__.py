"""The lab at the command line: `python -m tests.lab up|down|status|shell NAME|exec-host COMMAND...`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence

from backupcheck.errors import BackupcheckError
from backupcheck.lxc import why_not
from tests.lab.lab import DEFAULT_SEED, Lab


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; its exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(message)s")
    if reason := why_not():
        print(f"There can be no lab here. {reason}", file=sys.stderr)
        return 2
    try:
        return _do(options, Lab(seed=options.seed))
    except BackupcheckError as error:
        print(f"{error.message} {error.advice}".strip(), file=sys.stderr)
        return error.exit_status


def _do(options: argparse.Namespace, lab: Lab) -> int:
    match options.verb:
        case "up":
            began = time.monotonic()
            lab.up()
            print(f"The lab is up after {time.monotonic() - began:.1f} s: {', '.join(lab.fleet.addresses())}.")
        case "down":
            lab.down()
            print("The lab is gone.")
        case "status":
            states = lab.status()
            print("".join(f"{name:10} {'up' if up else 'down'}\n" for name, up in states.items()), end="")
            return 0 if all(states.values()) else 1
        case "shell":
            os.execvp("nsenter", lab.shell(options.name))
        case "exec-host":
            os.execvp("nsenter", (*lab.exec_prefix, *options.command))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("-v", "--verbose", action="store_true", help="show the commands that run")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="what all data is generated from")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="bring it up, or repair it")
    verbs.add_parser("down", help="end it, leaving nothing")
    verbs.add_parser("status", help="say which services are up; exit status 1 if one is not")
    verbs.add_parser("shell", help="a shell in a service's container").add_argument("name")
    command = verbs.add_parser("exec-host", help="a command on the backup host's side of the lab's network")
    command.add_argument("command", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
