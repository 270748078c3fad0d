"""A YAML document against a pydantic model: each mistake with its file, line, column, key and nearest key."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from backupcheck.errors import Problem
from backupcheck.mistakes import WANTED, sentence, unknown_key
from backupcheck.yamlfile import Document, Path, Value

__all__ = ["unknown_key", "validated"]

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True)
class _Placed:
    """One of pydantic's errors: the path in the document that it is about."""

    path: Path
    details: ErrorDetails
    branch: tuple[Path, str | int] | None
    """Where a union was met on the way, and which member of it was tried."""

    @property
    def is_of_type(self) -> bool:
        """Whether the branch ended at once, for the value is of another type."""
        return self.branch is not None and self.path == self.branch[0] and self.details["type"] in WANTED


def validated(
    model: type[ModelT], value: Value, document: Document, at: Path, beside: tuple[str, ...] = ()
) -> ModelT | tuple[Problem, ...]:
    """`value`, which stands at the path `at` of `document`, as a `model`; or every mistake in it.

    `beside` are keys that were taken out of the value before, for those who mistyped them. The value goes in
    as JSON, pydantic's strict mode for which turns lists into tuples and nothing else.
    """
    try:
        return model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        details = error.errors(include_url=False)
        return tuple(_problems(_Model(model, at, beside), details, document))


@dataclass(frozen=True)
class _Model:
    """What a value was validated against, and where in the document."""

    model: type[BaseModel]
    at: Path
    beside: tuple[str, ...]

    def keys(self, path: Path) -> tuple[str, ...]:
        """The keys that are allowed at a path of the document."""
        own = _known_keys(self.model, path[len(self.at) :])
        return (*own, *self.beside) if path == self.at else own


def _problems(model: _Model, errors: Iterable[ErrorDetails], document: Document) -> Iterator[Problem]:
    placed = _likeliest([_place(details, document, model.at) for details in errors])
    groups: dict[Path, list[_Placed]] = {}
    for item in placed:
        if not _overshadowed(item, placed):
            groups.setdefault(item.path, []).append(item)
    for path, items in groups.items():
        yield _problem(model, path, [item.details for item in items], document)


def _place(details: ErrorDetails, document: Document, at: Path) -> _Placed:
    """Follow the error's location through the document; pydantic's names of union members are passed over."""
    path: Path = at
    branch: tuple[Path, str | int] | None = None
    last = len(details["loc"]) - 1
    for index, step in enumerate(details["loc"]):
        if (*path, step) in document.values:
            path = (*path, step)
        elif branch is None and (index < last or details["type"] != "missing"):
            branch = (path, step)
    return _Placed(path, details, branch)


def _likeliest(placed: list[_Placed]) -> list[_Placed]:
    """Without the members of unions that were not meant: of another type, or with more mistakes than the best."""
    branches: dict[tuple[Path, str | int], list[_Placed]] = {}
    for item in placed:
        if item.branch:
            branches.setdefault(item.branch, []).append(item)
    fewest: dict[Path, int] = {}
    for (path, _), items in branches.items():
        if not all(item.is_of_type for item in items):
            count = _mistakes(items)
            fewest[path] = min(count, fewest.get(path, count))
    unlikely = {
        branch
        for branch, items in branches.items()
        if branch[0] in fewest and (_mistakes(items) > fewest[branch[0]] or all(item.is_of_type for item in items))
    }
    return [item for item in placed if item.branch not in unlikely]


def _mistakes(items: list[_Placed]) -> int:
    """How many mistakes the errors of one member of a union are about."""
    missing = sum(item.details["type"] == "missing" for item in items)
    others = {item.path for item in items if item.details["type"] != "missing" and not _overshadowed(item, items)}
    return missing + len(others)


def _overshadowed(item: _Placed, others: list[_Placed]) -> bool:
    """Whether an error of a union's member is of no interest, for another member got further into the value."""
    length = len(item.path)
    deeper = any(len(other.path) > length and other.path[:length] == item.path for other in others)
    return deeper and item.branch is not None and item.details["type"] != "missing"


def _problem(model: _Model, path: Path, errors: list[ErrorDetails], document: Document) -> Problem:
    first = errors[0]
    if first["type"] == "extra_forbidden":
        return document.problem(path, unknown_key(str(path[-1]), model.keys(path[:-1])), at_key=True)
    missing = {f"{error['loc'][-1]!r}": None for error in errors if error["type"] == "missing"}
    if missing:
        those = f"the key {next(iter(missing))} is" if len(missing) == 1 else f"the keys {', '.join(missing)} are"
        return document.problem(path, f"{those} missing{_within(path)}", at_key=True)
    return document.problem(path, _subject(path) + sentence(errors, first["input"], model.keys(path)))


def _subject(path: Path) -> str:
    """What a sentence is about: `'rows': `, or `item 2 of 'paths': `."""
    named = [step for step in path if isinstance(step, str)]
    if not named:
        return ""
    if isinstance(path[-1], int):
        return f"item {path[-1] + 1} of {named[-1]!r}: "
    return f"{named[-1]!r}: "


def _within(path: Path) -> str:
    words = [step for step in path if isinstance(step, str)]
    return f" in {words[-1]!r}" if words else ""


def _known_keys(model: type[BaseModel], path: Path) -> tuple[str, ...]:
    """The keys that a model allows at a path below it."""
    here: list[object] = [model]
    for step in path:
        here = [inner for annotation in here for inner in _step(annotation, step)]
    models = [kind for kind in here if isinstance(kind, type) and issubclass(kind, BaseModel)]
    return tuple(dict.fromkeys(name for kind in models for name in kind.model_fields))


def _step(annotation: object, step: str | int) -> Iterator[object]:
    """The types that may stand one step below a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if step in annotation.model_fields:
            yield from _members(annotation.model_fields[str(step)].annotation)
        return
    arguments, origin = typing.get_args(annotation), typing.get_origin(annotation)
    if arguments and isinstance(origin, type):
        yield from _members(arguments[-1] if issubclass(origin, Mapping) else arguments[0])


def _members(annotation: object) -> Iterator[object]:
    """The alternatives of a union, and what an Annotated is about."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _members(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _members(member)
    else:
        yield annotation
