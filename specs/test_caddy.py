"""What only Caddy knows: what its configuration needs, how it keeps certificates, and that it serves them again.

Caddy hides a loss: what is missing it makes anew when it starts. So the files are looked at first; then Caddy is
started in the box on a copy of its storage, where each name must show the certificate that was restored.
"""

from __future__ import annotations

import ipaddress
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from backupcheck import configfile
from backupcheck.checks.service import Service
from backupcheck.errors import BackupcheckError, BadBackup, ScratchError, ToolFailed
from backupcheck.keys import pem, x509file
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box, Moment
from backupcheck.tree import Tree

CADDYFILE = "/etc/caddy/Caddyfile"
ENVIRONMENT = "/etc/default/caddy"
UNITS = ("/etc/systemd/system/caddy.service", "/etc/systemd/system/caddy.service.d/*.conf")
STORAGE = "/var/lib/caddy/.local/share/caddy"
FIRST_PORT = 20443
NEARLY_OVER = timedelta(hours=1)
MOST_FILES = 500
SETTLE = 20
"""Seconds: Caddy listens before it has read its certificates."""
# {$NAME} is filled in when the file is read, {env.NAME} when it is used; only the first may have a default
VARIABLE = re.compile(r"\{\$(\w+)\}|\{env\.(\w+)\}")
FILE_DIRECTIVES = ("acme_ca_root", "trusted_ca_cert_file", "trusted_leaf_cert_file")
NOT_IN_THIS_CADDY = re.compile(r"module not registered|unrecognized (directive|global option)|unknown module")


@dataclass
class Configuration:
    """The lines, without comments, of the Caddyfile and of all that it imports, by file."""

    files: dict[str, list[str]] = field(default_factory=dict)
    snippets: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    """What is imported and was not found, by the word after `import`: the path that it stands for."""

    @property
    def lines(self) -> list[str]:
        return [line for lines in self.files.values() for line in lines]


def configuration(tree: Tree) -> Configuration:
    """The restored configuration; an import is a snippet, a place beside the file that imports, or a pattern."""
    found = Configuration()
    waiting = [CADDYFILE]
    while waiting:
        path = waiting.pop()
        if path in found.files or len(found.files) >= MOST_FILES:
            continue
        text = tree.read(path).decode("utf-8", "backslashreplace")
        lines = found.files[path] = [re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines()]
        found.snippets |= {match[1] for line in lines if (match := re.match(r"\s*\(([^()\s]+)\)\s*\{", line))}
        for word in (
            words[1].strip('"`') for line in lines if (words := line.split())[:1] == ["import"] and words[1:]
        ):
            waiting += imported(tree, str(PurePosixPath(path).parent / word), word, found)
    return found


def imported(tree: Tree, target: str, word: str, found: Configuration) -> list[str]:
    """The files that one import brings; a pattern may match none, but its folder must be there."""
    if "{" in word:
        return []
    wild = re.search(r"[*?\[]", target)
    place = target[: wild.start()].rpartition("/")[0] if wild else target
    if tree.status(place) is None:
        found.missing[word] = place
        return []
    return [entry.text for entry in tree.glob(target) if not entry.is_directory]


def safe(name: str) -> str:
    """How Caddy's storage writes a name (certmagic, StorageKeys.Safe)."""
    for old, new in ((" ", "_"), ("+", "_plus_"), ("*", "wildcard_"), (":", "-"), ("..", "")):
        name = name.lower().strip().replace(old, new)
    return re.sub(r"[^\w@.-]", "", name)


def below(tree: Tree, pattern: str) -> list[PurePosixPath]:
    """What the pattern finds in the storage."""
    return [PurePosixPath(entry.text) for entry in tree.glob(f"{STORAGE}/{pattern}")]


def content(tree: Tree, path: PurePosixPath) -> dict[str, Any]:
    """A JSON file of the storage; empty if it is none."""
    try:
        found = json.loads(tree.read(str(path)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def loaded_files(tree: Tree) -> tuple[list[str], dict[str, str]]:
    """The environment files that the restored units name, and the variables that they set themselves."""
    files: list[str] = []
    own: dict[str, str] = {}
    for unit in (entry.text for pattern in UNITS for entry in tree.glob(pattern)):
        section: Any = configfile.parse(tree.read(unit), "ini")
        section = section.get("Service", {}) if isinstance(section, dict) else {}
        for key, value in section.items():
            for one in value if isinstance(value, list) else [value]:
                if key == "EnvironmentFile":
                    files.append(str(one).lstrip("-"))
                elif key == "Environment":
                    own |= dict(word.split("=", 1) for word in shlex.split(str(one)) if "=" in word)
    return files, own


def variables(tree: Tree, path: str) -> dict[str, str]:
    """What an environment file sets; nothing if it is not there."""
    if tree.status(path) is None:
        return {}
    found = configfile.parse(tree.read(path), "env")
    return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def test_every_file_that_the_caddyfile_names_is_there(box: Box) -> None:
    """Every file that the Caddyfile imports or names was restored."""
    found = configuration(box.tree)
    lost = {place for word, place in found.missing.items() if word not in found.snippets}
    words = [line.split() for line in found.lines]
    named = {word for line in words if line[:1] and line[0] in FILE_DIRECTIVES for word in line[1:]}
    named |= {word for line in words if line[:1] == ["tls"] and len(line) > 2 for word in line[1:3]}
    lost |= {path for path in named if path.startswith("/") and box.tree.status(path) is None}
    if lost:
        raise BadBackup(
            f"the Caddyfile needs files that were not restored: {', '.join(sorted(lost))}",
            id="caddy.import-missing",
            advice="add them to what is pulled",
        )


def test_every_variable_that_the_caddyfile_uses_is_set(box: Box) -> None:
    """Every variable that the Caddyfile uses is set by a file that its restored unit loads."""
    used = {
        name for line in configuration(box.tree).lines for pair in VARIABLE.findall(line) for name in pair if name
    }
    files, known = loaded_files(box.tree)
    for path in files:
        known |= variables(box.tree, path)
    unset = sorted(name for name in used if not known.get(name))
    beside = variables(box.tree, ENVIRONMENT) if ENVIRONMENT not in files else {}
    if unset and all(beside.get(name) for name in unset):
        raise BadBackup(
            f"no restored unit loads {ENVIRONMENT}, so {', '.join(unset)} would be empty",
            id="caddy.environment-not-loaded",
            advice="pull the drop-in with EnvironmentFile= in /etc/systemd/system/caddy.service.d",
        )
    if unset:
        raise BadBackup(
            f"the Caddyfile uses variables that nothing restored sets: {', '.join(unset)}",
            id="caddy.variable-missing",
            advice=f"compare {ENVIRONMENT} with the source",
        )


def test_every_certificate_has_its_three_files_in_the_folder_of_its_name(box: Box) -> None:
    """Every name has its certificate, key and description, in the folder where Caddy looks for them."""
    folders = [
        path for path in below(box.tree, "certificates/*/*") if "." in path.name or path.name == "localhost"
    ]
    if not folders:
        raise BadBackup(
            "no certificate was restored", id="caddy.certificate-files", advice="look at what is pulled"
        )
    for folder in folders:
        files = [folder / f"{folder.name}.{end}" for end in ("crt", "key", "json")]
        lost = [file.name for file in files if box.tree.status(str(file)) is None]
        if lost:
            raise BadBackup(
                f"{folder} lacks {', '.join(lost)}, so Caddy would get another certificate without a word",
                id="caddy.certificate-files",
                advice="compare it with the source",
            )
        names = content(box.tree, files[2]).get("sans") or []
        if folder.name not in {safe(str(name)) for name in names}:
            raise BadBackup(
                f"Caddy would not find what lies in {folder}: it is for {', '.join(map(str, names)) or 'no name'}",
                id="caddy.certificate-misplaced",
            )


def test_every_acme_account_has_its_key(box: Box) -> None:
    """Every ACME account has a description and a key that parses, and every issuer has an account."""
    accounts = below(box.tree, "acme/*/users/*/*")
    for file in sorted({path.with_suffix("") for path in accounts if path.suffix in (".json", ".key")}):
        key, description = file.with_name(f"{file.name}.key"), file.with_name(f"{file.name}.json")
        lost = [path.name for path in (key, description) if box.tree.status(str(path)) is None]
        if lost:
            raise account_lost(f"the ACME account {file} lacks {', '.join(lost)}")
        read = pem.private_key(box.tree.read(str(key)))
        if isinstance(read, pem.Unreadable):
            raise BadBackup(f"{key} {read.why}", id="caddy.account-unusable", advice="compare it with the source")
        if not content(box.tree, description).get("location"):
            raise BadBackup(f"{description} does not say where the account is", id="caddy.account-unusable")
    own = {path.name for path in below(box.tree, "pki/authorities/*")}
    issuers = {path.name for path in below(box.tree, "certificates/*")} - own - {"local"}
    for issuer in sorted(issuers - {path.parts[-4] for path in accounts}):
        raise account_lost(f"there is no ACME account for {issuer}, which has issued certificates")


def account_lost(message: str) -> BadBackup:
    advice = "Caddy would make a new account, which the issuer's rate limits count: compare it with the source"
    return BadBackup(message, id="caddy.account-lost", advice=advice)


# That the internal CA's root is still the one of the last proof is not asked: that takes a history of proofs.
# What is asked (caddy.yaml): its key is its own, and it has signed the intermediate and with that every leaf.


def test_caddy_itself_serves_every_restored_certificate(box: Box) -> None:
    """Caddy, started on the restored data, shows for every name of its sites the certificate that was restored."""
    adapted = adapt(box)
    served = list(sites(adapted))
    if not served:
        raise BadBackup("the restored configuration has no site with TLS", id="caddy.no-site")
    service = {
        "run": ["caddy", "run", "--config", "{work}/caddy.json"],
        "env": {"HOME": "{work}", "XDG_DATA_HOME": "{work}", "XDG_CONFIG_HOME": "{work}"},
        "env_file": ENVIRONMENT if box.tree.status(ENVIRONMENT) else None,
        "writable": [STORAGE],
        "write": {"caddy.json": json.dumps(offline(adapted))},
        "root": True,
        "port": served[0].port,
        "settle": SETTLE,
        "ask": [{"tls": question} for site in served for question in site.questions(box.tree)],
    }
    check = Service.model_validate_json(json.dumps(service))
    now = datetime.now(UTC)
    raise_worst(list(check.judge(check.observe(box), Moment(now, now))))


def raise_worst(findings: list[Finding]) -> None:
    """Raise what is wrong, if anything is."""
    bad = sorted(
        (one for one in findings if one.outcome.rank >= Outcome.ERROR.rank), key=lambda one: -one.outcome.rank
    )
    if not bad:
        return
    more = f" (and {len(bad) - 1} more)" if bad[1:] else ""
    kind: type[BackupcheckError] = BadBackup if bad[0].outcome is Outcome.FAIL else ScratchError
    raise kind(f"{bad[0].subject}: {bad[0].message}{more}", id=bad[0].id, advice=bad[0].advice)


def adapt(box: Box) -> dict[str, Any]:
    """The restored Caddyfile in Caddy's own JSON."""
    if box.find_program("caddy") is None:
        raise ScratchError("the box has no Caddy", id="service.program-missing", advice="drill with engine lxc")
    files, known = loaded_files(box.tree)
    for path in files or [ENVIRONMENT]:
        known |= variables(box.tree, path)
    words = ("caddy", "adapt", "--config", CADDYFILE, "--adapter", "caddyfile")
    try:
        adapted: dict[str, Any] = json.loads(box.run(words, timeout=60, env=known, root=True).stdout)
    except ToolFailed as error:
        said = next((line for line in reversed(error.stderr.splitlines()) if line.strip()), "it said nothing")
        if NOT_IN_THIS_CADDY.search(error.stderr):
            advice = "drill with an image whose Caddy has the same modules"
            raise ScratchError(
                f"this Caddy lacks a module: {said}", id="caddy.module-missing", advice=advice
            ) from None
        raise BadBackup(f"Caddy refuses its configuration: {said}", id="caddy.configuration") from None
    return adapted


@dataclass(frozen=True)
class Site:
    """A name that Caddy serves by TLS, and the port at which the box's Caddy does."""

    name: str
    port: int

    def questions(self, tree: Tree) -> Iterator[dict[str, Any]]:
        """What a handshake must show: one of the restored certificates for it.

        The internal CA's leaves live for hours, and Caddy issues a new one when it starts with an old one: then
        it is the restored root to which either must lead. Raises `BadBackup` where there is no certificate.
        """
        asked = {"name": self.name.replace("*", "backupcheck"), "port": self.port}
        restored = [str(path) for path in below(tree, f"certificates/*/{safe(self.name)}/*.crt")]
        wildcard = safe(f"*.{self.name.partition('.')[2]}")
        restored = restored or [str(path) for path in below(tree, f"certificates/*/{wildcard}/*.crt")]
        if not restored:
            raise BadBackup(
                f"{self.name} is a site of the Caddyfile, but no certificate for it was restored",
                id="caddy.certificate-missing",
                advice="see whether the source has one; Caddy would get a new one, if it can reach the issuer",
            )
        root = f"{STORAGE}/pki/authorities/{PurePosixPath(restored[0]).parts[-3]}/root.crt"
        if tree.status(root) is not None and all(nearly_over(tree, path) for path in restored):
            yield {**asked, "expect": {"trusted_by": root}}
        else:
            yield {**asked, "expect": {"certificate": restored}}


def nearly_over(tree: Tree, path: str) -> bool:
    """Whether a certificate has ended, or will before it could be shown."""
    chain = pem.certificates(tree.read(path))
    facts = chain if isinstance(chain, pem.Unreadable) else x509file.facts_of(chain[0])
    return not isinstance(facts, pem.Unreadable) and facts.not_after < datetime.now(UTC) + NEARLY_OVER


def servers(adapted: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The servers that speak TLS: those that listen on more than the port of plain HTTP."""
    http = adapted.get("apps", {}).get("http", {})
    plain = f":{http.get('http_port', 80)}"
    every: dict[str, dict[str, Any]] = http.get("servers", {})
    return {name: one for name, one in every.items() if any(not place.endswith(plain) for place in one["listen"])}


def sites(adapted: dict[str, Any]) -> Iterator[Site]:
    """Each name that Caddy keeps a certificate for: those of its sites, without what is excepted."""
    seen: set[str] = set()
    for port, server in enumerate(servers(adapted).values(), FIRST_PORT):
        automatic = server.get("automatic_https", {})
        if automatic.get("disable") or automatic.get("disable_certificates"):
            continue
        left_out = {*automatic.get("skip", ()), *automatic.get("skip_certificates", ()), *seen}
        matches = [match for route in server.get("routes", ()) for match in route.get("match", ())]
        for name in sorted({name for match in matches for name in match.get("host", ())} - left_out):
            if "{" not in name and not is_address(name):
                seen.add(name)
                yield Site(name, port)


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def offline(adapted: dict[str, Any]) -> dict[str, Any]:
    """The same sites for a box: other ports, a copy of the storage, nothing renewed, no port of administration.

    Apps other than HTTP, TLS and the internal CA's are left out: they serve no site.
    """
    apps = {name: app for name, app in adapted["apps"].items() if name in ("tls", "pki")}
    tls = apps.setdefault("tls", {})
    automation = tls.setdefault("automation", {})
    automation["policies"] = [
        {**policy, "renewal_window_ratio": 1e-9, "disable_ocsp_stapling": True, "on_demand": False}
        for policy in automation.get("policies", [{}])
    ]
    for policy in automation["policies"]:
        policy.pop("storage", None)
    http = {"http_port": FIRST_PORT - 1, "https_port": FIRST_PORT, "servers": {}}
    for port, (name, server) in enumerate(servers(adapted).items(), FIRST_PORT):
        automatic = {**server.get("automatic_https", {}), "disable_redirects": True}
        own = {"listen": [f"127.0.0.1:{port}"], "automatic_https": automatic, "protocols": ["h1", "h2"]}
        http["servers"][name] = {**server, **own}  # type: ignore[index]
    storage = {"module": "file_system", "root": f"{{work}}{STORAGE}"}
    return {"admin": {"disabled": True}, "storage": storage, "apps": {**apps, "http": http}}
