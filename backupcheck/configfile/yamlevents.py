"""YAML into plain values, from the parser's events: nothing is constructed, no tag is obeyed.

Plain words are read by YAML 1.2's core schema (section 10.3.2), except that a number with a leading zero stays
text: `no`, `22:30` and `0600` are texts. Tags such as `!secret` are passed over. Merge keys (`<<`) are obeyed,
for many services write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from backupcheck.configfile.values import DEEPEST, MOST_VALUES, Options, Unparsable, Value

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,30})")
_OTHER_BASE = re.compile(r"0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]{0,300})(\.[0-9]*)?)([eE][-+]?[0-9]{1,5})?")
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Weighed = tuple[Value, int]


def read(text: str, options: Options) -> Value:
    """The document in `text`; a list of them if there are several, None if there is none."""
    events: Iterator[yaml.Event] = iter(yaml.parse(text, Loader=_LOADER))
    composer = _Composer(events, options)
    try:
        documents = composer.documents()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise Unparsable("is no YAML", *place) from None
    except yaml.YAMLError:
        raise Unparsable("is no YAML: it holds characters that YAML does not allow") from None
    return documents[0] if len(documents) == 1 else list(documents) or None


class _Composer:
    """Follows the events; each value comes with its weight: how many values it is with all aliases written out."""

    def __init__(self, events: Iterator[yaml.Event], options: Options) -> None:
        self._events = events
        self._options = options
        self._anchors: dict[str, Weighed] = {}

    def documents(self) -> list[Value]:
        found: list[Value] = []
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                found.append(self._value(next(self._events), 0)[0])
        return found

    def _value(self, event: yaml.Event, depth: int) -> Weighed:
        if depth > DEEPEST:
            raise _at(event, f"is nested more than {DEEPEST} levels deep")
        if isinstance(event, yaml.AliasEvent):
            known = self._anchors.get(event.anchor or "")
            if known is None:
                raise _at(event, "refers to an anchor that is not there, or is around it")
            return known
        if isinstance(event, yaml.MappingStartEvent):
            found = self._mapping(depth)
        elif isinstance(event, yaml.SequenceStartEvent):
            found = self._sequence(depth)
        else:
            assert isinstance(event, yaml.ScalarEvent)
            found = (scalar(event.value) if event.implicit[0] else event.value, 1)
        if found[1] > MOST_VALUES:
            raise _at(event, f"multiplies to more than {MOST_VALUES} values by its aliases")
        if getattr(event, "anchor", None):
            self._anchors[str(event.anchor)] = found
        return found

    def _sequence(self, depth: int) -> Weighed:
        items: list[Value] = []
        weight = 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item, more = self._value(event, depth + 1)
            items.append(item)
            weight += more
        return items, weight

    def _mapping(self, depth: int) -> Weighed:
        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        weight = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, depth)
            value, more = self._value(next(self._events), depth + 1)
            weight += more
            if key == "<<" and _mappings(value):
                for mapping in reversed(_mappings(value)):
                    merged |= mapping
                continue
            if key in own and not self._options.duplicates:
                raise _at(event, f"has the key {key!r} twice in one mapping")
            own[key] = value
        return {**merged, **own}, weight

    def _key(self, event: yaml.Event, depth: int) -> str:
        key, _ = self._value(event, depth + 1)
        if isinstance(key, (list, dict)):
            raise _at(event, "has a key that is no word")
        return event.value if isinstance(event, yaml.ScalarEvent) else str(key)


def _mappings(value: Value) -> list[dict[str, Value]]:
    """The mappings that a merge key's value names, else nothing."""
    items = value if isinstance(value, list) else [value]
    found = [item for item in items if isinstance(item, dict)]
    return found if len(found) == len(items) else []


def scalar(text: str) -> Value:
    """An unquoted word as YAML 1.2's core schema reads it."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def _at(event: yaml.Event, message: str) -> Unparsable:
    mark = event.start_mark
    return Unparsable(message, mark.line + 1, mark.column + 1) if mark else Unparsable(message)
