"""Looks about on a machine for data that somebody would miss: databases, and volumes of containers."""

from __future__ import annotations

from dataclasses import dataclass

from backupcheck.errors import PullError, ToolFailed
from backupcheck.source import Source

SECONDS = 180.0
MOST = 1000
"""So many are brought; a machine with more of them has a spec to be written first."""
BEGUN, STATUS = "backupcheck-looks", "backupcheck-looked"
WHOLE = {f"{STATUS} 0", f"{STATUS} 1"}
"""find ends with 1 where a file vanished or may not be read."""
COUCHDB, POSTGRES, SQLITE, VOLUME = "couchdb", "postgres", "sqlite", "volume"
KINDS = (COUCHDB, POSTGRES, SQLITE, VOLUME)

# $1 is the root of the service. What the system makes anew, and what lies on other machines, is passed over. A
# find that does not know these words prints nothing, so its first line shows that it looked.
PROGRAM = f"""{{ find "${{1:-/}}" -path "${{1:-/}}" -printf '{BEGUN}\\n' \\
 -o \\( -fstype proc -o -fstype sysfs -o -fstype devtmpfs -o -fstype nfs -o -fstype nfs4 -o -fstype cifs \\
 -o -fstype fuse.sshfs -o -path "$1/proc" -o -path "$1/sys" -o -path "$1/dev" -o -path "$1/run" \\
 -o -path "$1/tmp" -o -path "$1/usr" -o -path "$1/snap" -o -path "$1/var/cache" -o -path "$1/var/tmp" \\
 -o -path "$1/var/lib/docker/overlay2" -o -path "$1/var/lib/containers/storage/overlay" \\
 -o -name .cache -o -name .zfs \\) -prune \\
 -o -type d -path '*/volumes/*/_data' -printf 'volume %p\\n' \\
 -o -type f -name PG_VERSION -printf 'postgres %h\\n' \\
 -o -type f -name '*.couch' -printf 'couchdb %h\\n' \\
 -o -type f \\( -name '*.db' -o -name '*.db3' -o -name '*.sqlite' -o -name '*.sqlite3' \\) -size +0 -exec sh -c '
for file; do
  case $(head -c 15 "$file") in "SQLite format 3") printf "sqlite %s\\n" "$file";; esac
done' sh {{}} +; echo "{STATUS} $?"; }} | LC_ALL=C sort -u | head -n {MOST + 3}
"""


@dataclass(frozen=True, order=True)
class Found:
    """Some data: its kind, and its absolute path in the source's terms (a folder, for SQLite the file)."""

    kind: str
    path: str


def question(root: str) -> tuple[str, ...]:
    """The command line that looks, the same each night, at a source with this root."""
    return ("sh", "-c", PROGRAM, "sh", root.rstrip("/"))


def found(source: Source, seconds: float = SECONDS) -> tuple[Found, ...]:
    """All that was found, the outermost folder of each kind. Raises `PullError`: `lookout.refused` where the key
    may not look, `lookout.cut` where the answer is not whole."""
    try:
        completed = source.run(question(source.root), timeout=seconds)
    except ToolFailed as error:
        raise PullError(
            f"{source.name}: the site's key may not look for data there ({error.message})",
            id="lookout.refused",
            advice="look with a key that is not bound to commands, or say `look: false`",
        ) from error
    lines = completed.text.splitlines()
    if BEGUN not in lines or not WHOLE & set(lines) or len(lines) > MOST + 2:
        raise PullError(
            f"{source.name}: the answer to what data is there is not whole ({len(lines)} lines)",
            id="lookout.cut",
            advice=f"at most {MOST} databases can be told, and GNU find is needed there",
        )
    root = source.root.rstrip("/")
    pairs = [line.partition(" ") for line in lines]
    seen = {Found(kind, path.removeprefix(root)) for kind, _, path in pairs if kind in KINDS and path}
    return tuple(sorted(each for each in seen if not _inside(each, seen)))


def _inside(one: Found, seen: set[Found]) -> bool:
    """A Postgres folder has many a PG_VERSION below it."""
    parts = one.path.split("/")
    return any(Found(one.kind, "/".join(parts[:length])) in seen for length in range(2, len(parts)))
