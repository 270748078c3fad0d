r"""What a key may do at a source: the shell programs that stand in its line of authorized_keys, and the line.

sshd runs the program in place of whatever was asked for, which is in `SSH_ORIGINAL_COMMAND`. That text is an
attacker's in the worst case, so it is compared first, and what runs then is made of nothing but parts that were
compared. Both programs are POSIX sh and need nothing that is not there: no file, no other program but sha256sum.

*The pull.* The end of the command must be, to the letter, the path arguments that a declared pull sends. What
stands between `rsync --server --sender` and these must be words of a short list: options that neither take a path
nor follow links, delete, write or read the arguments from elsewhere. So an rsync runs that reads the declared
paths, whatever was asked. rrsync would allow more: every path below one folder, which for several declared paths
is the folder that they share, often `/`; and it is not at every source, nor the same in each version. Running it
behind the gate would check again what is constant already, so it is left out.

One thing it cannot stop, and rrsync neither: the client's filter rules come by the protocol, and a `merge` rule
names a file that rsync opens as the user who logs in. Up to 3.2.7 the complaint about the first line that is no
rule quotes it; 3.5.0 quotes nothing. So a source should have a current rsync; where that is not to be had, let
another user than root log in, who may read no more than the declared paths.

*The capture.* The whole command must have the SHA-256 of one of the declared ones. What differs from night to
night comes by standard input, as data. A new version of this program may ask with other words; `backupcheck keys
--check` says when the lines at a source are not today's.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from hashlib import sha256

from backupcheck.errors import UsageError

REFUSED = "backupcheck: not the declared"
"""How each refusal begins; `pull` or `command` follows, and the digest of the gate in brackets."""
REFUSED_STATUS = 126

NEEDING_ESCAPE = re.compile(r"""([!#$&;|<>(){}"'` \t\\*?\[\]])""")
"""What rsync since 3.2.4 or our own call puts a backslash before when it hands a path to the remote shell; 3.2.7
does not know the backtick, and a path with one is refused then."""

WORDS = ("--numeric-ids", "--msgs2stderr", "--no-msgs2stderr", "--one-file-system", "--ignore-errors", "--inplace")
VALUED = ("--timeout", "--bwlimit", "--info", "--checksum-choice", "--compress-choice")
"""Options with a value that is no path: letters, digits, commas and dashes."""
LETTERS = "HlogDtpAXrRScnIWxzuv"
"""Short options; the letter e and what follows it, the client's capabilities, may end their word."""

_PULL = (
    "LC_ALL=C; IFS=' '; set -f; c=$SSH_ORIGINAL_COMMAND; p='rsync --server --sender'; "
    f"no() {{ echo '{REFUSED} pull (SELF)' >&2; exit {REFUSED_STATUS}; }}; "
    "word() { case $1 in "
    f"{'|'.join(WORDS)}) ;; "
    f"{'|'.join(f'{option}=*' for option in VALUED)}) case ${{1#*=}} in *[!A-Za-z0-9,-]*) no;; esac;; "
    "--*) no;; "
    "-?*) case ${1#-} in *[!A-Za-z0-9.]*|*e) no;; esac; "
    f"case ${{1%%e*}} in *[!{LETTERS}-]*) no;; esac;; "
    "*) no;; esac; }; "
    'for t in ALLOWED; do o=${c#"$p "}; o=${o%" . $t"}; '
    'if [ "$c" = "$p $o . $t" ]; then for w in $o; do word "$w"; done; eval "exec $p $o . $t"; fi; '
    "done; no"
)
_CAPTURE = (
    'c=$SSH_ORIGINAL_COMMAND; h=$(printf %s "$c" | sha256sum); '
    'case ${h%% *} in ALLOWED) exec sh -c "$c";; esac; '
    f"echo '{REFUSED} command (SELF)' >&2; exit {REFUSED_STATUS}"
)


def sent(path: str) -> str:
    """A path as it stands in the command that rsync asks the source's shell to run."""
    return NEEDING_ESCAPE.sub(r"\\\1", path)


def pull_gate(pulls: Iterable[Sequence[str]]) -> str:
    """The program that lets through an rsync that reads one of these sets of paths (as rsync is given them)."""
    tails = dict.fromkeys(" ".join(sent(path) for path in paths) for paths in pulls)
    return _program(_PULL, " ".join(shlex.quote(tail) for tail in tails))


def capture_gate(commands: Iterable[Sequence[str]]) -> str:
    """The program that runs one of these command lines and no other."""
    return _program(_CAPTURE, "|".join(dict.fromkeys(digest(words) for words in commands)) or "none")


def digest(words: Sequence[str]) -> str:
    """The SHA-256 of a command line as it is sent."""
    return sha256(shlex.join(words).encode("utf-8", "surrogateescape")).hexdigest()


def refusal(gate: str) -> str:
    """What a gate says of whatever it does not let through; it tells this gate from others."""
    found = re.search(rf"{REFUSED} \w+ \([0-9a-f]+\)", gate)
    return found[0] if found else ""


def line(public: str, gate: str, addresses: Sequence[str]) -> str:
    """The line of authorized_keys. Raises `UsageError` where a path has a character that cannot stand in one."""
    if not gate.isprintable():
        raise UsageError(
            "a path or root of a spec has an unprintable character in it, which no key's line can hold",
            advice="rename what it means at the source, or allow its pull there without a restriction",
        )
    quoted = gate.replace('"', '\\"')
    whence = f'from="{",".join(addresses)}",' if addresses else ""
    return f'restrict,{whence}command="{quoted}" {public}'


def _program(text: str, allowed: str) -> str:
    """`text` with what it lets through, and with the digest of both."""
    itself = sha256(text.replace("ALLOWED", allowed).encode("utf-8", "surrogateescape")).hexdigest()
    return text.replace("SELF", itself[:8]).replace("ALLOWED", allowed)
