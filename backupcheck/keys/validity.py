"""A certificate's times against a day: pure, so that the same facts are judged anew each day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from backupcheck.duration import shown
from backupcheck.keys.x509file import CertificateFacts

SKEW = timedelta(minutes=5)
"""How far the clocks of a source and of the backup host may be apart."""


@dataclass(frozen=True)
class Verdict:
    """The answer to one question about one certificate; `question` ends the finding's id."""

    question: str
    good: bool
    expected: str
    actual: str
    message: str
    notable: bool = False


def verdicts(certificate: CertificateFacts, now: datetime, short_lived: timedelta) -> Iterator[Verdict]:
    """Whether it is valid already, valid still, and strong; what lives only `short_lived` may have ended."""
    begin, end = certificate.not_before, certificate.not_after
    yield Verdict(
        "not-yet-valid",
        begin <= now + SKEW,
        f"not after {now:%Y-%m-%d %H:%M}",
        f"{begin:%Y-%m-%d %H:%M}",
        f"it is valid from {begin:%Y-%m-%d}",
    )
    yield _expiry(end, now, end - begin, short_lived)
    yield Verdict(
        "weak-key",
        not certificate.weak,
        "a strong key",
        certificate.weak or "a strong key",
        f"its key is weak: {certificate.weak}" if certificate.weak else "its key is strong enough",
    )


def _expiry(end: datetime, now: datetime, life: timedelta, short_lived: timedelta) -> Verdict:
    left = end - now
    wanted, actual = f"after {now:%Y-%m-%d %H:%M}", f"{end:%Y-%m-%d %H:%M}"
    if left >= timedelta(0):
        return Verdict("expired", True, wanted, actual, f"it is valid until {end:%Y-%m-%d}, for {shown(left)}")
    ago = f"it ended {shown(-left)} ago, on {end:%Y-%m-%d}"
    if life <= short_lived:
        said = f"{ago}, which is normal: it lives {shown(life)} only and is renewed when the service starts"
        return Verdict("expired", True, wanted, actual, said, notable=True)
    return Verdict("expired", False, wanted, actual, ago)


def days_left(certificate: CertificateFacts, now: datetime) -> int:
    """Whole days until its end; below zero behind it."""
    return (certificate.not_after - now).days


def is_short_lived(certificate: CertificateFacts, short_lived: timedelta) -> bool:
    """Whether its whole life is no longer than `short_lived`."""
    return certificate.not_after - certificate.not_before <= short_lived
