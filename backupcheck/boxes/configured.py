"""What a service would be configured with: its file, what is filled in there when it starts, its environment.

Go templates (Authelia's) are looked up among the restored files and never run; the environment is what restored
units and environment files set. Messages name keys, files and variables, never values.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from backupcheck import configfile
from backupcheck.configfile.values import MISSING, TEMPLATE, Value
from backupcheck.errors import BackupcheckError, BadBackup, UnsafePath
from backupcheck.tree import Tree

EXPRESSION = re.compile(r'\{\{-?\s*(secret|fileContent|env|mustEnv)\s+"([^"]*)"[^}]*\}\}')
MARK = re.compile(rf"expression-([0-9]{{1,6}})-of-{TEMPLATE}")
ASSIGNMENT = re.compile(r"""\s*(?:export\s+)?["']?(\w+)=["']?(.*?)["']?\s*""")
ADD = "add it to what is pulled"
DRIVING = "add the unit or the environment file that sets it to what is pulled"


@dataclass(frozen=True)
class Naming:
    """How a service names the variables that go before its file: `AUTHELIA_A_B` for `a.b`, or `LLDAP_A__B`."""

    service: str
    joint: str = "_"

    def variable(self, key: str) -> str:
        """The variable of a key."""
        return f"{self.service}_{key.replace('.', self.joint)}".upper()


@dataclass
class Configured:
    """A service's configuration file at `path`; `expressions` are its template's lookups, function and name."""

    tree: Tree
    path: str
    naming: Naming
    document: Value = None
    expressions: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def text(self, key: str) -> str | None:
        """What the environment, a file that it names, or the configuration says of a key; None if none does.

        Raises `BadBackup` with `<service>.secret-missing` or `<service>.variable-missing` for what would be filled
        in and was not restored, and `BackupcheckError` for what cannot be followed.
        """
        variable = self.naming.variable(key)
        if variable in self.environment:
            return self.environment[variable]
        if path := self.environment.get(f"{variable}_FILE"):
            return self.secret(path)
        value = configfile.lookup(self.document, key)
        return None if value is MISSING else self.filled(value, key)

    def filled(self, value: object, key: str) -> str | None:
        """A value of the file with all that is filled in when the service starts; raises as `text`."""
        if value is None:
            return None
        done = MARK.sub(self._looked_up, str(value))
        if TEMPLATE in done:
            raise BackupcheckError(
                f"{self.path} fills in {key} by an expression that cannot be followed here",
                id=f"{self.naming.service}.expression-unknown",
                advice="write it with secret, fileContent, env or mustEnv and one name in quotes",
            )
        return done

    def _looked_up(self, match: re.Match[str]) -> str:
        if int(match[1]) >= len(self.expressions):
            return TEMPLATE
        function, name = self.expressions[int(match[1])]
        return self.variable(name) if function in ("env", "mustEnv") else self.secret(name)

    def variable(self, name: str) -> str:
        """A variable's value; raises as `text`."""
        if name not in self.environment:
            raise BadBackup(
                f"{self.path} takes a value from the variable {name}, which nothing restored sets",
                id=f"{self.naming.service}.variable-missing",
                advice=DRIVING,
            )
        return self.environment[name]

    def secret(self, path: str) -> str:
        """A secret's file without the newline at its end, as services strip it; raises as `text`."""
        try:
            return self.tree.read(path).decode("utf-8", "replace").rstrip("\n")
        except FileNotFoundError:
            message = f"the configuration takes a secret from {path}, which was not restored"
            raise BadBackup(message, id=f"{self.naming.service}.secret-missing", advice=ADD) from None

    def mappings(self, key: str) -> list[dict[str, Value]]:
        """The mappings of the list at a key; empty if there is none."""
        found = configfile.lookup(self.document, key)
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def configured(tree: Tree, path: str, format: configfile.Format, naming: Naming) -> Configured:
    """The configuration at `path`, a YAML file as the template that it may be.

    Raises `BadBackup` with `config.missing` or `config.unparsable`.
    """
    try:
        text = tree.read(path).decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        raise BadBackup(f"{path} was not restored", id="config.missing", advice=ADD) from None
    template = format == "yaml"
    expressions = EXPRESSION.findall(text) if template else []
    numbers = iter(range(len(expressions)))
    if template:
        text = EXPRESSION.sub(lambda match: f"expression-{next(numbers)}-of-{TEMPLATE}", text)
    try:
        document = configfile.parse(text.encode("utf-8", "surrogateescape"), format, template=template)
    except configfile.Unparsable as error:
        raise BadBackup(f"{path} {error.message}", id=error.id, advice="compare it with the source") from None
    return Configured(tree, path, naming, document, expressions, environment(tree, naming.service))


def environment(tree: Tree, service: str) -> dict[str, str]:
    """The variables that restored units and environment files give a service.

    Files at the usual places count too where no restored unit names them, for the package's own unit may; what
    a unit names goes before them, and its files before its own settings (systemd.exec(5)).
    """
    found: dict[str, str] = {}
    for pattern in (f"/etc/default/{service}", f"/etc/{service}/*.env"):
        for entry in tree.glob(pattern):
            found |= _assignments(_read(tree, entry.path))
    units = (f"/etc/systemd/system/{service}.service", f"/etc/systemd/system/{service}.service.d/*.conf")
    lines = [line for unit in units for entry in tree.glob(unit) for line in _settings(_read(tree, entry.path))]
    for key, value in lines:
        if key == "Environment":
            found |= dict(_words(value))
    for key, value in lines:
        if key == "EnvironmentFile" and value.lstrip("-").startswith("/"):
            found |= _assignments(_read(tree, value.lstrip("-")))
    return found


def _read(tree: Tree, path: str | bytes) -> str:
    """A unit's or environment file's text; one that leads nowhere, such as a masked unit, sets nothing."""
    try:
        return tree.read(path).decode("utf-8", "replace")
    except (FileNotFoundError, UnsafePath):
        return ""


def _assignments(text: str) -> dict[str, str]:
    return {match[1]: match[2] for line in text.splitlines() if (match := ASSIGNMENT.fullmatch(line))}


def _settings(text: str) -> Iterator[tuple[str, str]]:
    for line in text.replace("\\\n", " ").splitlines():
        key, found, value = line.partition("=")
        if found:
            yield key.strip(), value.strip()


def _words(value: str) -> Iterator[tuple[str, str]]:
    """The assignments of one `Environment=`; none where its quotes do not close, as systemd has it."""
    try:
        words = shlex.split(value)
    except ValueError:
        return
    for word in words:
        name, found, content = word.partition("=")
        if found:
            yield name, content
