"""The commands of a real restore, in order: those that were proven, with this repository and this snapshot."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from backupcheck.duration import shown
from backupcheck.errors import BackupcheckError
from backupcheck.restic.repository import literal
from backupcheck.result import LONGEST_TEXT, printable
from backupcheck.seal.captured import reports
from backupcheck.seal.manifest import SEAL, reading
from backupcheck.spec import Site, Spec, SshSpec
from backupcheck.tree import Tree

TARGET = "/root/restored"
"""Here each service's restore has a folder of its own."""
CREDENTIALS = (
    r"""while IFS= read -r line; do export "$line"; done < <(sed -nE """
    r""""s/^[[:space:]]*(export )?([A-Za-z_][A-Za-z0-9_]*)=['\"]*(.*[^'\"[:space:]])['\"[:space:]]*$/\2=\3/p" """
)
"""Takes NAME=value lines as the drill takes them: whatever is in a value, the shell does not look into it."""


def runbook(site: Site, spec: Spec, snapshot: str, path: str, seconds: float | None) -> tuple[str, ...]:
    """Lines for bash, comments among them; `path` is the absolute path of the service in the snapshot, `seconds`
    how long its restore took in the drill. No secret is in them."""
    return tuple(_whole(line) for line in _lines(site, spec, snapshot, path, seconds))


def _whole(line: str) -> str:
    """A report cuts what is too long, and a command that was cut would be another one."""
    return line if len(line) <= LONGEST_TEXT else f"# too long to be shown here: {line[: LONGEST_TEXT // 2]}…"


def _lines(site: Site, spec: Spec, snapshot: str, path: str, seconds: float | None) -> Iterator[str]:
    target = f"{TARGET}/{spec.service}"
    yield from _at_once(site, spec, snapshot)
    yield "# 1. The repository"
    yield from _opened(site)
    took = "" if seconds is None else f"; it took {shown(timedelta(seconds=max(1, round(seconds))))} in the drill"
    yield f"# 2. Restore what was proven into an empty folder{took}"
    yield f"mkdir -p -m 0700 {_quoted(TARGET)}"
    yield f"mkdir -m 0700 {_quoted(target)}"
    chosen = f"{_quoted(snapshot)} --include {_quoted(literal(path))}"
    yield f"restic restore --no-lock {chosen} --target {_quoted(target)}"
    yield from _put_back(site, spec, f"{target}{path}", target, 3)


def _at_once(site: Site, spec: Spec, snapshot: str) -> Iterator[str]:
    """The short way to another machine; it stands in comments, for it is instead of what follows."""
    if spec.source.host == "local":
        return
    to = f"{_login(site, spec)}:{spec.source.root}"
    yield "# Where backupcheck runs, and the service is stopped and its paths are gone or empty, this does 1 to 3"
    yield "# with a key of yours that may write there, and compares every file at the host (also at another one):"
    yield f"#    backupcheck restore {spec.service} --snapshot {snapshot} --to {_quoted(to)}"


def last_steps(spec: Spec, host: str) -> tuple[str, ...]:
    """What is left to do where the service's files are back at a host: lines as `runbook` has them."""
    return tuple(_brought_to_life(spec, host, 1))


def without_spec(tree: Tree, where: str) -> tuple[str, ...]:
    """What can be said of a service that was restored without its spec, by its seal: lines like `runbook`'s."""
    source = ""
    with contextlib.suppress(FileNotFoundError, BackupcheckError), reading(tree, SEAL) as seal:
        source = f"; it was pulled from {printable(seal.header.source)}"
    lines = [f"# 1. In {where} each file has the path that it had at its host{source}. No spec says more"]
    lines += [f"#    {one.kind}: {printable(one.path)} was captured there" for one in reports(tree) if one.bytes]
    return (*lines, "# 2. Load what is a dump, start the service and look at it")


def next_steps(site: Site, spec: Spec, folder: Path) -> tuple[str, ...]:
    """What is left to do where the service lies restored in `folder`: lines as `runbook` has them."""
    return tuple(_put_back(site, spec, str(folder), str(folder), 1))


def _put_back(site: Site, spec: Spec, folder: str, whole: str, step: int) -> Iterator[str]:
    """From `folder` to where it came from; `whole` can be removed in the end, `step` is the first's number."""
    host = spec.source.host
    where = "this machine" if host == "local" else host
    yield f"# {step}. At {where}: stop the service and move away what is left of its files (an old journal beside"
    yield "#    a restored database ruins it); then put the restored ones where they came from"
    if host != "local":
        yield "#    (log in with a key that may write there: the site's own may only read)"
    for one in _outermost(spec.declared):
        yield _copied(site, spec, folder, one)
    *lines, last = _brought_to_life(spec, where, step + 1)
    yield from (*lines, f"{last}; then remove {whole}")


def _brought_to_life(spec: Spec, where: str, step: int) -> Iterator[str]:
    """What follows when the files are at their places; `step` is the first's number."""
    loads = [line for capture in spec.capture for line in capture.runbook()]
    if loads:
        yield f"# {step}. At {where}: what was captured"
        yield from loads
        step += 1
    yield f"# {step}. Start the service and look at it"


def _opened(site: Site) -> Iterator[str]:
    """The variables that restic needs; a password in the URL stays where it is."""
    repository = site.repository
    url, secret = repository.url, urlsplit(repository.url.partition(":")[2]).password
    if repository.environment_file:
        yield f"{CREDENTIALS}{_quoted(repository.environment_file)})"
    if secret:
        url = url.replace(f":{secret}@", ":***@")
        yield "#    (put the password of the URL, which is in the site file, in the place of ***)"
    yield f"export RESTIC_REPOSITORY={_quoted(url)} RESTIC_PASSWORD_FILE={_quoted(repository.password_file)}"


def _outermost(paths: Iterable[str]) -> Iterator[str]:
    """The paths that lie below no other."""
    every = tuple(dict.fromkeys(paths))
    return (path for path in every if not any(path.startswith(f"{other}/") for other in every))


def _copied(site: Site, spec: Spec, folder: str, path: str) -> str:
    """Secluded arguments (-s) are not read by the other machine's shell. Folders above what was pulled are as they
    were at the source; those above what was only captured, such as /tmp, are not, and stay as they are there."""
    words = ["rsync", "-aHAXs", "--numeric-ids", "--relative"]
    if not any(f"{path}/".startswith(f"{pulled.rstrip('/')}/") for pulled in spec.source.paths):
        words.append("--no-implied-dirs")
    top = f"{spec.source.root.rstrip('/')}/"
    if spec.source.host != "local":
        if any((site.ssh.config, site.ssh.known_hosts)):
            words += ["-e", _remote_shell(site.ssh)]
        top = f"{_login(site, spec)}:{top}"
    return " ".join(_quoted(word) for word in (*words, f"{folder}/.{path}", top))


def _login(site: Site, spec: Spec) -> str:
    user, _, address = spec.source.host.rpartition("@")
    return f"{user or site.ssh.user}@{f'[{address}]' if ':' in address else address}"


def _remote_shell(ssh: SshSpec) -> str:
    """ssh as the site knows the host, in rsync's own way of quoting; without the site's key."""
    words = ["ssh", *(("-F", str(ssh.config)) if ssh.config else ())]
    if ssh.known_hosts:
        words += ["-o", 'UserKnownHostsFile="' + str(ssh.known_hosts).replace("%", "%%") + '"']
    return " ".join(
        f"'{word.replace(chr(39), chr(39) * 2)}'" if re.search(r"[\s'\"]", word) else word for word in words
    )


def _quoted(word: object) -> str:
    return shlex.quote(str(word))
