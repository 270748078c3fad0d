"""What drills read from the repository, forecast for each service and kept within a month's budget.

Who stores a backup off-site bills what is read from it. A service is forecast by the bytes of its files in the
snapshot: restic reads less where they are compressed or alike, and a little more where they lie in many packs.
What was begun counts as read, whatever became of it. Months are those of UTC.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backupcheck.errors import BackupcheckError
from backupcheck.mirror import publishing
from backupcheck.spec import Site, in_bytes

FILE = "egress.json"
MODE = 0o600


class Ledger(BaseModel):
    """What was read in a month, such as `2026-11`; bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    month: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$")
    bytes: int = Field(ge=0)


@dataclass(frozen=True)
class Forecast:
    """What a service's restore would read, in bytes, and when the service was last proven."""

    bytes: int
    proven: datetime | None


@dataclass(frozen=True)
class Budget:
    """Of a month's `most` bytes, `spent` are; `now` says how much of the month is over."""

    most: int
    spent: int
    now: datetime

    @property
    def left(self) -> int:
        """What may still be read this month."""
        return max(0, self.most - self.spent)

    @property
    def paced(self) -> int:
        """What may be read tonight, so that the budget lasts: each day adds its share."""
        days = calendar.monthrange(self.now.year, self.now.month)[1]
        return max(0, self.most * self.now.day // days - self.spent)

    def due(self, forecasts: Mapping[str, Forecast]) -> tuple[str, ...]:
        """Which services to restore tonight: those whose proof is the oldest, as far as the budget lasts.

        One that was never proven waits for no day's share. What costs nothing is always due; where nothing else
        is, the smallest that the month has room for: each night goes the way from the repository to a proof.
        """
        eldest = sorted(
            forecasts, key=lambda name: (forecasts[name].proven or datetime.min.replace(tzinfo=UTC), name)
        )
        taken, found = 0, set[str]()
        for name in eldest:
            one = forecasts[name]
            room = self.paced if one.proven else self.left
            if one.bytes == 0 or taken + one.bytes <= room:
                taken += one.bytes
                found.add(name)
        if not found:
            smallest = min(forecasts, key=lambda name: (forecasts[name].bytes, eldest.index(name)), default="")
            found = {smallest} if smallest and forecasts[smallest].bytes <= self.left else set()
        return tuple(name for name in forecasts if name in found)


def budget_of(site: Site, now: datetime) -> Budget | None:
    """The site's budget as it stands; None for a site without. Raises `BackupcheckError` for a ledger that cannot
    be read."""
    if site.drill.egress is None:
        return None
    now = now.astimezone(UTC)
    return Budget(in_bytes(site.drill.egress), _spent(site.state / FILE, now), now)


def spend(site: Site, size: int, now: datetime) -> None:
    """Write down that so many bytes are about to be read, where the site has a budget. Raises
    `BackupcheckError`."""
    if (budget := budget_of(site, now)) is None or size == 0:
        return
    file = site.state / FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with publishing(file, MODE) as opened:
            opened.write(Ledger(month=_month(budget.now), bytes=budget.spent + size).model_dump_json().encode())
    except OSError as error:
        raise BackupcheckError(
            f"what is read from the repository cannot be written down in {file}: {error.strerror}",
            id="egress.unwritable",
            advice="make the folder of `state` writable, or remove `drill.egress`",
        ) from error


def _spent(file: Path, now: datetime) -> int:
    try:
        ledger = Ledger.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return 0
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise BackupcheckError(
            f"what was read from the repository this month is not known: {file}: {why}",
            id="egress.unreadable",
            advice=f"remove {file}: counting then begins anew",
        ) from error
    return ledger.bytes if ledger.month == _month(now) else 0


def _month(now: datetime) -> str:
    return f"{now:%Y-%m}"
