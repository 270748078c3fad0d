"""Which services a night restores, where what is read from the repository has a budget."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from backupcheck.carrying.proofs import Carrying
from backupcheck.egress import Budget, Forecast, budget_of
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.finishing import history_of
from backupcheck.plan import make_plan
from backupcheck.seams import Engine
from backupcheck.spec import Site, Spec
from backupcheck.suite import restic_version
from backupcheck.wording import bytes_text


@dataclass(frozen=True)
class Due:
    """The services to drill, what is forecast in a sentence, and one on those that must wait; empty where nothing
    is to be said. `affordable` is whether as much again may be read."""

    specs: tuple[Spec, ...]
    forecast: str = ""
    waiting: str = ""
    affordable: bool = True


def due_of(
    site: Site, specs: tuple[Spec, ...], engine: Engine, now: datetime, red: Collection[str], *, fresh: bool
) -> Due:
    """What the budget lets a drill of the newest snapshot restore. `red` are services of which something bad is
    known already: these are drilled, whatever it costs, so that their reports are whole.

    Where it cannot be forecast, all are due, and the drill names what is wrong; but raises `BackupcheckError`
    where the budget itself cannot be known, or where it is spent.
    """
    budget = budget_of(site, now)
    if budget is None:
        return Due(specs)
    try:
        plan = make_plan(site, [spec.service for spec in specs])
    except Interrupted:
        raise
    except BackupcheckError:
        return Due(specs)
    carried = () if fresh else Carrying(site, engine, restic_version(site), now).carried(specs)
    history = history_of(site)
    forecasts = {}
    for spec in specs:
        stored = plan.services.get(spec.service)
        costs = stored.bytes if stored and spec.service not in carried else 0
        forecasts[spec.service] = Forecast(costs, history.last_proven(spec.service))
    due = {*budget.due(forecasts), *(spec.service for spec in specs if spec.service in red)}
    if specs and not due:
        raise BackupcheckError(
            f"nothing was restored: of the {bytes_text(budget.most)} that `drill.egress` allows this month, "
            f"{bytes_text(budget.left)} are left, and no service is that small",
            id="egress.spent",
            advice="allow more a month, or name the services to restore all the same: backupcheck drill SERVICE",
        )
    size = sum(forecasts[name].bytes for name in due)
    return Due(
        tuple(spec for spec in specs if spec.service in due),
        f"{bytes_text(size)} are to be restored; {bytes_text(budget.left)} of this month's "
        f"{bytes_text(budget.most)} are left",
        _waiting({name: one for name, one in forecasts.items() if name not in due}, budget),
        budget.spent + 2 * size <= budget.most,
    )


def _waiting(left: dict[str, Forecast], budget: Budget) -> str:
    if not left:
        return ""
    named = ", ".join(f"{name} ({bytes_text(one.bytes)})" for name, one in left.items())
    return f"not due by `drill.egress`, of which {bytes_text(budget.spent)} are spent this month: {named}"
