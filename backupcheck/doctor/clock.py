"""This machine's clock: every judgement of age and expiry hangs on it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.result import Finding, Outcome
from backupcheck.spec import Site, Spec

STA_UNSYNC = 0x40
"""The kernel's bit for a clock that nothing disciplines (adjtimex(2))."""
TIMEX_BYTES, STATUS_OFFSET = 208, 40
"""struct timex on 64-bit Linux: status is the int after five longs (adjtimex(2))."""


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """Not before this program was written, and disciplined by somebody."""
    now = datetime.now(UTC)
    written = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    behind = now < written
    yield Finding(
        id="doctor.clock-wrong",
        outcome=Outcome.ERROR if behind else Outcome.PASS,
        subject="clock",
        actual=f"{now:%Y-%m-%d %H:%M} UTC",
        message=f"the clock says {now:%Y-%m-%d %H:%M} UTC"
        + (", which is before this program was installed" if behind else ""),
        advice="set the clock, and let systemd-timesyncd or chrony keep it" if behind else "",
    )
    disciplined = _disciplined()
    yield Finding(
        id="doctor.clock-adrift",
        outcome=Outcome.PASS if disciplined else Outcome.WARN,
        subject="clock",
        expected="kept by a time service",
        actual="kept" if disciplined else "not kept",
        message="the clock is kept by a time service" if disciplined else "no time service keeps the clock",
        advice=""
        if disciplined
        else "let systemd-timesyncd or chrony keep it; in a container the host's clock counts",
    )


def _disciplined() -> bool:
    """Whether the kernel's clock is synchronised; also seen from inside a container, for there is one clock."""
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "adjtimex")
    status = int.from_bytes(buffer.raw[STATUS_OFFSET : STATUS_OFFSET + 4], "little")
    return not status & STA_UNSYNC
