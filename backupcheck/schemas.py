"""The JSON Schemas of spec and site files and of run.json, made from the models; nothing is written twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from pydantic import Field

from backupcheck.reporters import json as run_json
from backupcheck.seams import CAPTURES, CHECKS, ENGINES, NOTIFIERS, POLICIES, Kind, Seam
from backupcheck.spec import Outline, SiteOutline

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILES: Mapping[str, str] = MappingProxyType(
    {"spec": "spec.schema.json", "site": "site.schema.json", "run": "run.schema.json"}
)
"""The schemas, and the files that they are in."""
Json = dict[str, object]


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
        properties[name] = {"description": kind.caption(), "anyOf": alternatives}
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
