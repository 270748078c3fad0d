"""The run as metrics for Prometheus, in the text format that node_exporter's textfile collector reads."""

from __future__ import annotations

from typing import ClassVar

from backupcheck.metrics import known, text
from backupcheck.result import Run
from backupcheck.seams import Reporter


class Prometheus(Reporter):
    """Metrics for Prometheus: when each service was last proven, how it ended, RTO, RPO, rows, bytes, policies.

    The run's own; with `metrics.textfile` in the site file they are also published where node_exporter reads them,
    with the last known values of the services that the run did not ask.
    """

    file_name: ClassVar[str] = "metrics.prom"

    def render(self, run: Run) -> str:
        """The metrics in the text format, version 0.0.4."""
        return text(run.site, known(run))
