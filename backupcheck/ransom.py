"""The signs of ransomware in the files of a service: known types that are random bytes, and what became so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from backupcheck.content import Looks, Rewriting
from backupcheck.result import printable
from backupcheck.wording import number_text

MANY = 20
"""So many times the least number is bad whatever the share: nobody has so many odd files."""
LEAST_BECAME = 10
"""Of fewer files it says nothing that they became random bytes: a program may have begun to compress them."""
MOST_NAMED = 5
LONGEST_NAME = 120


@dataclass(frozen=True)
class Bounds:
    """From how many files on, and from which share of them (0 to 1), they look encrypted; and the endings of names
    (without their point) of what the service encrypts itself."""

    least: int
    share: float
    own: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Signs:
    """What was found: of `judged` files of known types `encrypted` look so; whether it is `bad`, and each sign in
    words."""

    judged: int
    encrypted: int
    bad: bool
    words: tuple[str, ...]


def signs(looks: Looks, allowed: Mapping[str, int], since: Rewriting | None, bounds: Bounds) -> Signs:
    """The signs in the files as they are now, and in what became of them `since` they were good (None: not known).
    So many as are `allowed`, by their ending, may look encrypted."""
    judged = sum(count for ending, count in looks.judged.items() if ending not in bounds.own)
    beyond = {
        ending: count - allowed.get(ending, 0)
        for ending, count in looks.encrypted.items()
        if ending not in bounds.own and count > allowed.get(ending, 0)
    }
    count = sum(beyond.values())
    words = [*_now(looks, beyond, judged)] if count else []
    became = [*_became(since, bounds)] if since else []
    bad = count >= bounds.least and (count >= bounds.share * judged or count >= MANY * bounds.least)
    return Signs(judged, count, bad or bool(became), (*words, *became))


def _now(looks: Looks, beyond: Mapping[str, int], judged: int) -> Iterator[str]:
    worst = sorted(beyond, key=lambda ending: (-beyond[ending], ending))
    named = [_short(name) for ending in worst for name in looks.examples.get(ending, ())][:MOST_NAMED]
    count = sum(beyond.values())
    more = f" and {number_text(count - len(named))} more" if count > len(named) else ""
    yield (
        f"{number_text(count)} of {number_text(judged)} files of known types have random bytes instead of what"
        f" their names say: {', '.join(named)}{more}"
    )


def _became(since: Rewriting, bounds: Bounds) -> Iterator[str]:
    least = max(LEAST_BECAME, bounds.share * since.before)
    whole = number_text(since.before)
    if since.turned >= least:
        yield f"{number_text(since.turned)} of {whole} files have become random bytes since it was good"
    ending = max(since.renamed, key=lambda one: since.renamed[one], default="")
    if ending and since.renamed[ending] >= least:
        count = number_text(since.renamed[ending])
        yield f"{count} of {whole} files have other content and .{_short(ending)} behind their old names"


def _short(name: str) -> str:
    text = printable(name)
    return text if len(text) <= LONGEST_NAME else text[:LONGEST_NAME] + "…"


def touched_text(since: Rewriting) -> str:
    """What became of the files, in words."""
    other = f"{number_text(since.rewritten)} of {number_text(since.before)} files"
    return f"{other} have other content than when it was good, and {number_text(since.gone)} are gone"


def advice_text(service: str, *, bad: bool) -> str:
    """What to do about files that look encrypted."""
    right = f"if it is right so, name the ending in `encrypts`, or run `backupcheck history --accept {service}`"
    if not bad:
        return f"see whether they can still be opened at the source; {right}"
    return (
        "this looks like ransomware: keep the older snapshots (stop `forget` and `prune`), cut the source off the "
        f"network, and restore from the snapshot before; {right}"
    )
