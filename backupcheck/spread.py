"""What comes round every so many days for each service, spread over the days by the services' names."""

from __future__ import annotations

import hashlib
from datetime import datetime


def turn_came(name: str, last: datetime, now: datetime, days: int) -> bool:
    """Whether a turn of this name came since `last`, as the days are counted at `now`'s place; two are never
    further apart than `days`."""
    shift = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % days
    return (now.toordinal() + shift) // days > (last.astimezone(now.tzinfo).toordinal() + shift) // days
