"""A dump, what it holds and the cluster's globals, as one stream from the source, and how that is taken apart.

The program at the source is the same words each night. psql exports a snapshot and keeps it, pg_dump dumps it, and
psql counts in it. Nothing is written to a file there. The dump comes first, so that it lies in the mirror as it
came and only what follows it is cut off. A mark, made at random for each night and sent through standard input,
divides the parts: no row can forge it.

    <the dump>
    <mark> state
    ["server", {"server_version": "15.18 …", …}]
    …
    <mark> globals
    <pg_dumpall --globals-only>
    <mark> ended 0
    <mark> end
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from backupcheck.postgresql.state import AFTER, BEFORE, SETTINGS

NO_PROGRAM, NO_STATUS = 96, 97
LOCK_MILLISECONDS = 60_000
MOST_STATE = 64 * 2**20
CLUSTER_TRAILER = b"-- PostgreSQL database cluster dump complete"

# $1 the connection, $2 psql, $3 pg_dump, $4 pg_dumpall or nothing, $5 the format, $6 whether rows are counted,
# $7 the database, $8 what psql does; descriptor 3 is where all of it goes, 4 tells pg_dump's status
SCRIPT = f"""cd /
IFS= read -r BC_MARK || exit {NO_STATUS}
for program in "$2" "$3"; do
  command -v "$program" >/dev/null || {{ echo "$program: command not found" >&2; exit {NO_PROGRAM}; }}
done
export BC_MARK BC_TARGET="$1" BC_DUMP="$3" BC_FORMAT="$5"
exec 3>&1
dumped=$(printf '%s\\n' "$8" |
  "$2" -X -q -A -t -w -P pager=off -v counts="$6" -v ON_ERROR_STOP=1 --dbname="$1" 4>&1 >&3)
status=$?
[ $status = 0 ] || exit $status
[ "${{dumped:={NO_STATUS}}}" = 0 ] || exit "$dumped"
if [ -n "$4" ]; then
  all=$4 target=$1 database=$7 ended=0
  globals() {{
    printf '\\n%s %s\\n' "$BC_MARK" "$1"
    "$all" --globals-only --no-password --dbname="$target" --database="$database" $2 </dev/null
    ended=$?
    printf '\\n%s ended %s\\n' "$BC_MARK" $ended
  }}
  globals globals ""
  [ $ended = 0 ] || [ $ended = 127 ] || globals passwordless --no-role-passwords
fi
printf '\\n%s end\\n' "$BC_MARK"
"""
QUESTIONS = f"""{SETTINGS}select count(set_config(name, '0', false)) as none from pg_settings where name in
('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout') \\gset
begin isolation level repeatable read read only;
select pg_export_snapshot() as snapshot \\gset
\\setenv BC_SNAPSHOT :snapshot
{BEFORE}\\set dumped `"$BC_DUMP" --format="$BC_FORMAT" --snapshot="$BC_SNAPSHOT" --no-password \
--lock-wait-timeout={LOCK_MILLISECONDS} --dbname="$BC_TARGET" </dev/null >&3; s=$?; echo $s >&4; echo $s`
\\set mark `echo "$BC_MARK"`
select (:dumped = 0 and :'counts' = 'yes')::text as counts \\gset
\\echo
\\echo :mark state
{AFTER}"""


@dataclass(frozen=True)
class Wanted:
    """What is asked of the source; `programs` is the folder of psql's programs with its `/`, or nothing."""

    database: str
    connection: str
    dump: str
    format: str
    counts: bool
    globals: bool

    @property
    def argv(self) -> tuple[str, ...]:
        """The words to run there."""
        folder, slash, _ = self.dump.rpartition("/")
        every = f"{folder}{slash}pg_dumpall" if self.globals else ""
        counts = "yes" if self.counts else "no"
        words = (self.connection, f"{folder}{slash}psql", self.dump, every, self.format, counts, self.database)
        return ("sh", "-c", SCRIPT, "sh", *words, QUESTIONS)


@dataclass(frozen=True)
class Part:
    """A part of the stream: from `start` to `end` in bytes; `status` is how its program ended, where told."""

    name: str
    start: int
    end: int
    status: int | None = None


@dataclass(frozen=True)
class Parts:
    """The stream taken apart: the dump is its first `dump` bytes; `whole` if the stream reached its end.

    `trailing` says whether something came behind the end.
    """

    dump: int
    state: Part | None = None
    globals: tuple[Part, ...] = ()
    whole: bool = False
    trailing: bool = False


def take_apart(file: IO[bytes], mark: str) -> Parts:
    """Find the parts of a stream that came into an open file."""
    size = file.seek(0, 2)
    if size == 0:
        return Parts(dump=0)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = list(_parts(data, b"\n" + mark.encode() + b" "))
    state = next((part for part in found if part.name == "state"), None)
    ends = [part for part in found if part.name == "end"]
    return Parts(
        dump=found[0].start - len(f"\n{mark} {found[0].name}\n") if found else size,
        state=state,
        globals=tuple(part for part in found if part.name in ("globals", "passwordless")),
        whole=state is not None and bool(ends) and found[0] is state,
        trailing=bool(ends) and ends[0].end > ends[0].start,
    )


def _parts(data: mmap.mmap, mark: bytes) -> Iterator[Part]:
    """Each part in its order. A part's own `ended` gives its status; it is no part."""
    at = data.find(mark)
    while at >= 0:
        start = data.find(b"\n", at + 1) + 1
        if start == 0:
            return
        words = data[at + len(mark) : min(start, at + len(mark) + 80)].decode("ascii", "replace").split()
        following = data.find(mark, start - 1)
        end = following if following >= 0 else len(data)
        status = None
        ended = data[end + len(mark) : end + len(mark) + 20].split() if following >= 0 else []
        if len(ended) > 1 and ended[0] == b"ended" and ended[1].isdigit():
            status = int(ended[1])
        if words and words[0] != "ended":
            yield Part(words[0], start, end, status)
        at = following


def content(file: IO[bytes], part: Part) -> bytes:
    """A part's bytes; the state's and the globals' are small."""
    file.seek(part.start)
    return file.read(min(part.end - part.start, MOST_STATE))


def is_whole_cluster_dump(text: bytes) -> bool:
    """Whether these are the globals to their last line."""
    return any(line.strip() == CLUSTER_TRAILER for line in text[-4096:].splitlines())
