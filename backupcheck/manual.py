"""What the models say of themselves: manual pages, captions and JSON Schemas; nothing is written twice.

python -m backupcheck.manual write docs     writes the schemas and the manual of all kinds
python -m backupcheck.manual check docs     names the files that are not as they would be written
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from pydantic import Field

from backupcheck.errors import UsageError
from backupcheck.reporters import json as run_json
from backupcheck.seams import CAPTURES, CHECKS, ENGINES, NOTIFIERS, POLICIES, SEAMS, Kind, Seam
from backupcheck.spec import Outline, SiteOutline
from backupcheck.validate import unknown_key

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: Mapping[str, str] = MappingProxyType(
    {"spec": "spec.schema.json", "site": "site.schema.json", "run": "run.schema.json"}
)
"""The schemas, and the files that they are in."""
KINDS_FILE = "kinds.md"
Json = dict[str, object]


def caption(kind: type[Kind]) -> str:
    """A kind's one line: the first of its module's docstring."""
    documented = sys.modules[kind.__module__].__doc__ or ""
    return documented.strip().splitlines()[0] if documented.strip() else ""


def page(seam: str, kind: type[Kind]) -> str:
    """A kind's manual page: its caption, its class's docstring and its keys."""
    lines = [f"{kind.kind()} ({seam})", "", caption(kind), "", *_about(kind)]
    keys = list(_keys(kind))
    if keys:
        lines += ["", "Keys:"]
    for name, need, description in keys:
        lines += [f"  {name} ({need})", *([f"      {description}"] if description else [])]
    return "\n".join(lines).rstrip()


def listing() -> str:
    """Every kind with its caption, a line each."""
    return "\n".join(
        line
        for seam in SEAMS
        for line in (f"{seam.name}:", *(f"  {name:<12} {caption(kind)}" for name, kind in seam.kinds.items()))
    )


def pages(name: str) -> str:
    """The manual pages of the kinds of that name. Raises `UsageError` with the nearest if there is none."""
    found = [page(seam.name, seam.kinds[name]) for seam in SEAMS if name in seam.kinds]
    if not found:
        every = sorted({kind for seam in SEAMS for kind in seam.kinds})
        raise UsageError(unknown_key(name, every).replace("the key", "the kind"))
    return "\n\n".join(found)


def _about(kind: type[Kind]) -> list[str]:
    """The class's docstring, without a first line that says the caption again."""
    lines = (inspect.getdoc(kind) or "").splitlines()
    if lines and lines[0] == caption(kind):
        lines = lines[2:]
    return lines


def _keys(kind: type[Kind]) -> Iterator[tuple[str, str, str]]:
    """Each key, whether it is needed or what it is without, and what it is for."""
    for name, field in kind.model_fields.items():
        need = "required" if field.is_required() else f"default: {_default(kind, name)}"
        yield name, need, field.description or ""


def _default(kind: type[Kind], name: str) -> str:
    """A key's default as a spec would write it."""
    plain = kind.model_construct().model_dump(mode="json", include={name}, exclude_none=True)
    return json.dumps(plain[name], ensure_ascii=False) if name in plain else "none"


def markdown() -> str:
    """The manual pages of all kinds of all seams as one Markdown page."""
    lines = ["# Every kind", "", "Written by `python -m backupcheck.manual write docs` from the code."]
    for seam in SEAMS:
        lines += ["", f"## {seam.name.capitalize()} kinds"]
        for kind in seam.kinds.values():
            lines += _section(kind)
    return "\n".join(lines) + "\n"


def _section(kind: type[Kind]) -> list[str]:
    lines = ["", f"### {kind.kind()}", "", caption(kind)]
    if about := _about(kind):
        lines += ["", "```text", *about, "```"]
    if keys := list(_keys(kind)):
        lines += ["", "| key | | what it is |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | {_cell(need)} | {_cell(description)} |" for name, need, description in keys]
    return lines


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def schema(of: str) -> str:
    """The JSON Schema of `spec` files, `site` files or of `run` (run.json), as text."""
    if of == "run":
        return run_json.schema().rstrip("\n")
    made = {"spec": _spec_schema, "site": _site_schema}[of]()
    return json.dumps({"$schema": DIALECT, **made}, indent=2, ensure_ascii=False)


def _site_schema() -> Json:
    made = _Site.model_json_schema() | {"title": "Site"}
    made["properties"]["policies"]["items"] = _one_of(POLICIES, made["$defs"])
    made["properties"]["notifiers"]["items"] = _one_of(NOTIFIERS, made["$defs"])
    made["$defs"]["ScratchSpec"]["properties"]["engine"]["enum"] = ["auto", *ENGINES.kinds]
    return made


class _Spec(Outline):
    """One service: where its data lives, how a copy is taken, and what must be true after a restore."""

    capture: tuple[dict[str, object], ...] = Field((), description="consistent copies, taken at the source")
    checks: tuple[dict[str, object], ...] = Field(
        min_length=1, description="what must be true of the restored service"
    )
    policies: tuple[dict[str, object], ...] = Field(
        (), description="policies of its own, each in the place of the site's of that kind"
    )


class _Site(SiteOutline):
    """One backup host and what it guards."""

    policies: tuple[dict[str, object], ...] = Field(
        (), description="what must be true of the site as a whole, and of each service that has no such of its own"
    )
    notifiers: tuple[dict[str, object], ...] = Field(
        (), description="who is told how a run ended, and how; in this order"
    )


def _spec_schema() -> Json:
    """A spec's schema, in which each list of kinds is spelled out from the kinds that there are."""
    made = _Spec.model_json_schema() | {"title": "Spec"}
    for key, seam in (("capture", CAPTURES), ("checks", CHECKS), ("policies", POLICIES)):
        made["properties"][key]["items"] = _one_of(seam, made["$defs"])
    return made


def _one_of(seam: Seam[Kind], definitions: Json) -> Json:
    """A mapping of exactly one kind; as properties, so that editors complete it."""
    properties: Json = {}
    for name, kind in seam.kinds.items():
        reference = f"{seam.name}-{name}"
        own = kind.model_json_schema(ref_template=f"#/$defs/{reference}-{{model}}")
        definitions |= {f"{reference}-{inner}": made for inner, made in own.pop("$defs", {}).items()}
        definitions[reference] = own
        need_none = not own.get("required")
        alternatives = [{"$ref": f"#/$defs/{reference}"}, *([{"type": "null"}] if need_none else [])]
        properties[name] = {"description": caption(kind), "anyOf": alternatives}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def documents() -> Iterator[tuple[str, str]]:
    """Every file that is made from the code, by name, and its text."""
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
