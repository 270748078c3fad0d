"""The keys of a kind and the keys within them, out of its models, and where a matcher may stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from backupcheck.matchers import Match

DEEPEST = 4


@dataclass(frozen=True)
class Key:
    """One key: its name, whether it is needed or what it is without, and what it is for.

    `matches` says that a matcher may stand there; `inner` are the keys of what stands below it, of each one where
    there are `many`.
    """

    name: str
    need: str
    description: str
    matches: bool = False
    many: bool = False
    inner: tuple[Key, ...] = ()


def keys(model: type[BaseModel], depth: int = DEEPEST) -> tuple[Key, ...]:
    """The keys of a model, in its order; at most so deep, for a model may hold itself."""
    return tuple(_key(model, name, field, depth) for name, field in model.model_fields.items())


def any_matches(found: tuple[Key, ...]) -> bool:
    """Whether a matcher may stand anywhere."""
    return any(key.matches or any_matches(key.inner) for key in found)


def _key(model: type[BaseModel], name: str, field: FieldInfo, depth: int) -> Key:
    models = tuple(dict.fromkeys(_models(field.annotation)))
    inner = [key for one in models if one is not Match and depth for key in keys(one, depth - 1)]
    need = "required" if field.is_required() else f"default: {_default(model, name)}"
    many = any(_holds_many(one) for one in _parts(field.annotation))
    return Key(
        name,
        need,
        field.description or "",
        Match in models,
        many,
        tuple({key.name: key for key in inner}.values()),
    )


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Every model that an annotation names, in whatever union, list or mapping."""
    for part in _parts(annotation):
        if isinstance(part, type) and not get_args(part) and issubclass(part, BaseModel):
            yield part


def _parts(annotation: object) -> Iterator[object]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _holds_many(annotation: object) -> bool:
    """Whether it is a list or a mapping of models."""
    origin = getattr(annotation, "__origin__", None)
    return origin in (dict, tuple, list) and any(True for _ in _models(annotation))


def _default(model: type[BaseModel], name: str) -> str:
    """A key's default as a spec would write it."""
    plain = model.model_construct().model_dump(mode="json", include={name}, exclude_none=True)
    return json.dumps(plain[name], ensure_ascii=False) if name in plain else "none"
