"""A configuration file parses and says what it must: TOML, YAML, JSON, XML, environment files, INI."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from backupcheck import configfile
from backupcheck.configfile import Unparsable, Value
from backupcheck.configfile.values import MISSING, TEMPLATE, parts
from backupcheck.errors import UnsafePath
from backupcheck.fields import AbsolutePath
from backupcheck.matchers import Expected, describe, holds
from backupcheck.result import Finding, Outcome, Scalar, Text
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Tree, named

LARGEST = 4 * 2**20
MASK = "***"
_SECRET_WORDS = re.compile(
    r"passw|passphrase|passwd|secret|token|credential|cookie|salt|seed|private|hmac|jwt|dsn|apikey"
    r"|(^|[_.\-])(key|keys|pass|pwd|pin|auth)($|[_.\-])|[a-z](Key|Pass|Pwd)$",
)
_IN_URL = re.compile(r"//[^/@\s]+@")


class Present(BaseModel):
    """Asks only whether a key is there."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    present: bool = Field(description="true: the key must be there, with any value; false: it must not")


def _readable(path: str) -> str:
    parts(path)
    return path


KeyPath = Annotated[str, AfterValidator(_readable)]


class Answer(Facts):
    """What was found at one key, masked where the key looks like a secret's; `met` says if it is right."""

    key: Text
    found: bool
    met: bool
    shown: Scalar = None


class ConfigFacts(Facts):
    """Whether the file is there and parses, and the answers in the order of the questions."""

    state: Literal["parsed", "missing", "empty", "unparsable"]
    found: Text = ""
    problem: Text = ""
    line: int = 0
    column: int = 0
    answers: tuple[Answer, ...] = ()


class Config(Check[ConfigFacts]):
    """Parses a configuration file as its service would, and compares values in it.

    The format is told by the file's name, or by `format`. With `template: true`, expressions of Go templates and
    Jinja (`{{ … }}`) are replaced before, for a template is not valid until its service has filled it in. Keys are
    paths with dots: `a.b`, `list.0.name`, `a."b.c"` where a key has a dot in it; in XML below the root element,
    attributes as `@name`. Values are compared with their type: `5` is not `"5"`; in XML, INI and environment
    files all values are texts, and so are YAML's `no`, `22:30` and `0600`.

        - config: {path: /etc/lldap.toml, values: {ldap_base_dn: "dc=example,dc=org", jwt_secret: {present: true}}}
        - config:
            path: /etc/authelia/configuration.yml
            template: true
            values: {storage.local.path: /etc/authelia/db.sqlite3, session.cookies.0.domain: {matches: "org$"}}
        - config: {path: /etc/jellyfin/system.xml, values: {IsStartupWizardCompleted: "true"}}

    Values of keys that look like a secret's (`password`, `secret`, `token`, `key`, …) are compared, never shown.
    No tag, include or entity is obeyed; size, depth and aliases are bounded.

    Findings: `config.missing`, `config.empty`, `config.unparsable` (with line and column), `config.value-missing`,
    `config.value`.
    """

    path: AbsolutePath = Field(description="the configuration file")
    format: Literal["auto", "toml", "yaml", "json", "xml", "env", "ini"] = Field(
        "auto", description="the file's format; auto: as its name tells"
    )
    template: bool = Field(False, description="it is a template (`{{ … }}`) that the service fills in at start")
    values: dict[KeyPath, Expected | Present] = Field(
        default_factory=dict, description="for each key, the value, conditions on it, or {present: true}"
    )

    @model_validator(mode="after")
    def _format_is_known(self) -> Self:
        if self.format == "auto" and configfile.format_of(self.path) is None:
            raise ValueError("the format cannot be told by the file's name: give format")
        return self

    def subject(self) -> str:
        """The file."""
        return self.path

    def observe(self, box: Box) -> ConfigFacts:
        """Reads at most 4 MiB."""
        try:
            content = box.tree.read(self.path, LARGEST)
        except FileNotFoundError:
            return ConfigFacts(state="missing", found="nothing")
        except UnsafePath:
            return _not_read(box.tree, self.path)
        if not content.strip(b" \t\r\n\0\xef\xbb\xbf"):
            return ConfigFacts(state="empty", found=f"{len(content)} bytes of nothing" if content else "nothing")
        format = configfile.format_of(self.path) if self.format == "auto" else self.format
        assert format is not None
        try:
            value = configfile.parse(content, format, template=self.template)
        except Unparsable as error:
            return ConfigFacts(state="unparsable", problem=error.message, line=error.line, column=error.column)
        if value is None or value in ({}, ""):
            return ConfigFacts(state="empty", found="nothing but comments")
        answers = tuple(_answer(value, key, wanted) for key, wanted in self.values.items())
        return ConfigFacts(state="parsed", answers=answers)

    def judge(self, facts: ConfigFacts, moment: Moment) -> Iterator[Finding]:
        """Every question that can be asked; of a file that is not there, nothing more is asked."""
        there = facts.state != "missing"
        yield self._finding("missing", there, "a file", facts.found or "a file", "the file is there")
        if not there:
            return
        if facts.state == "unparsable":
            yield self._finding("unparsable", False, "a file that parses", facts.problem, "")
            return
        full = facts.state == "parsed"
        yield self._finding("empty", full, "settings", facts.found or "settings", "it is not empty")
        if not full:
            return
        yield self._finding("unparsable", True, "a file that parses", "a file that parses", "it parses")
        for answer, (key, wanted) in zip(facts.answers, self.values.items(), strict=True):
            yield self._about(answer, key, wanted)

    def _about(self, answer: Answer, key: str, wanted: Expected | Present) -> Finding:
        unwanted = isinstance(wanted, Present) and not wanted.present
        id = (
            "config.value"
            if unwanted or (answer.found and not isinstance(wanted, Present))
            else "config.value-missing"
        )
        expected = _described(wanted)
        if _is_secret(key) and not isinstance(wanted, Present):
            expected = MASK
        return Finding(
            id=id,
            outcome=Outcome.PASS if answer.met else Outcome.FAIL,
            subject=f"{self.path} {key}",
            expected=expected,
            actual=answer.shown if answer.found else "nothing",
            message=_sentence(answer, expected),
            advice="" if answer.met else "compare the file with the source",
        )

    def _finding(self, question: str, good: bool, expected: str, actual: str, passed: str) -> Finding:
        failed = {
            "missing": "the configuration file is not there",
            "empty": "the configuration file is there, and there is nothing in it",
            "unparsable": f"the configuration file {actual}",
        }
        template = " If it is a template, say template: true." if "{{" in actual or not self.template else ""
        return Finding(
            id=f"config.{question}",
            outcome=Outcome.PASS if good else Outcome.FAIL,
            subject=self.path,
            expected=expected,
            actual=actual,
            message=passed if good else failed[question],
            advice="" if good else "Compare it with the source." + (template if question == "unparsable" else ""),
        )


def _not_read(tree: Tree, path: str) -> ConfigFacts:
    """What is in the file's place: a FIFO, a link in a circle, something huge."""
    try:
        status = tree.status(path)
    except UnsafePath:
        status = None
    if status is not None and stat.S_ISREG(status.st_mode):
        problem = f"has {status.st_size} bytes, and no configuration is larger than {LARGEST}"
        return ConfigFacts(state="unparsable", problem=problem)
    return ConfigFacts(state="missing", found=named(status.st_mode) if status else "a symlink that leads nowhere")


def _answer(document: Value, key: str, wanted: Expected | Present) -> Answer:
    value = configfile.lookup(document, key)
    found = value is not MISSING
    if isinstance(wanted, Present):
        met = found == wanted.present
    else:
        met = found and holds(wanted, value)
    return Answer(key=key, found=found, met=met, shown=_shown(key, value) if found else None)


def _shown(key: str, value: object) -> str | int | float | bool | None:
    """A value as a report may show it."""
    if isinstance(value, dict):
        return f"a mapping of {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)} items"
    if value is None or isinstance(value, bool):
        return value
    if _is_secret(key):
        return MASK
    if isinstance(value, str):
        if TEMPLATE in value:
            return "an expression that is filled in at start"
        return _IN_URL.sub(f"//{MASK}@", value)
    return value if isinstance(value, (int, float)) else str(value)


def _is_secret(key: str) -> bool:
    return any(_SECRET_WORDS.search(part) or _SECRET_WORDS.search(part.lower()) for part in parts(key))


def _described(wanted: Expected | Present) -> str | int | float | bool:
    if isinstance(wanted, Present):
        return "any value" if wanted.present else "nothing"
    return describe(wanted)


def _sentence(answer: Answer, expected: object) -> str:
    if answer.met:
        return "it is as it must be"
    if not answer.found:
        return "the key is not there"
    if answer.shown != MASK and str(answer.shown) == str(expected):
        return f"it is a {_type(answer.shown)}, and a {_type(expected)} is expected"
    return "it has another value" if expected != "nothing" else "the key is there, and must not be"


def _type(value: object) -> str:
    names = {"str": "text", "int": "number", "float": "number", "bool": "truth value", "NoneType": "null"}
    return names.get(type(value).__name__, "value")
