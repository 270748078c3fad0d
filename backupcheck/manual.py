"""What the models say of themselves, as manual pages; nothing is written twice.

python -m backupcheck.manual write docs     writes the schemas and the manual of all kinds
python -m backupcheck.manual check docs     names the files that are not as they would be written
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from backupcheck.errors import UsageError
from backupcheck.matchers import Match
from backupcheck.seams import SEAMS, Kind
from backupcheck.subkeys import Key, any_matches, keys
from backupcheck.validate import unknown_key

KINDS_FILE = "kinds.md"
MATCHER_PAGE = "matchers"
MATCHED = "A matcher is a plain value, or conditions such as {gte: 5}: `backupcheck kinds matchers`."
MATCHERS = """\
A plain value must be equal: `5` is not `"5"`, and `1` is not `true`.

    rows: 5
    rows: {gte: 5}
    rows: {gte: 1, lt: 1000}
    version: {matches: '^v2\\.'}
    mode: {one_of: ["0600", "0400"]}
"""


def page(seam: str, kind: type[Kind]) -> str:
    """A kind's manual page: its caption, its class's docstring and its keys."""
    lines = [f"{kind.kind()} ({seam})", "", kind.caption(), "", *_about(kind)]
    if found := keys(kind):
        lines += ["", "Keys:", *_listed(found, "  ")]
    if any_matches(found):
        lines += ["", MATCHED]
    return "\n".join(lines).rstrip()


def _listed(found: Sequence[Key], indent: str) -> Iterator[str]:
    """Keys as lines, those within a key below it."""
    for key in found:
        yield f"{indent}{key.name} ({_need(key)})"
        if key.description:
            yield f"{indent}    {key.description}"
        if key.inner:
            yield f"{indent}    {'keys of each:' if key.many else 'its keys:'}"
            yield from _listed(key.inner, indent + " " * 6)


def _need(key: Key) -> str:
    return f"{key.need}{_matched(key, 'matcher')}"


def _matched(key: Key, matcher: str) -> str:
    return f"; {'each ' if key.many else ''}may be a {matcher}" if key.matches else ""


def matchers() -> str:
    """The page of what may stand where a value is compared."""
    lines = ["matchers", "", *_about_matchers(), "", "Conditions:", *_listed(keys(Match), "  ")]
    return "\n".join(lines).replace(" (default: none)", "")


def _about_matchers() -> list[str]:
    return [*(inspect.getdoc(Match) or "").splitlines(), "", *MATCHERS.splitlines()]


def listing() -> str:
    """Every kind with its caption, a line each."""
    width = max(len(name) for seam in SEAMS for name in seam.kinds)
    lines = [
        line
        for seam in SEAMS
        for line in (f"{seam.name}:", *(f"  {name:<{width}} {said}" for name, said in seam.captions().items()))
    ]
    return "\n".join(
        [*lines, "", "`backupcheck kinds KIND` explains one, `backupcheck kinds matchers` what `{gte: 5}` is."]
    )


def pages(name: str) -> str:
    """The manual pages of the kinds of that name. Raises `UsageError` with the nearest if there is none."""
    if name == MATCHER_PAGE:
        return matchers()
    found = [page(seam.name, seam.kinds[name]) for seam in SEAMS if name in seam.kinds]
    if not found:
        every = sorted({MATCHER_PAGE, *(kind for seam in SEAMS for kind in seam.kinds)})
        said = unknown_key(name, every).replace("the key", "the kind")
        raise UsageError(said, advice="`backupcheck kinds` lists all")
    return "\n\n".join(found)


def _about(kind: type[Kind]) -> list[str]:
    """The class's docstring, without a first line that says the caption again."""
    lines = (inspect.getdoc(kind) or "").splitlines()
    if lines and lines[0] == kind.caption():
        lines = lines[2:]
    return lines


def markdown() -> str:
    """The manual pages of all kinds of all seams as one Markdown page."""
    lines = ["# Every kind", "", "Written by `python -m backupcheck.manual write docs` from the code."]
    for seam in SEAMS:
        lines += ["", f"## {seam.name.capitalize()} kinds"]
        for kind in seam.kinds.values():
            lines += _section(kind)
    lines += ["", "## Matchers", "", "```text", *_about_matchers(), "```", *_table(keys(Match))]
    return "\n".join(lines) + "\n"


def _section(kind: type[Kind]) -> list[str]:
    lines = ["", f"### {kind.kind()}", "", kind.caption()]
    if about := _about(kind):
        lines += ["", "```text", *about, "```"]
    return lines + _table(keys(kind))


def _table(found: Sequence[Key]) -> list[str]:
    """Keys as a table; a key within another has both names."""
    return ["", "| key | | what it is |", "| --- | --- | --- |", *_rows(found, "")] if found else []


def _rows(found: Sequence[Key], above: str) -> Iterator[str]:
    for key in found:
        name = f"{above}{key.name}"
        need = f"{_cell(key.need)}{_matched(key, '[matcher](#matchers)')}"
        yield f"| `{name}` | {need} | {_cell(key.description)} |"
        yield from _rows(key.inner, f"{name}: … " if key.many else f"{name}: ")


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def documents() -> Iterator[tuple[str, str]]:
    """Every file that is made from the code, by name, and its text."""
    from backupcheck.schemas import FILES, schema

    for of, name in FILES.items():
        yield name, schema(of) + "\n"
    yield KINDS_FILE, markdown()


def write(folder: Path) -> None:
    """Write every file that is made from the code."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents():
        (folder / name).write_text(text, encoding="utf-8")


def stale(folder: Path) -> tuple[Path, ...]:
    """The files that are missing or are not as they would be written."""
    return tuple(
        folder / name
        for name, text in documents()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    )


def main(arguments: Sequence[str]) -> int:
    """`write DIR` or `check DIR`; 1 if a file is stale, 3 for other words."""
    match list(arguments):
        case ["write", folder]:
            write(Path(folder))
            return 0
        case ["check", folder]:
            old = stale(Path(folder))
            for file in old:
                print(f"{file} is stale: run `python -m backupcheck.manual write {folder}`", file=sys.stderr)
            return 1 if old else 0
        case _:
            print("python -m backupcheck.manual write|check DIR", file=sys.stderr)
            return 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
