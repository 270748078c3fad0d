"""The run as JSON for programs: every field of the records, with a JSON Schema generated from them.

    {"exit_status": 0, "run_id": "…", "started": "…", "finished": "…", "services": [
        {"service": "mealie", "outcome": "pass", "snapshot": "…", "engine": "lxc", "seconds": {…}, "checks": [
            {"kind": "sqlite", "name": "…", "outcome": "pass", "findings": [
                {"id": "…", "outcome": "pass", "subject": "…", "expected": 1, "actual": 1, "message": "…"}]}]}]}

Times are RFC 3339. All of it is ASCII: what is not, is escaped as JSON does. Infinity and NaN, which JSON has
no numbers for, are strings.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, TypeAlias

from pydantic.json_schema import GenerateJsonSchema

from backupcheck.result import Outcome, Run, WaiverState
from backupcheck.seams import Reporter
from backupcheck.wording import EXIT_STATUS, MEANING, MEANING_OF_A_WAIVER, kept_printable

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"

FIRST = ("exit_status", "run_id", "started", "finished", "service", "kind", "name", "id", "outcome", "snapshot")
LAST = ("services", "checks", "findings")
FREE = ("seconds", "tools", "rows", "newest")
EXIT_STATUSES = (0, 1, 2, 4, 130)

DESCRIPTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "Run": {
            "run_id": "Names the run; also the name of its folder of reports.",
            "site": "The backup host and what it guards.",
            "started": "When the run began.",
            "finished": "When the run ended, or was interrupted.",
            "version": "The version of backupcheck.",
            "repository": "restic's repository, without credentials.",
            "tools": "The version of each tool that was used, by its name.",
            "not_exercised": "What this run did not show, a sentence each.",
            "not_asked": "The services of the site that this run did not ask.",
            "of_the_past": "Whether it is about an older snapshot than the newest: it says nothing of today.",
            "unmet": "Since when each finding of a policy that is bad is so.",
            "interrupted": "Whether the run was stopped before it ended.",
            "services": "One proof a service; none at all is a run that proves nothing (exit status 2).",
            "policies": "One entry a policy of the site or of a spec; never changes what is proven.",
        },
        "Proof": {
            "service": "The service's name, as in its spec.",
            "about": "The service in a few words.",
            "outcome": "The worst check; a service without checks, or with a skipped one, is `error`.",
            "snapshot": "restic's full snapshot id; null where none was found.",
            "snapshot_time": "When the snapshot was made; null where none was found.",
            "engine": "What made the scratch box; null where none was made.",
            "isolation": "How the scratch box was kept from every network, in words.",
            "scratch": "Where it was restored: in memory, or on disk and why; empty where nothing was.",
            "seconds": "Wall time of each step: restore, box, checks.",
            "files": "How many files were restored; null where nothing was.",
            "bytes": "How many bytes were restored; null where nothing was.",
            "spec_digest": "SHA-256 of the spec as it was understood; empty where it is not known.",
            "pulled": "When the pull of this data began; null where nothing says.",
            "canary": "When the canary was written that was read back from the data; null without one.",
            "rows": "How many rows captures counted at the source, by path and table.",
            "newest": "The newest time that captures found at the source, as text, by path, table and column.",
            "last_proven": "When it was last proven before this run; null if it never was.",
            "bad_since": "When the first run ended since which it was not proven; null where there is none.",
            "trend": "Its last verdicts and what they measured, the oldest first.",
            "runbook": "The commands that restore it, in order.",
            "checks": "One entry a check of the spec, in the spec's order.",
            "waivers": "One entry a waiver of the spec, also those that matched nothing and those that ended.",
            "carried": "The run that it is carried from, its data being the same; null where it was restored.",
        },
        "Carried": {
            "run_id": "Names the run that restored the same data and asked it.",
            "proven": "When that run ended: the date of the proof.",
            "snapshot": "restic's full id of the snapshot that was restored.",
            "seconds": "Wall time of each step then: restore, box, checks.",
        },
        "Unmet": {
            "policy": "The policy's name.",
            "id": "The finding's id.",
            "subject": "What the finding is about.",
            "since": "When the first run ended since which every run that could look has found it so.",
        },
        "Past": {
            "run_id": "Names the earlier run.",
            "finished": "When that run ended.",
            "outcome": "What it said of the service.",
            "snapshot": "restic's full snapshot id; null where none was found.",
            "seconds": "Wall time to restore and ask.",
            "bytes": "How many bytes were restored; null where nothing was.",
            "files": "How many files were restored; null where nothing was.",
            "rows": "All rows that captures counted; null where nothing was counted.",
            "carried": "When it really was proven, where it was carried; null where it was restored.",
        },
        "WaiverRecord": {
            "check": "The name of the check, or of the test, whose finding it names.",
            "finding": "The id of the finding that it names.",
            "subject": "The subject that it names; * is any text and ? one character.",
            "at_most": "How many findings of one check it covers; if there are more, it covers none.",
            "owner": "Who answers for it.",
            "reason": "Why the fault may stay.",
            "until": "Its last day (UTC).",
            "state": "What became of it in this run.",
            "findings": "How many findings it waived; if it has ended or is exceeded, how many are bad.",
        },
        "CheckResult": {
            "kind": "The kind of check or policy, as in the spec or the site file.",
            "name": "The check's name: given in the spec, else the kind and what it looks at.",
            "outcome": "The worst finding; skipped ones count only where there is no other.",
            "seconds": "Wall time for looking and judging.",
            "why": "Why the check is required; empty where its spec does not say.",
            "findings": "One entry a comparison.",
        },
        "Finding": {
            "id": "The fault that was looked for, by its stable name.",
            "outcome": "Whether the fault is there.",
            "subject": "What was looked at: a path, a table, a certificate's name.",
            "expected": "What must be, as a short value; null where there is none to show.",
            "actual": "What was found, as a short value; null where there is none to show.",
            "message": "What was found, in one sentence.",
            "advice": "What to do about it, in one sentence; empty where nothing is to be done.",
        },
    }
)


class Json(Reporter):
    """Everything that is known of the run, for programs; `docs/run.schema.json` describes it."""

    file_name: ClassVar[str] = "run.json"

    def render(self, run: Run) -> str:
        """The run as indented JSON; the keys of `tools`, `seconds`, `rows` and `newest` are sorted."""
        return json.dumps(_plain(run.model_dump(mode="json")), indent=2, allow_nan=False) + "\n"


def schema() -> str:
    """The JSON Schema (2020-12) of `run.json`, generated from the records, as indented JSON."""
    generated = Run.model_json_schema(mode="serialization", schema_generator=_Everything)
    definitions = generated.pop("$defs")
    for name, properties in DESCRIPTIONS.items():
        described = generated if name == "Run" else definitions[name]
        for key, text in properties.items():
            described["properties"][key]["description"] = text
    generated["properties"]["exit_status"]["description"] = _exit_statuses()
    generated["properties"]["exit_status"]["enum"] = list(EXIT_STATUSES)
    definitions["Outcome"] = {
        "title": "Outcome",
        "oneOf": [{"const": outcome.value, "description": MEANING[outcome]} for outcome in Outcome],
    }
    definitions["WaiverState"] = {
        "title": "WaiverState",
        "oneOf": [{"const": state.value, "description": MEANING_OF_A_WAIVER[state]} for state in WaiverState],
    }
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | generated | {"$defs": definitions}, indent=2) + "\n"


class _Everything(GenerateJsonSchema):
    """A schema in which every field is required: a report leaves none out."""

    def field_is_required(self, field: object, total: bool) -> bool:
        return True


def _exit_statuses() -> str:
    return "; ".join(f"{status} {EXIT_STATUS[status]}" for status in EXIT_STATUSES) + "."


def _plain(value: Plain, key: str = "") -> Plain:
    if isinstance(value, str):
        return kept_printable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        keys = sorted(value) if key in FREE else sorted(value, key=_place)
        return {kept_printable(name): _plain(value[name], name) for name in keys}
    return value


def _place(key: str) -> int:
    if key in FIRST:
        return FIRST.index(key)
    return len(FIRST) + (key in LAST)
