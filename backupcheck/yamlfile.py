"""YAML as people write it, with the place of every value, and without YAML's traps.

Plain words that YAML readers disagree about (`no`, `0600`, `22:30`, `1_000`) are errors that say what to
write instead; so are tags, duplicate keys, keys that are no text, several documents and aliases that multiply
(a "billion laughs"). All the mistakes of a file are collected; nothing is run or constructed but text,
numbers, booleans, nulls, lists and mappings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml
from yaml.reader import ReaderError

from backupcheck.errors import Problem, SpecError
from backupcheck.mistakes import short

MOST_NODES = 100_000
DEEPEST = 50
LARGEST = 2**20

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?")
_TRAPS = (
    (re.compile(r"(?i)y|yes|on"), 'is true for some readers and text for others: write true or "{0}"'),
    (re.compile(r"(?i)n|no|off"), 'is false for some readers and text for others: write false or "{0}"'),
    (re.compile(r"(?i)true|false|null"), "must be written in small letters, or in quotes if it is text"),
    (re.compile(r"[-+]?0[0-9_]+"), 'is an octal number for some readers: write "{0}" in quotes'),
    (re.compile(r"[-+]?0[xob][0-9a-fA-F_]+"), 'is a number in another base: write it in decimal, or "{0}"'),
    (
        re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?"),
        'is a number to the base 60 for some readers: write "{0}"',
    ),
    (
        re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?"),
        'is a number for some readers: leave out "_", or quote it',
    ),
    (
        re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"),
        "is an unusual number: write it like 1 or 1.5",
    ),
    (re.compile(r"(?i)[-+]?\.inf|\.nan"), "is no number that can be compared"),
)
_OTHER_NUMBER = 'is the number {0}: write that, or "{1}" in quotes if it is a version or other text'
_TOO_DEEP = "is nested in itself, or deeper than any spec is"
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_Loader = type[yaml.SafeLoader] | type[yaml.CSafeLoader]
_UNUSUAL = re.compile(
    "[^\n -%'->@-~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|[|>][-+0-9]*#"
)
_QUICK: type[yaml.CSafeLoader] | None = getattr(yaml, "CSafeLoader", None)


@dataclass
class Document:
    """One file's value, and for each path in it the line and column (from 1) of its key and of its value.

    `problems` are YAML's traps in it; where one was met, the value is the nearest to what was meant. It `has_gaps`
    where nothing stands for a value: readers do not agree on its place.
    """

    file: str
    value: Value = None
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    has_gaps: bool = False

    def problem(self, path: Path, message: str, *, at_key: bool = False) -> Problem:
        """A problem at the place of `path`, or of the nearest value around it that is in the file."""
        for length in range(len(path), -1, -1):
            place = self.keys.get(path[:length]) if at_key else None
            place = place or self.values.get(path[:length])
            if place is not None:
                return Problem(self.file, *place, message)
        return Problem(self.file, 1, 1, message)


def parse(text: str, file: str) -> Document:
    """The document in `text`; `file` is its name for messages. Raises `SpecError` for what cannot be read.

    Where it is installed, libyaml reads what has only characters on which it agrees with the reader in Python: it
    is ten times as fast. What is wrong with a text that reader says, whose words and places are always there.
    """
    if len(text) > LARGEST:
        raise SpecError((Problem(file, 1, 1, f"is larger than {LARGEST} characters"),))
    if (document := _quickly_read(text, file)) is not None:
        return document
    try:
        return _read(text, file, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise SpecError((_no_yaml(error, text, file),)) from None


def _quickly_read(text: str, file: str) -> Document | None:
    """The document as libyaml reads it; None where nothing is right without question."""
    if _QUICK is None or _UNUSUAL.search(text):
        return None
    try:
        document = _read(text, file, _QUICK)
    except (SpecError, yaml.YAMLError, RecursionError):
        return None
    return None if document.problems or document.has_gaps else document


def _read(text: str, file: str, loader: _Loader) -> Document:
    reader = _Reader(Document(file))
    reader.refuse_tags(text, loader)
    reader.read(list(yaml.compose_all(text, Loader=loader)))
    if reader.gave_up:
        raise SpecError(tuple(reader.document.problems))
    return reader.document


def _no_yaml(error: Exception, text: str, file: str) -> Problem:
    line, column, said = 1, 1, "it is nested too deeply"
    if isinstance(error, yaml.MarkedYAMLError):
        said = " ".join(part for part in (error.context, error.problem) if part)
        if mark := error.problem_mark or error.context_mark:
            line, column = mark.line + 1, mark.column + 1
    elif isinstance(error, ReaderError):
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        said = f"the character U+{ord(text[error.position]):04X} must not be in it"
    return Problem(file, line, column, f"is no YAML: {said}")


class _Reader:
    """Turns nodes into plain values and collects problems."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.gave_up = False
        self._nodes = 0
        self._around: list[int] = []

    def refuse_tags(self, text: str, loader: _Loader) -> None:
        """Look at all tokens. Raises `SpecError` for what is too deep: the time that the reader takes grows with
        the square of the depth."""
        depth = 0
        for token in yaml.scan(text, Loader=loader):
            depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
            if depth > DEEPEST + 1:
                self._wrong(token.start_mark, _TOO_DEEP)
                raise SpecError(tuple(self.document.problems))
            if isinstance(token, (yaml.TagToken, yaml.DirectiveToken)):
                self._wrong(token.start_mark, "tags and directives are not read: leave it out")

    def read(self, nodes: list[yaml.Node]) -> None:
        if len(nodes) != 1:
            mark = nodes[1].start_mark if nodes else None
            self._wrong(mark, "has several documents: write one a file" if nodes else "is empty")
        if nodes:
            self.document.value = self._value(nodes[0], ())

    def _wrong(self, mark: yaml.Mark | None, message: str) -> None:
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self.document.problems.append(Problem(self.document.file, *place, message))

    def _value(self, node: yaml.Node, path: Path) -> Value:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            self._give_up(node, f"aliases multiply to more than {MOST_NODES} values: write less")
        elif id(node) in self._around or len(path) > DEEPEST:
            self._give_up(node, _TOO_DEEP)
        if self.gave_up:
            return None
        self.document.values[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        self._around.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
            assert isinstance(node, yaml.ScalarNode)
            return self._scalar(node)
        finally:
            self._around.pop()

    def _give_up(self, node: yaml.Node, message: str) -> None:
        if not self.gave_up:
            self._wrong(node.start_mark, message)
        self.gave_up = True

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in found:
                first = self.document.keys[(*path, key)]
                self._wrong(
                    key_node.start_mark, f"the key {short(key)} is here twice; the first is in line {first[0]}"
                )
                continue
            self.document.keys[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            found[key] = self._value(value_node, (*path, key))
        return found

    def _key(self, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._wrong(node.start_mark, "a list or mapping cannot be a key")
            return None
        key = self._scalar(node)
        if isinstance(key, str) and not (key == "<<" and not node.style):
            return key
        advice = "is no text: write it in quotes" if key != "<<" else "merges nothing here: write the keys out"
        self._wrong(node.start_mark, f"the key {short(node.value)} {advice}")
        return None

    def _scalar(self, node: yaml.ScalarNode) -> Value:
        if _HALF_CHARACTER.search(node.value):
            self._wrong(node.start_mark, "has half a character in it (U+D800 to U+DFFF)")
            return _HALF_CHARACTER.sub("\ufffd", node.value)
        return str(node.value) if node.style else self._plain(node)

    def _plain(self, node: yaml.ScalarNode) -> Value:
        """An unquoted word, by the rules of YAML 1.2's core schema where all readers agree on them."""
        text = str(node.value)
        self.document.has_gaps |= not text
        if text in ("", "~", "null"):
            return None
        if text in ("true", "false"):
            return text == "true"
        if _INTEGER.fullmatch(text):
            return int(text) if len(text) < 20 else self._trap(node, "is too large a number: write it in quotes")
        if _FLOAT.fullmatch(text):
            number = repr(float(text))
            return float(text) if number == text else self._trap(node, _OTHER_NUMBER.format(number, text))
        for trap, advice in _TRAPS:
            if trap.fullmatch(text):
                return self._trap(node, advice.format(text))
        return text

    def _trap(self, node: yaml.ScalarNode, advice: str) -> Value:
        self._wrong(node.start_mark, f"{short(node.value)} {advice}")
        return str(node.value)
