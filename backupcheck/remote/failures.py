"""Every way in which ssh, rsync and the mirror's disk fail, by its name.

Many failures share a status (12 is a missing rsync, a refused key and a cut cable), so the words decide. The most
telling stand first; what rsync says as a consequence of anything stands last.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from backupcheck.errors import PullError, ToolFailed, ToolTimedOut

PARTIAL = 23
MOST_NAMED = 3

Side = Literal["source", "target", ""]


@dataclass(frozen=True)
class Failure:
    """One failure: its id, how it is recognised, what it means and what to do.

    Of rsync's messages only those of its `side` count; what carries no side counts for either.
    """

    id: str
    pattern: str
    meaning: str
    advice: str
    side: Side = ""


FAILURES = (
    Failure(
        "sync.host-key-changed",
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed",
        "the host's key is not the pinned one: another machine answers, or it was set up anew",
        "find out why before anything else; if it is right, replace it with `backupcheck keys --pin`",
    ),
    Failure(
        "sync.host-key-unknown",
        r"No \S+ host key is known|Host key verification failed",
        "the host's key is not pinned",
        "run `backupcheck keys --pin`, and compare what it shows with ssh-keygen -lf on the host's console",
    ),
    Failure(
        "sync.auth-denied",
        r"Permission denied \([a-z]|Too many authentication failures|Load key .*(invalid|error)|no such identity",
        "the host does not accept the site's key",
        "put the lines that `backupcheck keys` prints into the host's authorized_keys",
    ),
    Failure(
        "sync.connection-lost",
        r"client_loop: |Read from remote host .*: |Connection to \S+ closed by remote host"
        r"|rsync: .*(read|write) error: Connection (reset|timed out)",
        "the connection broke in the middle",
        "see whether the host was restarted or the network failed; the next pull goes on from there",
    ),
    Failure(
        "sync.timed-out",
        r"timeout in data send/receive|io timeout|Timeout, server .* not responding",
        "the host stopped answering in the middle",
        "see what the host and the network are busy with",
    ),
    Failure(
        "sync.unreachable",
        r"Connection (refused|timed out|reset)|No route to host|Network is (unreachable|down)"
        r"|Could not resolve hostname|port \d+: Connection|Connection closed by .* port|kex_exchange",
        "the host cannot be reached",
        "see whether the host is up, its address right and its sshd running",
    ),
    Failure(
        "sync.key-refuses",
        r"backupcheck: not the declared|rrsync error: |SSH_ORIGINAL_COMMAND|has been disabled on this server"
        r"|read-only server is not allowed|account is currently not available|allows sftp connections only",
        "the key may not do this at the host",
        "print the key's line anew with `backupcheck keys` and put it into the host's authorized_keys",
    ),
    Failure(
        "sync.dirty-shell",
        r"is your shell clean|unexpected tag -?\d|protocol incompatibility",
        "what the host sends is not rsync's protocol: its shell prints something, or another program answers",
        "remove the output from the login scripts (.bashrc, .profile) there",
    ),
    Failure(
        "sync.rsync-missing",
        r"rsync: (command )?not found|rsync: No such file or directory|remote command not found"
        r"|rsync: (-c: )?line \d+: .*rsync|rsync: Permission denied",
        "rsync is not installed at the host",
        "install rsync there",
    ),
    Failure(
        "sync.rsync-too-old",
        r"unknown option|(are|is) not supported on this (server|client)|Failed to negotiate",
        "the rsync at the host does not know what is asked of it",
        "install rsync 3.2 or newer there",
    ),
    Failure(
        "sync.unrequested",
        r"rejecting (unrequested|excluded) file-list name|unsafe pathname|invalid (file|dir|hlink)?.?(index|ndx)",
        "the source sent names that nobody asked for, and all of them were refused",
        "look at the source: its rsync is not what it should be",
    ),
    Failure(
        "sync.quota-exceeded",
        r"File too large \(27\)|out of memory",
        "the source sent more than is allowed",
        "see what fills the source, or raise the quota",
        "target",
    ),
    Failure(
        "sync.target-full",
        r"No space left on device|Disk quota exceeded",
        "the mirror's disk is full",
        "make room; what was there before is kept",
        "target",
    ),
    Failure(
        "sync.target-read-only",
        r"Read-only file system",
        "the mirror cannot be written",
        "mount the mirror's disk writable; see in the log why it is not",
        "target",
    ),
    Failure(
        "sync.target-io-error",
        r"Input/output error|Structure needs cleaning|Stale file handle",
        "the mirror's disk cannot be read or written",
        "look at the mirror's disk and at what the kernel says of it",
        "target",
    ),
    Failure(
        "sync.source-io-error",
        r"Input/output error|Structure needs cleaning|Stale file handle",
        "the source's disk cannot be read",
        "look at the source's disk and at what the kernel says of it",
        "source",
    ),
    Failure(
        "sync.source-missing",
        r"(link_stat|change_dir) .* failed: (No such file or directory|Not a directory)",
        "a declared path is not at the source",
        "correct source.paths, or find out where the data went",
        "source",
    ),
    Failure(
        "sync.unreadable",
        r"Permission denied \(13\)|Operation not permitted \(1\)",
        "the user at the source cannot read all of it",
        "pull as a user that can read every declared path",
        "source",
    ),
    Failure(
        "sync.not-kept",
        r"(chown|mknod|mkfifo|chmod|set_acl|sys_acl\w*|l?setxattr|rsync_xal_set|set_xattr).*"
        r"(not permitted|not supported|Invalid argument|Permission denied|No space left)",
        "the mirror cannot keep files as they are at the source (owners, devices, ACLs or attributes)",
        "pull as root, onto a file system that knows them; or exclude what cannot be kept",
        "target",
    ),
    Failure(
        "sync.target-denied",
        r"Permission denied \(13\)|Operation not permitted \(1\)",
        "the user here may not write all of the mirror",
        "give the mirror's folder to the user that pulls",
        "target",
    ),
    Failure(
        "sync.mass-deletion",
        r"--max-delete|Deletions stopped",
        "more would be deleted from the mirror than is believable, so nothing more was deleted",
        "see whether the source is mounted and whole",
    ),
    Failure(
        "sync.vanished",
        r"vanished",
        "files vanished while they were pulled",
        "pull again; exclude what comes and goes, such as sessions and locks",
    ),
    Failure(
        "sync.killed",
        r"received SIG|^Killed$|^Terminated$|sibling process terminated|unexplained error \(code (137|143)\)",
        "rsync was ended from outside, at the source or here",
        "see who ended it: a shutdown, a lack of memory; the next pull goes on from there",
    ),
    Failure(
        "sync.connection-lost",
        r"connection unexpectedly closed \((?!0 bytes)",
        "the connection ended in the middle: the network, or rsync at the host",
        "see whether the host was restarted or short of memory; the next pull goes on from there",
    ),
)

OF_SYSTEM = {
    errno.ENOSPC: "sync.target-full",
    errno.EDQUOT: "sync.target-full",
    errno.EROFS: "sync.target-read-only",
    errno.EIO: "sync.target-io-error",
    errno.EACCES: "sync.target-denied",
    errno.EPERM: "sync.target-denied",
}


def classified(host: str, error: ToolFailed, failures: Sequence[Failure] = FAILURES) -> PullError:
    """A failure of ssh or rsync by its name; an unrecognised one is `sync.unknown`, with the tool's words.

    `failures` are those that can be, under another family's names perhaps. Where rsync went on after an error
    there may be more than one: the further ones are named too.
    """
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    found = list(_recognised(lines, error.code, failures))
    if found:
        failure, said = found[0]
        others = "".join(f"; also {more.id}: {_brief(words)}" for more, words in found[1:])
        message = f"{host}: {failure.meaning} ({_brief(said)}{others if error.code == PARTIAL else ''})"
        return PullError(message, id=failure.id, advice=failure.advice)
    program = Path(error.argv[0]).name if error.argv else "the tool"
    telling = [line for line in lines if not line.startswith("rsync error:")]
    last = (telling or lines or ["it said nothing"])[-1]
    return PullError(
        f"{host}: {program} ended with status {error.code}: {last}", id=f"{_family(failures[0])}.unknown"
    )


def _family(failure: Failure) -> str:
    return failure.id.partition(".")[0]


def _recognised(lines: list[str], code: int, failures: Sequence[Failure]) -> Iterator[tuple[Failure, list[str]]]:
    """Each failure that the lines tell of, the most telling first, with the lines that told."""
    if _killed_here(lines, code):
        killed = (failure for failure in failures if failure.id.endswith(".killed"))
        yield next(killed), lines[:1] or [f"status {code}"]
    for failure in failures:
        said = [line for line in lines if _of_side(line, failure.side) and re.search(failure.pattern, line)]
        if said:
            yield failure, said


def _of_side(line: str, side: Side) -> bool:
    speaker = re.search(r"\[(sender|receiver|generator)\b", line, re.IGNORECASE)
    if not side or speaker is None:
        return True
    return (speaker[1].lower() == "sender") == (side == "source")


def _killed_here(lines: list[str], code: int) -> bool:
    """Whether one of rsync's processes on this machine was killed: the other one is left with nothing to say."""
    lost = [line for line in lines if "connection unexpectedly closed" in line]
    alone = bool(lost) and all("[generator" in line for line in lines if line.startswith("rsync"))
    return (not lines and (code < 0 or code > 128) and code != 255) or alone


def _brief(lines: Iterable[str]) -> str:
    """The first of some messages, and how many more there are."""
    first, *others = dict.fromkeys(lines)
    return " · ".join([first, *others[: MOST_NAMED - 1]]) + (
        f" and {len(others) - MOST_NAMED + 1} more" if len(others) >= MOST_NAMED else ""
    )


def of_system(host: str, error: OSError) -> PullError:
    """A failure of the mirror's own disk, met by this program."""
    id = OF_SYSTEM.get(error.errno or 0, "sync.unknown")
    known = next((failure for failure in FAILURES if failure.id == id), None)
    where = f"{error.strerror or error}: {error.filename or 'the mirror'}"
    if known is None:
        return PullError(f"{host}: {where}", id=id)
    return PullError(f"{host}: {known.meaning} ({where})", id=id, advice=known.advice)


def missing(host: str, said: str) -> PullError:
    return PullError(
        f"{host}: a program is not installed there ({said})",
        id="sync.program-missing",
        advice="install it there, or correct its path in the spec",
    )


def late(host: str, error: ToolTimedOut) -> PullError:
    return PullError(
        f"{host}: {error.message}",
        id="sync.timed-out",
        advice="see what the host and the network are busy with",
    )
