"""What runs at the source to take a copy of a SQLite database: a shell program, and one for Python in it.

The copy comes as a tar archive: `copy`, with `copy-wal` and `copy-journal` where it was taken raw, and `about`,
in JSON. Three ways, the first that the source can go: Python's online backup, that of the program `sqlite3`, and
the raw files. The raw files are one state if the database's file was the same before its log was read and after,
the journal too, and the log's header was not written anew meanwhile: for a log grows at its end only, until its
header has new salts, and it is begun anew only when all of it is in the database's file
(sqlite.org/fileformat2.html, section 4).
"""

from __future__ import annotations

import functools
import importlib.resources

LINK, NO_FILE, NO_DATABASE, NO_PROGRAM, TORN, EMPTY = 91, 92, 96, 97, 98, 99
RAW = 93
TRIES = 20
LONGEST_WAIT = 60

# $1 database, $2 the Python program, $3 where the copy lies meanwhile, $4 seconds to wait for a lock, $5 seconds
# for counting, $6 whether to count. What a power cut left behind is removed after a day.
SCRIPT = f"""set -eu
umask 077
[ ! -L "$1" ] || exit {LINK}
[ -e "$1" ] || exit {NO_DATABASE}
[ -f "$1" ] || exit {NO_FILE}
[ -s "$1" ] || exit {EMPTY}
top=${{3:-${{TMPDIR:-/var/tmp}}}}
find "$top" -maxdepth 1 -type d -name 'backupcheck-copy.*' -user "$(id -u)" -mtime +0 -exec rm -rf {{}} + \
2>/dev/null || :
folder=$(mktemp -d "$top/backupcheck-copy.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 129' HUP INT TERM
about() {{
  modified=$(for file in "$1" "$1-wal"; do [ ! -s "$file" ] || stat -c %Y000000000, "$file"; done | tr -d '\\n')
  owner='"uid":%u,"gid":%g,"mode":"%a"'
  stat -c "{{\\"method\\":\\"$2\\",$owner,\\"modified\\":[${{modified}}0]}}" "$1" >"$folder/about"
}}
unchanged() {{
  if [ -e "$folder/copy-journal" ]; then cmp -s "$1-journal" "$folder/copy-journal" || return 1; fi
  if [ -e "$folder/copy-wal" ]; then
    [ -e "$1-wal" ] || return 1
    [ "$(stat -c %s "$1-wal")" -ge "$(stat -c %s "$folder/copy-wal")" ] || return 1
    [ "$(head -c 32 "$1-wal" | cksum)" = "$(head -c 32 "$folder/copy-wal" | cksum)" ] || return 1
  fi
  cmp -s "$1" "$folder/copy"
}}
raw() {{
  command -v cmp >/dev/null 2>&1 || exit {NO_PROGRAM}
  left={TRIES}
  while [ "$left" -gt 0 ]; do
    left=$((left - 1))
    rm -f "$folder"/copy*
    about "$1" raw
    cp "$1" "$folder/copy"
    for end in -wal -journal; do
      [ ! -e "$1$end" ] || cp "$1$end" "$folder/copy$end" || [ ! -e "$1$end" ]
    done
    if unchanged "$1"; then return 0; fi
  done
  exit {TORN}
}}
shell() {{
  [ ! -e "$1-wal" ] || [ -e "$1-shm" ] || return {RAW}
  way=mode=ro
  if [ -e "$1-wal" ]; then
    way='mode=ro&readonly_shm=1'
  elif [ "$(head -c 19 "$1" | tail -c 1 | od -An -tu1 | tr -d ' ')" = 2 ]; then
    return {RAW}
  fi
  about "$1" sqlite3
  name=$(printf %s "$1" | sed 's/%/%25/g; s/?/%3f/g; s/#/%23/g')
  cd "$folder"
  if sqlite3 -batch -bail -init /dev/null "file:$name?$way" ".timeout $2" BEGIN 'PRAGMA schema_version' \
'.backup copy' >/dev/null 2>said; then return 0; fi
  ! grep -qiE 'unable to open database|readonly|read-only|recover' said || return {RAW}
  cat said >&2
  return 1
}}
code=0
if python3 -I -c 'import fcntl, sqlite3; sqlite3.Connection.backup' 2>/dev/null; then
  python3 -I -c "$2" source "$1" "$folder" "$4" "$5" "$6" || code=$?
elif command -v sqlite3 >/dev/null 2>&1 && {{ [ "$(id -u)" = 0 ] || [ -O "$1" ]; }}; then
  shell "$1" "${{4}}000" || code=$?
else
  code={RAW}
fi
[ "$code" != {RAW} ] || {{ code=0; raw "$1"; }}
[ "$code" = 0 ] || exit "$code"
cd "$folder"
tar -cf - copy* about
"""


def words(database: str, temporary: str | None, timeout: int, *, counts: bool) -> tuple[str, ...]:
    """The command line that copies a database (a path of the source's own); the same for the same settings."""
    wait, counting = max(1, min(LONGEST_WAIT, timeout // 4)), max(1, timeout // 2)
    what = "counts" if counts else "none"
    return ("sh", "-c", SCRIPT, "sh", database, program(), temporary or "", str(wait), str(counting), what)


@functools.cache
def program() -> str:
    """The program for Python, which also makes whole what arrived."""
    return importlib.resources.files("backupcheck.probes").joinpath("sqlite_copy.py").read_text("utf-8")
