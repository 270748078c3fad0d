"""Puts the checks of one service to its box: those that take long beside each other, the others in their order.

What a check starts in the box may be shared with the next one, and the kernel ends it with the thread that started
it (prctl(2), PR_SET_PDEATHSIG). So the threads are not the questions': they live as long as the box.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from backupcheck.asking import ask
from backupcheck.result import CheckResult
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.waivers import Waivers

Asked = tuple[CheckResult, Facts | None]
"""What came of a check, and the facts that were judged, if it came so far."""


def lanes_for(checks: Sequence[Check[Facts]]) -> ThreadPoolExecutor:
    """Threads for so many checks as may be asked at a time."""
    return ThreadPoolExecutor(1 + sum(bool(check.pace) for check in checks), thread_name_prefix="asking")


@dataclass(frozen=True)
class Asking:
    """Who is asked, and by what it is judged. So many checks that take long run at a time, of all services, as
    `heavy` lets in."""

    box: Box
    moment: Moment
    waivers: Waivers
    heavy: threading.Semaphore
    lanes: Executor
    progress: Callable[[str], None]

    def of(self, checks: Sequence[Check[Facts]]) -> Iterator[Asked]:
        """What came of each check, in the order of the checks, whichever ended first; at the end all have ended.

        Raises `Interrupted`.
        """
        answers: list[Future[Asked]] = [Future() for _ in checks]
        long = [number for number, check in enumerate(checks) if check.pace]
        short = [number for number, check in enumerate(checks) if not check.pace]
        for number in long:
            self.lanes.submit(self._long, checks, number, answers)
        self.lanes.submit(self._short, checks, short, answers)
        try:
            for answer in answers:
                yield answer.result()
        finally:
            wait(answers)

    def _long(self, checks: Sequence[Check[Facts]], number: int, answers: list[Future[Asked]]) -> None:
        with self.heavy:
            self._short(checks, [number], answers)

    def _short(self, checks: Sequence[Check[Facts]], numbers: Sequence[int], answers: list[Future[Asked]]) -> None:
        for number in numbers:
            self.progress(f"asking {number + 1} of {len(checks)}: {checks[number].title}")
            try:
                facts: list[Facts] = []
                result = ask(checks[number], self.box, self.moment, self.waivers, facts)
                answers[number].set_result((result, facts[0] if facts else None))
            except BaseException as error:  # noqa: BLE001  whoever waits for the answer raises it
                answers[number].set_exception(error)
