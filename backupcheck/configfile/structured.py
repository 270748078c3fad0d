"""TOML, JSON and XML into plain values."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date, datetime, time
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from backupcheck.configfile.values import DEEPEST, Options, Unparsable, Value

TOO_DEEP = f"is nested more than {DEEPEST} levels deep"
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def toml(text: str, options: Options) -> Value:
    """A TOML document; dates and times become text."""
    try:
        return plain(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        said = _PLACE.search(str(error))
        if said is None or said[1] is None:
            raise Unparsable("is no TOML: it ends too early", text.count("\n") + 1) from None
        raise Unparsable("is no TOML", int(said[1]), int(said[2])) from None
    except RecursionError:
        raise Unparsable(TOO_DEEP) from None
    except ValueError:
        raise Unparsable("is no TOML: a number in it is too large") from None


def json_value(text: str, options: Options) -> Value:
    """A JSON document; a key that is there twice is an error."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs) and not options.duplicates:
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Unparsable(f"has the key {twice!r} twice in one object")
        return found

    try:
        return plain(json.loads(text, object_pairs_hook=unique))
    except json.JSONDecodeError as error:
        raise Unparsable(f"is no JSON: {error.msg[0].lower()}{error.msg[1:]}", error.lineno, error.colno) from None
    except RecursionError:
        raise Unparsable(TOO_DEEP) from None
    except ValueError:
        raise Unparsable("is no JSON: a number in it is too large") from None


def xml(content: bytes, options: Options) -> Value:
    """An XML document below its root element, without DTD, entities and namespaces.

    A repeated element is a list, an attribute `@name`, the text beside children or attributes `#text`.
    """
    try:
        root: Element = ElementTree.fromstring(content, forbid_dtd=True)
    except ParseError as error:
        line, column = error.position
        said = str(error).partition(":")[0]
        raise Unparsable(f"is no XML: {said}", line, column + 1) from None
    except DefusedXmlException:
        raise Unparsable("is XML with a document type or entities, which are not read") from None
    except (ValueError, LookupError):
        raise Unparsable("is no XML: its encoding is not known") from None
    return _element(root, 0)


def _element(element: Element, depth: int) -> Value:
    if depth > DEEPEST:
        raise Unparsable(TOO_DEEP)
    found: dict[str, Value] = {f"@{_local(name)}": value for name, value in element.attrib.items()}
    repeated: dict[str, list[Value]] = {}
    for child in element:
        repeated.setdefault(_local(child.tag), []).append(_element(child, depth + 1))
    found |= {name: values[0] if len(values) == 1 else values for name, values in repeated.items()}
    text = (element.text or "").strip()
    if not found:
        return text
    return found | {"#text": text} if text else found


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def plain(value: object, depth: int = 0) -> Value:
    """What a parser returned, as plain values of bounded depth."""
    if depth > DEEPEST:
        raise Unparsable(TOO_DEEP)
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a parser returned a {type(value).__name__}")
