"""Files of lines into plain values: environment files and INI. All values are texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backupcheck.configfile.values import Options, Unparsable, Value

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(.*)", re.DOTALL)
_SECTION = re.compile(r"\[([^\]]+)\]\s*(?:[#;].*)?")
_KEY = re.compile(r"([^=:\s\[][^=:]*?)\s*[=:]\s*(.*)")


def env(text: str, options: Options) -> Value:
    """`NAME=value` lines as systemd and docker compose read them; the last of several wins."""
    found: dict[str, Value] = {}
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        match = _ASSIGNMENT.fullmatch(line.strip())
        if match is None:
            raise Unparsable("has a line that is no NAME=value", number)
        found[match[1]] = _unquoted(match[2], number, lines)
    return found


def _unquoted(value: str, number: int, lines: Iterator[tuple[int, str]]) -> str:
    """The value without its quotes, which may span lines, or without the comment behind it."""
    quote = value[:1]
    if quote not in ("'", '"'):
        return re.split(r"\s+#", value, maxsplit=1)[0].strip()
    inner = value[1:]
    while (end := _closing(inner, quote)) is None:
        _, following = next(lines, (0, None))
        if following is None:
            raise Unparsable("has a quote that is never closed", number)
        inner += "\n" + following
    if re.fullmatch(r"\s*(#.*)?", inner[end + 1 :]) is None:
        raise Unparsable("has something behind a closing quote", number)
    return re.sub(r'\\(["\\$`])', r"\1", inner[:end]) if quote == '"' else inner[:end]


def _closing(text: str, quote: str) -> int | None:
    place = 0
    while place < len(text):
        if text[place] == "\\" and quote == '"':
            place += 1
        elif text[place] == quote:
            return place
        place += 1
    return None


def ini(text: str, options: Options) -> Value:
    """`key = value` lines in `[sections]`; a repeated key is a list.

    A line that is indented deeper than the key above it goes on with that key's value.
    """
    found: dict[str, Value] = {}
    indent = 0
    section = found
    last: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content.startswith(("#", ";")):
            continue
        here = len(line) - len(line.lstrip())
        if last is not None and here > indent:
            _continue(section, last, content)
        elif header := _SECTION.fullmatch(content):
            inner = found.setdefault(header[1].strip(), {})
            if not isinstance(inner, dict):
                raise Unparsable("has a section with the name of a key", number)
            section, last = inner, None
        elif match := _KEY.fullmatch(content):
            last, indent = match[1].strip(), here
            _add(section, last, match[2].strip())
        else:
            raise Unparsable("has a line that is neither a section nor key = value", number)
    return found


def _add(section: dict[str, Value], key: str, value: str) -> None:
    before = section.get(key)
    if before is None:
        section[key] = value
    else:
        section[key] = [*before, value] if isinstance(before, list) else [before, value]


def _continue(section: dict[str, Value], key: str, more: str) -> None:
    value = section[key]
    if isinstance(value, list):
        value[-1] = f"{value[-1]}\n{more}"
    else:
        section[key] = f"{value}\n{more}"
