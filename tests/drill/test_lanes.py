"""The checks of a service beside each other: whichever ends first, the answers come in the order of the spec."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from backupcheck.drill.lanes import Asked, Asking, lanes_for
from backupcheck.errors import Interrupted
from backupcheck.restore.unboxed import Unboxed
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Tree
from backupcheck.waivers import Waivers

NOW = datetime(2026, 11, 23, tzinfo=UTC)
order: list[str] = []
started: list[subprocess.Popen[bytes]] = []
reached = threading.Event()


class Plain(Check[Facts]):
    """Says who it is."""

    it: str

    def subject(self) -> str:
        return self.it

    def observe(self, box: Box) -> Facts:
        order.append(self.it)
        return Facts()

    def judge(self, facts: Facts, moment: Moment) -> Iterator[Finding]:
        yield Finding(id="plain.seen", outcome=Outcome.PASS, subject=self.it, message="seen")


class Waits(Plain):
    """Takes long: until another was asked."""

    pace: ClassVar[float] = 1.0

    def observe(self, box: Box) -> Facts:
        assert reached.wait(10)
        return super().observe(box)


class Reaches(Plain):
    """Lets the one that waits go on."""

    def observe(self, box: Box) -> Facts:
        facts = super().observe(box)
        reached.set()
        return facts


class Ended(Plain):
    """Is asked when the run was interrupted."""

    def observe(self, box: Box) -> Facts:
        raise Interrupted("the run was interrupted")


class Starts(Plain):
    """Starts something in the box that the kernel ends with the thread that started it."""

    pace: ClassVar[float] = 1.0

    def observe(self, box: Box) -> Facts:
        words = ["setpriv", "--pdeathsig", "KILL", "sleep", "60"]
        process = subprocess.Popen(words)
        started.append(process)
        while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":  # from then on the kernel knows of it
            time.sleep(0.005)
        return super().observe(box)


@contextmanager
def asked(*checks: Check[Facts], heavy: int = 2) -> Iterator[Iterator[Asked]]:
    """What comes of the checks, and threads that live as long as the block."""
    order.clear()
    reached.clear()
    box = Unboxed("notes", Tree(Path("/nonexistent")))
    waivers = Waivers(date(2026, 11, 23), ())
    with lanes_for(checks) as lanes:
        asking = Asking(box, Moment(NOW, NOW), waivers, threading.Semaphore(heavy), lanes, lambda text: None)
        yield asking.of(checks)


def test_answers_come_in_the_order_of_the_checks_whichever_ends_first() -> None:
    with asked(Waits(it="first"), Plain(it="second"), Reaches(it="third")) as coming:
        answers = list(coming)

    assert [answer.findings[0].subject for answer, _ in answers] == ["first", "second", "third"]
    assert order == ["second", "third", "first"]


def test_more_that_take_long_than_are_let_in_wait_for_one_another() -> None:
    with asked(Waits(it="first"), Waits(it="second"), Waits(it="third"), Reaches(it="last"), heavy=1) as coming:
        answers = list(coming)

    assert [answer.findings[0].subject for answer, _ in answers] == ["first", "second", "third", "last"]


def test_an_interruption_is_raised_and_is_no_answer() -> None:
    with asked(Plain(it="first"), Ended(it="second")) as coming, pytest.raises(Interrupted):
        list(coming)


def test_what_a_check_started_lives_after_all_were_asked() -> None:
    with asked(Starts(it="first"), Plain(it="second")) as coming:
        list(coming)
        process = started.pop()
        time.sleep(0.2)
        lived = process.poll() is None
    process.kill()

    assert (process.wait(), lived) == (-signal.SIGKILL, True)
