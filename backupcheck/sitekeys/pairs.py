"""The site's two key pairs: made where they are missing, never overwritten."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from backupcheck import proc
from backupcheck.errors import BackupcheckError, ToolFailed, UsageError
from backupcheck.proc import Command
from backupcheck.spec import Site

SECONDS = 60.0


@dataclass(frozen=True)
class Pairs:
    """The public keys, each as a line of its type, the key and a comment; `made` are the files that are new."""

    pull: str
    capture: str
    made: tuple[Path, ...] = ()


def pairs(site: Site) -> Pairs:
    """Both public keys; what is missing is made.

    Raises `UsageError` where the site does not name two files, and `BackupcheckError` for a key that cannot be
    used without a person.
    """
    pull, capture = _named(site)
    made = tuple(
        file
        for file, what in ((pull, "pull"), (capture, "capture"))
        if _made(file, f"backupcheck {what} of {site.site}")
    )
    return Pairs(
        _public(pull, f"backupcheck pull of {site.site}"),
        _public(capture, f"backupcheck capture of {site.site}"),
        made,
    )


def _named(site: Site) -> tuple[Path, Path]:
    ssh = site.ssh
    if ssh.identity is None or ssh.capture_identity is None:
        missing = "ssh.capture_identity" if ssh.identity else "ssh.identity"
        raise UsageError(
            f"the site does not say where its keys are: {missing} is not set",
            advice="set ssh.identity (the key of the pull) and ssh.capture_identity (of what captures run) in the"
            " site file, such as /etc/backupcheck/keys/pull and /etc/backupcheck/keys/capture",
        )
    if ssh.identity == ssh.capture_identity:
        raise UsageError(
            "ssh.identity and ssh.capture_identity are the same file",
            advice="name two: one key may only pull, the other only run what captures run",
        )
    return ssh.identity, ssh.capture_identity


def _made(file: Path, comment: str) -> bool:
    """Make a pair if there is none; whether it was made."""
    if file.exists() or file.is_symlink():
        return False
    if file.with_name(f"{file.name}.pub").exists():
        raise BackupcheckError(
            f"{file} is missing, but its public key {file}.pub is there",
            id="keys.half",
            advice="bring the private key back, or remove the public one to have a new pair made",
        )
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file))
    try:
        proc.run(Command(words, SECONDS))  # without an answer on its standard input it overwrites nothing
    except ToolFailed as error:
        raise _unusable(file, error) from error
    return True


def _public(file: Path, comment: str) -> str:
    """The public key, from the private one itself."""
    try:
        said = proc.run(Command(("ssh-keygen", "-y", "-P", "", "-f", str(file)), SECONDS)).text
    except ToolFailed as error:
        raise _unusable(file, error) from error
    kind, key = said.split()[:2]
    return f"{kind} {key} {comment}"


def _unusable(file: Path, error: ToolFailed) -> BackupcheckError:
    said = error.stderr
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    if re.search(r"incorrect passphrase", said):
        why, advice = "it has a passphrase", "nobody is there at night to type it: take a key without one"
    elif re.search(r"UNPROTECTED PRIVATE KEY|too open", said):
        why, advice = "others than its owner may read it", f"chmod 0600 {file}"
    elif re.search(r"Permission denied|Operation not permitted", said):
        why, advice = "this user may not read or write it", "run as the user that the nights run as"
    else:
        why, advice = last, "see whether it is a private key of OpenSSH"
    return BackupcheckError(f"the key {file} cannot be used: {why}", id="keys.unusable", advice=advice)
