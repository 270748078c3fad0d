"""A canary's value: it says when it was written, and nobody can have guessed it.

    backupcheck-canary/1 2026-11-23T02:30:07Z 5f0c…

The time is the backup host's, in whole seconds, and 128 random bits follow it. So a restored value says by itself
from when the data is, and the report in the seal says whether it is the very one of that pull.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

TABLE = "backupcheck_canary"
DOCUMENT = "backupcheck-canary"
FORM = "%Y-%m-%dT%H:%M:%SZ"
PATTERN = re.compile(r"backupcheck-canary/1 ([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z) [0-9a-f]{32}")
LONGEST = 200
"""Characters that are read of what may be a value; one has 74."""


@dataclass(frozen=True)
class Value:
    """One value: its `text`, and when it was `written`, in UTC."""

    text: str
    written: datetime

    @property
    def time(self) -> str:
        """When it was written, as the text has it."""
        return self.text.split(" ")[1]


def new(now: datetime) -> Value:
    """A value that was never written before."""
    text = f"backupcheck-canary/1 {now.astimezone(UTC).strftime(FORM)} {secrets.token_hex(16)}"
    return Value(text, now.astimezone(UTC).replace(microsecond=0))


def parse(text: str) -> Value | None:
    """The value that a text is; None for any other text."""
    found = PATTERN.fullmatch(text)
    try:
        return found and Value(text, datetime.strptime(found[1], FORM).replace(tzinfo=UTC))
    except ValueError:
        return None
