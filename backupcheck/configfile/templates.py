"""Go and Jinja templates made parsable: `{{ … }}` becomes a word, a line that is only control goes away.

A configuration that its service fills in at start is not valid before (Authelia's `X_AUTHELIA_CONFIG_FILTERS`),
so its expressions are replaced, never evaluated.
"""

from __future__ import annotations

import re

from backupcheck.configfile.values import TEMPLATE, Options, Unparsable

_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_ELSE = re.compile(r"\{[{%]-?\s*(else|elif|range|for)\b")


def filled(text: str, *, quoted: bool) -> tuple[str, Options]:
    """The text with its expressions replaced; `quoted` where a bare word would be no value.

    Raises `Unparsable` for an expression that is not closed. Lines keep their numbers, except behind expressions
    that span several.
    """
    _refuse_unclosed(text)
    lines = _EXPRESSION.sub(_on_one_line, text).split("\n")
    done = [_line(line, quoted=quoted) for line in lines]
    return "\n".join(done), Options(duplicates=_ELSE.search(text) is not None)


def _on_one_line(match: re.Match[str]) -> str:
    return match[0].replace("\r", " ").replace("\n", " ")


def _line(line: str, *, quoted: bool) -> str:
    if not _EXPRESSION.search(line):
        return line
    if not _EXPRESSION.sub("", line).strip():
        return ""
    done = ""
    rest = line
    while match := _EXPRESSION.search(rest):
        done += rest[: match.start()]
        if not match[0].startswith(("{%", "{#")):
            done += f'"{TEMPLATE}"' if quoted and _outside_quotes(done) else TEMPLATE
        rest = rest[match.end() :]
    return done + rest


def _outside_quotes(text: str) -> bool:
    return text.replace('\\"', "").count('"') % 2 == 0


def _refuse_unclosed(text: str) -> None:
    rest = _EXPRESSION.sub(lambda match: "\n" * match[0].count("\n"), text)
    at = rest.find("{{")
    if at >= 0 and "}}" not in rest[at:]:
        raise Unparsable("has a template expression that is never closed", rest.count("\n", 0, at) + 1)
