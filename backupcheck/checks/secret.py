"""A secret is there and is one: not empty, no placeholder, not open to others, of its form and length."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Literal, Self

from pydantic import Field, model_validator

from backupcheck import configfile
from backupcheck.configfile.values import MISSING, TEMPLATE, parts
from backupcheck.errors import UnsafePath
from backupcheck.fields import AbsolutePath, Amount, Mode, Owner, octal
from backupcheck.keys import credentials
from backupcheck.keys.credentials import Format
from backupcheck.matchers import compared
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Tree, named, restorable

LARGEST = 2**20


class SecretFacts(Facts):
    """What is known of a secret without knowing it.

    `size` is in bytes as it lies in the file, `length` in characters (bytes where it is no text) without white
    space around it. `placeholder`, `unreadable` and `malformed` are sentences' ends, empty where all is well;
    `open_folders` are the folders around it that anybody may write to.
    """

    state: Literal["there", "missing", "too-large", "key-missing"]
    found: Text = ""
    mode: Text = ""
    owner: Text = ""
    open_folders: tuple[Text, ...] = ()
    empty: bool = False
    size: int = 0
    length: int = 0
    placeholder: Text = ""
    unreadable: Text = ""
    malformed: Text = ""


class Secret(Check[SecretFacts]):
    """Looks at a secret's file, or at one value in a file, and never tells the secret.

    It must be there, not be empty, hold no placeholder (`changeme`, `<secret>`, `REPLACE_ME`, one character
    throughout), and not be open to others: without `mode` nobody but its owner and group may have any permission,
    with it the permissions must be exactly those; no folder around it may be one that anybody can write to. A
    private key that needs a passphrase, and one that was cut, are named.

        - secret: {path: /opt/mealie/data/.secret, mode: "0644", format: hex, length: 64}
        - secret: {path: /var/lib/lldap/private_key, bytes: 128, mode: "0400"}
        - secret: {path: /opt/mealie/.env, key: POSTGRES_PASSWORD, length: {gte: 12}}

    `key` names one value in a TOML, YAML, JSON, INI or environment file, with dots between the parts. `bytes` is
    the size of the secret as it lies there, `length` its characters without white space around it. Where the
    restore did not run as root, owners say nothing and are not compared.

    Findings: `secret.missing`, `secret.key-missing`, `secret.empty`, `secret.placeholder`, `secret.mode`,
    `secret.owner`, `secret.format`, `secret.length`.
    """

    path: AbsolutePath = Field(description="the file that is the secret, or that holds it")
    key: str | None = Field(
        None, description="the value's path in the file, such as POSTGRES_PASSWORD or jwt.secret"
    )
    format: Format | None = Field(None, description="what the secret must parse as")
    bytes: Amount | None = Field(None, description="the size in bytes, such as 128")
    length: Amount | None = Field(None, description="the number of characters, white space around it not counted")
    mode: Mode | None = Field(None, description='exactly these permissions, quoted, such as "0600"')
    owner: Owner | None = Field(None, description='user and group by number, such as "0:0"')
    placeholder: bool = Field(False, description="a placeholder is expected here: do not look for one")

    @model_validator(mode="after")
    def _key_can_be_read(self) -> Self:
        if self.key is not None:
            parts(self.key)
            if configfile.format_of(self.path) == "xml":
                raise ValueError("key is not looked for in XML files")
        return self

    def subject(self) -> str:
        """The file, and the value in it."""
        return f"{self.path} {self.key}" if self.key else self.path

    def observe(self, box: Box) -> SecretFacts:
        """Looks without keeping the secret."""
        try:
            content = box.tree.read(self.path, LARGEST)
        except FileNotFoundError:
            return SecretFacts(state="missing", found="nothing")
        except UnsafePath:
            return _not_read(box.tree, self.path)
        seen = _surroundings(box.tree, self.path)
        if self.key is None:
            return _looked_at(content, self.format, seen)
        try:
            value = _value(content, self.path, self.key)
        except configfile.Unparsable as error:
            return _changed(seen, unreadable=f"line {error.line}" if error.line else "the whole file")
        return _changed(seen, state="key-missing") if value is None else _looked_at(value, self.format, seen)

    def judge(self, facts: SecretFacts, moment: Moment) -> Iterator[Finding]:
        """Every question that can be asked; of what is not there, nothing more is asked."""
        there = facts.state != "missing"
        yield self._answer("missing", there, "a file", "a file" if there else facts.found)
        if not there:
            return
        yield from self._about_the_file(facts)
        if facts.state == "too-large":
            yield self._answer("length", False, f"at most {LARGEST} bytes", facts.size)
        elif facts.unreadable:
            yield self._answer("format", False, "a file that can be parsed", f"a mistake in {facts.unreadable}")
        elif facts.state == "key-missing":
            yield self._answer("key-missing", False, "a value", "none")
        else:
            if self.key:
                yield self._answer("key-missing", True, "a value", "a value")
            yield from self._about_the_secret(facts)

    def _about_the_file(self, facts: SecretFacts) -> Iterator[Finding]:
        bits = int(facts.mode, 8)
        wanted = octal(int(self.mode, 8)) if self.mode else "nothing for others"
        good = facts.mode == wanted if self.mode else not bits & 0o007
        yield self._answer("mode", good, wanted, facts.mode)
        for folder in facts.open_folders:
            yield self._answer("mode", False, "folders not writable for all", folder)
        if self.owner and restorable(*map(int, self.owner.split(":"))):
            yield self._answer("owner", facts.owner == self.owner, self.owner, facts.owner)
        elif self.owner:
            yield Finding(
                id="secret.owner",
                outcome=Outcome.SKIP,
                subject=self.subject(),
                expected=self.owner,
                message="not asked: the restore did not run as root, so owners say nothing",
            )

    def _about_the_secret(self, facts: SecretFacts) -> Iterator[Finding]:
        yield self._answer("empty", not facts.empty, "a secret", "nothing" if facts.empty else "something")
        if facts.empty:
            return
        if not self.placeholder:
            yield self._answer(
                "placeholder", not facts.placeholder, "a secret", facts.placeholder or "no placeholder"
            )
        if self.format:
            yield self._answer("format", not facts.malformed, self.format, facts.malformed or self.format)
        for expected, actual, unit in (
            (self.bytes, facts.size, "bytes"),
            (self.length, facts.length, "characters"),
        ):
            if expected is not None:
                yield compared("secret.length", self.subject(), expected, actual, f"it has {actual} {unit}")

    def _answer(self, question: str, good: bool, expected: str, actual: str | int) -> Finding:
        passed, failed, advice = WORDS[question]
        return Finding(
            id=f"secret.{question}",
            outcome=Outcome.PASS if good else Outcome.FAIL,
            subject=self.subject(),
            expected=expected,
            actual=actual,
            message=passed if good else failed,
            advice="" if good else advice,
        )


WORDS = {
    "missing": ("the file is there", "the secret's file is not there", "add it to what is pulled"),
    "key-missing": (
        "the key is in the file",
        "the key is not in the file, or is no single value",
        "look at the file",
    ),
    "empty": ("it is not empty", "it is empty", "compare it with the source"),
    "placeholder": ("it is no placeholder", "a placeholder stands in its place", "set a secret at the source"),
    "mode": ("its permissions are as they must be", "it is open to others", "chmod it at the source"),
    "owner": ("its owner is as it must be", "it belongs to somebody else", "chown it at the source"),
    "format": ("it has its form", "it has not the form that it must have", "compare it with the source"),
    "length": ("it has its length", "it is far too long for a secret", "look at what is there"),
}


def _changed(facts: SecretFacts, **update: object) -> SecretFacts:
    return SecretFacts.model_validate(facts.model_dump() | update)


def _not_read(tree: Tree, path: str) -> SecretFacts:
    """What is in the secret's place: a FIFO, a link in a circle, something huge."""
    try:
        status = tree.status(path)
    except UnsafePath:
        status = None
    if status is not None and stat.S_ISREG(status.st_mode):
        return _changed(_surroundings(tree, path), state="too-large", size=status.st_size)
    return SecretFacts(state="missing", found=named(status.st_mode) if status else "a symlink that leads nowhere")


def _surroundings(tree: Tree, path: str) -> SecretFacts:
    """The permissions of the file and of the folders around it."""
    status = tree.status(path)
    if status is None:
        return SecretFacts(state="missing", found="nothing")
    around = [str(folder) for folder in PurePosixPath(path).parents if str(folder) != "/"]
    return SecretFacts(
        state="there",
        mode=octal(status.st_mode),
        owner=f"{status.st_uid}:{status.st_gid}",
        open_folders=tuple(folder for folder in around if _is_open(tree.status(folder))),
    )


def _is_open(status: os.stat_result | None) -> bool:
    """Whether anybody may put another file in a folder's place; a sticky one such as /tmp does not allow it."""
    return status is not None and bool(status.st_mode & stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX


def _looked_at(secret: bytes, format: Format | None, seen: SecretFacts) -> SecretFacts:
    stripped = secret.strip(b" \t\r\n\0")
    if not stripped:
        return _changed(seen, empty=True, size=len(secret))
    return _changed(
        seen,
        size=len(secret),
        length=len(secret.strip().decode(errors="surrogateescape")),
        placeholder=credentials.placeholder(stripped) or "",
        malformed=(format and credentials.trouble(secret, format)) or "",
    )


def _value(content: bytes, path: str, key: str) -> bytes | None:
    """The value at `key`; None where there is none, or more than one."""
    format = configfile.format_of(path) or "env"
    found = configfile.lookup(configfile.parse(content, format, template=format not in ("env", "ini")), key)
    if found is MISSING or isinstance(found, (dict, list)):
        return None
    text = "" if found is None else str(found)
    return b"{{ }}" if TEMPLATE in text else text.encode(errors="surrogatepass")
