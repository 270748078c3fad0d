"""A drill by this machine: through pytest where tests in Python lie beside the specs, else without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from backupcheck.errors import Interrupted
from backupcheck.result import Run
from backupcheck.seams import Engine
from backupcheck.suite import Shown, Suite


class By(Protocol):
    """Who drills a suite: this machine, or others."""

    @property
    def engine(self) -> Engine:
        """What the boxes are made by."""

    def drilled(self, suite: Suite, run_id: str, shown: Shown) -> Run:
        """Drill the suite. Raises `Interrupted` or an error."""


@dataclass(frozen=True)
class Here:
    """This machine."""

    engine: Engine

    def drilled(self, suite: Suite, run_id: str, shown: Shown) -> Run:
        """Drill the suite: its specs' checks, and the tests beside them. Raises `Interrupted` or an error."""
        folder = suite.site.specs
        if not any(folder.glob("test_*.py")) and not (folder / "conftest.py").exists():
            return asked(suite, run_id, shown)
        from backupcheck.pytesting.session import drilled

        return drilled(suite, run_id, shown)


def asked(suite: Suite, run_id: str, shown: Shown) -> Run:
    """Drill a suite that has no tests in Python: what pytest would ask, without the time and memory of pytest.

    Raises `Interrupted` or an error.
    """
    interrupted = False
    try:
        suite.start({spec.service: range(len(spec.checks)) for spec in suite.specs}, frozenset())
        for service in suite.names:
            shown(suite.proof(service))
    except KeyboardInterrupt as error:
        if suite.drill is None:
            raise Interrupted("interrupted before anything was asked") from None
        suite.stop(error)
        interrupted = True
    except BaseException as error:
        suite.stop(error)
        raise
    suite.stop()
    return suite.run(run_id, interrupted=interrupted)
