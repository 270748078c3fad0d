"""EJSON, CouchDB's JSON in Erlang terms -> JSON in Python values, without recursion.

An object is a 1-tuple that holds a list of {key, value}; an array is a list; a string is a UTF-8 binary;
true, false and null are atoms. Source: `couch_util:json_decode/1` and jiffy's documentation, "Data Format".
"""

from __future__ import annotations

from typing import TypeAlias, cast

from .errors import Code, CouchFileError
from .terms import Atom, Term

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

_CONSTANTS: dict[str, Json] = {"true": True, "false": False, "null": None}
# A container still to be converted: its term, where its value goes, and under which key or index.
_Todo: TypeAlias = "list[tuple[Term, dict[object, Json], object]]"


def from_term(term: Term) -> Json:
    """The JSON value of an EJSON term. Raises CouchFileError (`body-malformed`) where it is none.

    Other atoms than the three constants become strings, for the shard map holds some.
    """
    root: dict[object, Json] = {}
    todo: _Todo = [(term, root, None)]
    try:
        while todo:
            value, target, key = todo.pop()
            target[key] = _one(value, todo)
    except UnicodeDecodeError as error:
        raise malformed(f"a string is not UTF-8: {error.reason}") from None
    return root[None]


def object_from_term(term: Term) -> JsonObject:
    """As `from_term`, but the value must be an object."""
    value = from_term(term)
    if not isinstance(value, dict):
        raise malformed("not an object")
    return value


def malformed(message: str) -> CouchFileError:
    return CouchFileError(Code.BODY_MALFORMED, message)


def _one(term: Term, todo: _Todo) -> Json:
    """The value of one term; the containers within it are put on `todo`, with a place held for each."""
    kind = type(term)
    if kind is bytes:
        return str(cast(bytes, term), "utf-8")
    if kind is int or kind is float:
        return cast(float, term)
    if kind is tuple:
        return _object(cast("tuple[Term, ...]", term), todo)
    if kind is list:
        return _array(cast("list[Term]", term), todo)
    if kind is Atom:
        return _CONSTANTS.get(cast(str, term), str(term))
    raise malformed(f"{kind.__name__} is no JSON")


def _object(term: tuple[Term, ...], todo: _Todo) -> JsonObject:
    if len(term) != 1 or type(term[0]) is not list:
        raise malformed("a tuple that is no object")
    value: JsonObject = {}
    for pair in term[0]:
        if type(pair) is not tuple or len(pair) != 2:
            raise malformed("a member that is no pair")
        key, member = pair
        if type(key) is not bytes and type(key) is not Atom:
            raise malformed("a key that is no string")
        name = str(key, "utf-8") if type(key) is bytes else str(key)
        if type(member) is bytes:
            value[name] = str(member, "utf-8")
        else:
            value[name] = None
            todo.append((member, cast("dict[object, Json]", value), name))
    return value


def _array(term: list[Term], todo: _Todo) -> list[Json]:
    value: list[Json] = [None] * len(term)
    for index, member in enumerate(term):
        if type(member) is int:
            value[index] = member
        else:
            todo.append((member, cast("dict[object, Json]", value), index))
    return value


def depth(value: Json) -> int:
    """How deep a value nests: 0 for a scalar."""
    level, found = [value], -1
    while level:
        found += 1
        level = [
            one
            for holder in level
            if isinstance(holder, list | dict)
            for one in (holder.values() if isinstance(holder, dict) else holder)
        ]
    return found
