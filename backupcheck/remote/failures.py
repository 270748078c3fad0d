"""Every way in which ssh and rsync fail, by its name."""

from __future__ import annotations

import re
from pathlib import Path

from backupcheck.errors import PullError, ToolFailed, ToolTimedOut

CLASSES: tuple[tuple[str, str, str, str], ...] = (
    (
        "sync.host-key-changed",
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|host key for .* has changed",
        "the host's key is not the pinned one: another machine answers, or it was set up anew",
        "find out why before anything else; if it is right, pin the new key in known_hosts",
    ),
    (
        "sync.host-key-unknown",
        r"No \S+ host key is known|Host key verification failed",
        "the host's key is not pinned",
        "compare the host's key with ssh-keygen -lf on its console and add it to known_hosts",
    ),
    (
        "sync.auth-denied",
        r"Permission denied \([a-z]|Too many authentication failures|Load key .*(invalid|error)|no such identity",
        "the host does not accept the site's key",
        "put the site's public key into the host's authorized_keys",
    ),
    (
        "sync.unreachable",
        r"Connection (refused|timed out|reset)|No route to host|Network is unreachable"
        r"|Could not resolve hostname|port \d+: Connection|Connection closed by .* port|kex_exchange",
        "the host cannot be reached",
        "see whether the host is up, its address right and its sshd running",
    ),
    (
        "sync.dirty-shell",
        r"is your shell clean",
        "the host's shell prints something before rsync can speak",
        "remove the output from the login scripts (.bashrc, .profile) there",
    ),
    (
        "sync.rsync-missing",
        r"rsync: (command )?not found|rsync: No such file or directory|remote command not found"
        r"|rsync: (-c: )?line \d+: .*rsync",
        "rsync is not installed at the host",
        "install rsync there",
    ),
    (
        "sync.target-full",
        r"No space left on device|Disk quota exceeded",
        "the mirror's disk is full",
        "make room; what was there before is kept",
    ),
    (
        "sync.mass-deletion",
        r"--max-delete|Deletions stopped",
        "more would be deleted from the mirror than is believable, so nothing more was deleted",
        "see whether the source is mounted and whole",
    ),
    (
        "sync.source-missing",
        r"(link_stat|change_dir) .* failed: No such file or directory",
        "a declared path is not at the source",
        "correct source.paths, or find out where the data went",
    ),
    (
        "sync.unreadable",
        r"Permission denied \(13\)|Operation not permitted \(1\)",
        "the user at the source cannot read all of it",
        "pull as a user that can read every declared path",
    ),
    (
        "sync.vanished",
        r"vanished|file has vanished",
        "files vanished while they were pulled",
        "pull again; exclude what comes and goes, such as sessions and locks",
    ),
    (
        "sync.timed-out",
        r"timeout in data send/receive|io timeout|Timeout, server .* not responding",
        "the host stopped answering in the middle",
        "see what the host and the network are busy with",
    ),
)


def classified(host: str, error: ToolFailed) -> PullError:
    """A failure of ssh or rsync by its name; an unrecognised one is `sync.unknown`, with the tool's words."""
    for id, pattern, meaning, advice in CLASSES:
        for line in error.stderr.splitlines():
            if re.search(pattern, line):
                return PullError(f"{host}: {meaning} ({line.strip()})", id=id, advice=advice)
    program = Path(error.argv[0]).name if error.argv else "the tool"
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("rsync error:")]
    said = (telling or lines or ["it said nothing"])[-1]
    return PullError(f"{host}: {program} ended with status {error.code}: {said}", id="sync.unknown")


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
