"""What restic says when it fails, from version 0.14 to 0.19, and the finding that each becomes.

Exit statuses 10, 11 and 12 exist from 0.17 on (restic's manual, "Scripting"); before that all is 1 and the text
decides. With `--json`, newer versions say their last words as a JSON object. A line of a retry that follows
says nothing yet: only where nothing else was said does it count.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from backupcheck.errors import (
    BackupcheckError,
    BadBackup,
    ProcessError,
    RepositoryError,
    ScratchError,
    ToolFailed,
    ToolTimedOut,
)

DAMAGED = "repository.data-damaged"
INDEX_DAMAGED = "repository.index-damaged"
NOT_FOUND = "repository.not-found"
LOCKED = "repository.locked"
WRONG_PASSWORD = "repository.wrong-password"
RETRYING = "returned error, retrying"
UNKNOWN = "repository.unknown"
CACHE_DAMAGED = "repository.cache-damaged"
FOUND_ERRORS = "repository contains errors"

PACK = re.compile(r"(?:error: )?pack(?: ID does not match, want)? ([0-9a-f]{8,64})\b", re.IGNORECASE)
"""How `restic check` begins a line about a pack: 0.14 gives some of their ids in short."""

BROKEN_SNAPSHOT = re.compile(r"could not load snapshot|failed to load snapshot|^Ignoring \"")
"""`restic snapshots` passes over a damaged one, says so, and ends with status 0: an older one seems the newest."""

WHERE = re.compile(r"at the following location\?$", re.IGNORECASE)
"""How a sentence ends that goes on with the location in the next line."""

CREDENTIALS = re.compile(r"(://[^/\s:@]*):[^/\s]*@")

NO_REASON = "restic does not say why"
"""What becomes of an empty error: 0.14 says no more of a tree that its cache has damaged."""

GONE = re.compile(RETRYING + r".*(no such file or directory|ReadFull: (unexpected )?EOF|file is too short)")
"""A pack that is gone or cut: 0.14 tries again for 44 s, but a folder of this machine will not grow it back."""


@dataclass(frozen=True)
class Failure:
    """One way to fail: how it is recognised, and what is said about it."""

    id: str
    pattern: str
    error: type[BackupcheckError]
    meaning: str
    advice: str


DAMAGE_ADVICE = "restore from another snapshot or copy; `restic check --read-data` shows how far the damage goes"
_FAILURES = (
    Failure(
        WRONG_PASSWORD,
        r"wrong password or no key found",
        RepositoryError,
        "the repository's password is wrong, or its keys are gone",
        "compare the password file with the one kept outside the backup; look into the repository's keys/ folder",
    ),
    Failure(
        "repository.no-snapshot",
        r"no snapshot found|no matching ID|invalid id|failed to load snapshot.*(no such file|not exist)",
        BadBackup,
        "the snapshot is not in the repository",
        "see `restic snapshots`; if snapshots were removed, restore the repository itself from its copy",
    ),
    Failure(
        "repository.snapshot-damaged",
        BROKEN_SNAPSHOT.pattern,
        BadBackup,
        "a snapshot's file in the repository is damaged",
        "until it is gone nobody knows which snapshot is the newest; see `restic snapshots`, and restore its file",
    ),
    Failure(
        INDEX_DAMAGED,
        r"load(Raw)?(ing)? (index )?\(?<index/",
        BadBackup,
        "a file of the repository's index is damaged; the data may be whole",
        "restore it from the repository's copy, or have `restic rebuild-index` (later `restic repair index`) "
        "make it anew; then run `restic check --read-data`",
    ),
    Failure(
        DAMAGED,
        r"ciphertext verification failed|hash mismatch|(invalid|wrong) data returned|failed integrity check",
        BadBackup,
        "the repository's data is damaged",
        DAMAGE_ADVICE,
    ),
    Failure(
        "scratch.no-space",
        r"^ignoring error for .*(no space left on device|disk quota exceeded)",
        ScratchError,
        "the scratch folder is full; this says nothing about the backup",
        "give scratch.folder more space",
    ),
    Failure(
        "repository.no-space",
        r"no space left on device|disk quota exceeded|insufficient storage",
        RepositoryError,
        "the repository's storage (or /tmp here) is full",
        "make room; `restic prune` frees what no snapshot needs",
    ),
    Failure(
        "repository.unreachable",
        r"dial tcp|connection (refused|reset)|no route to host|network is unreachable|i/o timeout"
        r"|TLS handshake|no such host|temporary failure|x509:|subprocess ssh",
        RepositoryError,
        "the repository's storage cannot be reached",
        "check the network, the storage's address and its certificate",
    ),
    Failure(
        "scratch.unfaithful",
        r"^ignoring error for .*(operation not (permitted|supported)|file name too long|read-only file system)",
        ScratchError,
        "the scratch folder cannot hold what the backup has; this says nothing about the backup",
        "put scratch.folder on a file system with owners and extended attributes, and drill as root",
    ),
    Failure(
        "repository.denied",
        r"permission denied|operation not permitted|AccessDenied|Forbidden|unauthorized|InvalidAccessKeyId",
        RepositoryError,
        "the repository's storage refuses access",
        "check the storage's credentials and the files' owner",
    ),
    Failure(
        LOCKED,
        r"repository is already locked",
        RepositoryError,
        "another restic holds a lock on the repository",
        "wait for it; if it is dead, `restic unlock` removes its lock",
    ),
    Failure(
        NOT_FOUND,
        r"Is there a repository at the following location|repository does not exist",
        RepositoryError,
        "there is no repository at this URL",
        "see whether its disk or server is there, and check repository.url; only a new site is made by "
        "`backupcheck backup --init`",
    ),
    Failure(
        DAMAGED,
        r"not found in (repository|index)|Load(Raw)?\(<|ReadFull|ReadAt|unexpected EOF|file is too short"
        r"|has zero size|load tree|decrypting|input/output error|no such file or directory|^panic:",
        BadBackup,
        "the repository's data is damaged",
        DAMAGE_ADVICE,
    ),
)
_BY_STATUS = {10: NOT_FOUND, 11: LOCKED, 12: WRONG_PASSWORD}


def classified(error: ProcessError) -> BackupcheckError:
    """restic's failure by its name; one that is not recognised stays `repository.unknown`, with restic's words."""
    said = spoken(error.stderr)
    settled = tuple(line for line in said if RETRYING not in line) or said
    known = _BY_STATUS.get(error.code) if isinstance(error, ToolFailed) else None
    for failure in _FAILURES:
        matching = [line for line in settled if re.search(failure.pattern, line, re.IGNORECASE)]
        if failure.id == known or (known is None and matching):
            words = (matching or list(settled) or ["it said nothing"])[-1]
            return failure.error(f"{failure.meaning}: {words}", id=failure.id, advice=failure.advice)
    words = _last_words(settled)
    if isinstance(error, ToolTimedOut):
        return RepositoryError(f"{error.message} ({words})", id="repository.timed-out")
    return RepositoryError(f"{error.message.partition(': ')[0]}: {words}", id="repository.unknown")


def damage(stderr: str) -> tuple[str, ...]:
    """The lines that name what could not be restored, the first for each file: what follows comes of that."""
    lines = [line for line in spoken(stderr) if RETRYING not in line and "There were" not in line]
    first: dict[str, str] = {}
    for line in lines or spoken(stderr):
        file = re.match(r"ignoring error for .*?: ", line)
        first.setdefault(file.group() if file else line, line)
    return tuple(first.values())


@dataclass(frozen=True)
class Reading:
    """What reading a part of a repository showed: by a pack's id what is said of it, by an empty one what is wrong
    but is no pack. It is `whole` if each pack of the part was looked at."""

    damage: dict[str, str]
    whole: bool


def reading(error: ProcessError) -> Reading:
    """What `restic check` found when it failed; no damage where it only could not look."""
    damage: dict[str, str] = {}
    whole = FOUND_ERRORS in error.stderr
    for line in spoken(error.stderr):
        pack = PACK.match(line)
        if pack and RETRYING not in line:
            bad = _alone(line).exit_status == 1
            whole = whole and bad
            if bad:
                damage.setdefault(pack[1], line)
    known = classified(error)
    if not damage and (known.exit_status == 1 or (known.id == UNKNOWN and FOUND_ERRORS in error.stderr)):
        damage[""] = known.message
    return Reading(damage, whole)


def _alone(line: str) -> BackupcheckError:
    """What one line of a check's says; what it does not know it found, for it was looking."""
    known = classified(ToolFailed("", code=1, stderr=line))
    return BadBackup(line) if known.id == UNKNOWN else known


def spoken(stderr: str) -> tuple[str, ...]:
    """What restic said, a sentence a line, its JSON objects as plain text, Go's stack traces and the passwords of
    URLs left out."""
    said: list[str] = []
    for line in stderr.splitlines():
        said += _message(line).splitlines()
    lines: list[str] = []
    for line in (CREDENTIALS.sub(r"\1:***@", line.strip()) for line in said if not _is_trace(line)):
        if line and lines and WHERE.search(lines[-1]):
            lines[-1] += f" {line}"
        elif line:
            lines.append(line)
    return tuple(lines)


def _message(line: str) -> str:
    if not line.startswith("{"):
        return line
    try:
        item = json.loads(line)
    except ValueError:
        return line
    if item.get("message_type") == "exit_error":
        return str(item.get("message", line))
    if item.get("message_type") == "error":
        return f"{item.get('item', '')}: {_cause(item.get('error'))}"
    return line


def _cause(error: object) -> str:
    """Of a file: 0.14 gives Go's own error, `{"Op": "open", "Path": …, "Err": 13}`; later ones a message."""
    if not isinstance(error, dict):
        return str(error)
    if not error.get("message") and "Err" not in error:
        return NO_REASON
    return str(error.get("message") or f"{error.get('Op', 'it')} failed with error number {error.get('Err')}")


def _is_trace(line: str) -> bool:
    return line.startswith(("\t", "github.com/", "main.", "runtime.", "goroutine "))


def _last_words(said: tuple[str, ...]) -> str:
    fatal = [line for line in said if line.startswith("Fatal:")]
    return (fatal or list(said) or ["it said nothing"])[-1]
