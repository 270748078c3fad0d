"""Options of the command line that several commands have, or that need many words."""

from __future__ import annotations

import argparse
import re


def add_wait(command: argparse.ArgumentParser) -> None:
    """What to do while another run holds the site."""
    command.add_argument(
        "--wait", type=_seconds, default=0.0, metavar="SECONDS", help="wait so long for another run of the site"
    )


def add_sync_options(command: argparse.ArgumentParser) -> None:
    """What a person may let through, and how closely to look."""
    for name, meaning in (
        ("--allow-deletions", "that more is gone at the source than `source.deletions` allows"),
        ("--allow-new-host", "that another machine answers for the service than before"),
    ):
        command.add_argument(
            name, action="append", default=[], metavar="SERVICE", help=f"let through, this once, {meaning}"
        )
    command.add_argument(
        "--compare", action="store_true", help="compare every file's content, whatever its size and time say"
    )


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return float(text)
