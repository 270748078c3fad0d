"""The values of a configuration file that a spec may say aloud, each with another value of the same form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from backupcheck.configfile import Value
from backupcheck.configfile.values import DEEPEST, TEMPLATE

LONGEST = 100
MOST = 200
SECRET = re.compile(
    r"pass|pwd|secret|token|credential|cookie|salt|seed|private|hmac|jwt|dsn|key|pin|auth|user|mail|cert|uuid|hash",
    re.IGNORECASE,
)
"""More than what is masked in reports: a cure is for a spec, which others may read."""
PLAIN = re.compile(r"[\w./ :-]+")


@dataclass(frozen=True)
class Setting:
    """One value: its path as a check of kind `config` says it, its key's own name, and its text in the file."""

    key: str
    name: str
    value: str | int

    @property
    def text(self) -> str:
        """As it stands in the file, quotes left out."""
        return str(self.value)

    @property
    def other(self) -> str:
        """Another value of this form."""
        if isinstance(self.value, int) or self.text.isdecimal():
            return str(int(self.value) + 1)
        return f"{self.text.rstrip('/')}-other"


def settings(value: Value) -> tuple[Setting, ...]:
    """Those that are no secrets, paths first, then numbers, then words; the first two hundred."""
    found = [one for one, _ in zip(_settings(value, (), 0), range(MOST), strict=False)]
    return tuple(sorted(found, key=lambda one: (not one.text.startswith("/"), isinstance(one.value, str))))


def _settings(value: Value, above: tuple[str, ...], depth: int) -> Iterator[Setting]:
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if not SECRET.search(name) and re.fullmatch(r"[^\"'\[\]\n]+", name):
                yield from _settings(inner, (*above, name), depth + 1)
    elif above and isinstance(value, str | int) and not isinstance(value, bool) and _sayable(str(value)):
        yield Setting(".".join(f'"{part}"' if "." in part else part for part in above), above[-1], value)


def _sayable(text: str) -> bool:
    """No template, no address with a password, nothing that is long enough to be a key."""
    words = re.findall(r"[^\W_]{24,}", text)
    return bool(PLAIN.fullmatch(text)) and len(text) <= LONGEST and TEMPLATE not in text and not words
