"""What writes a canary at the source and reads it back: programs whose words are the same each night.

The value comes by standard input, as data. A file and a database are written as the user that owns them, for
whoever owns a folder could lead a write of root's elsewhere, and root's own `-wal` would lock the service out.
"""

from __future__ import annotations

from backupcheck.canary.value import DOCUMENT, LONGEST, TABLE

NO_PLACE, NO_PROGRAM = 96, 97

COLUMNS = "(id integer primary key check (id = 1), value text, written text)"

# $1 is what is owned, the words behind it are run as its owner where this is root
AS_OWNER = f"""owned=$1
shift
uid=$(stat -L -c %u -- "$owned") gid=$(stat -L -c %g -- "$owned")
if [ "$(id -u)" != 0 ] || [ "$uid" = 0 ]; then exec "$@"; fi
command -v setpriv >/dev/null 2>&1 || {{ echo "setpriv: not found" >&2; exit {NO_PROGRAM}; }}
exec setpriv --reuid "$uid" --regid "$gid" --clear-groups -- "$@"
"""

# $1 is the file, $2 what writes it; a path relative to the folder needs no way through the folders above it
FILE = f"""set -eu
cd -- "${{1%/*}}/" 2>/dev/null || exit {NO_PLACE}
set -- . sh -c "$2" sh "${{1##*/}}"
{AS_OWNER}"""
WRITE_FILE = f"""set -eu
umask 137
rm -f -- "$1.draft"
set -C
cat > "./$1.draft"
mv -f -T -- "$1.draft" "$1"
head -c {LONGEST} -- "$1"
"""

# $1 is the database, $2 what writes it, $3 the Python program, $4 how many seconds a lock is waited for
SQLITE = f"""set -eu
test -f "$1" || exit {NO_PLACE}
set -- "$1" sh -c "$2" sh "$1" "$3" "$4"
{AS_OWNER}"""

# sqlite3 opens standard input by its name, which works for a pipe of its own user's alone
WRITE_SQLITE = f"""set -eu
if python3 -I -c 'import sqlite3' 2>/dev/null; then exec python3 -I -c "$2" "$1" "$3"; fi
command -v sqlite3 >/dev/null 2>&1 || {{ echo "python3, sqlite3: not found" >&2; exit {NO_PROGRAM}; }}
cat | sqlite3 -batch -bail "$1" ".timeout ${{3}}000" "pragma trusted_schema=off" "begin immediate" \\
 "create table if not exists {TABLE} {COLUMNS}" "delete from {TABLE}" \\
 ".mode tabs" ".import /dev/stdin {TABLE}" "commit"
sqlite3 -batch -bail "$1" ".timeout ${{3}}000" "select value from {TABLE} where id = 1"
"""
SQLITE_PYTHON = f"""import pathlib, sqlite3, sys

def opened():
    place = pathlib.Path(sys.argv[1]).as_uri() + "?mode=rw"
    database = sqlite3.connect(place, uri=True, timeout=int(sys.argv[2]), isolation_level=None)
    database.execute("pragma trusted_schema=off")
    return database

row = sys.stdin.read().rstrip("\\n").split("\\t")
database = opened()
database.execute("begin immediate")
database.execute("create table if not exists {TABLE} {COLUMNS}")
database.execute("insert or replace into {TABLE} (id, value, written) values (?, ?, ?)", row)
database.execute("commit")
database.close()
print(*opened().execute("select value from {TABLE} where id = 1").fetchone() or ())
"""


def postgres_statements(schema: str, wait: int) -> tuple[str, ...]:
    """The commands for psql; what a table of another owner would run as this user, it must not get to run.

    `schema` is quoted, and has neither quotes nor backslashes in it.
    """
    table = f"{schema}.{TABLE}"
    make = f"""do $do$ begin
        if to_regclass('{table}') is null then
            create table {table} {COLUMNS};
            grant select on {table} to public;
        end if;
        lock table {table} in share row exclusive mode;
        if not exists (select from pg_class where oid = to_regclass('{table}') and relkind = 'r'
            and pg_get_userbyid(relowner) = current_user and not relhastriggers and not relhasrules)
        then raise exception 'the table {TABLE} is not ours: it has another owner, or triggers';
        end if;
    end $do$"""
    return (
        "set search_path = pg_catalog",
        f"set lock_timeout = '{wait}s'",
        "begin",
        make,
        f"delete from {table}",
        f"\\copy {table} (id, value, written) from pstdin",
        "commit",
        f"select value from {table} where id = 1",
    )


# its words are the server's URL, the database's name in it, and a netrc file or nothing
COUCHDB = f"""set -eu
command -v python3 >/dev/null 2>&1 || {{ echo "python3: not found" >&2; exit {NO_PROGRAM}; }}
exec python3 -I -c "$@"
"""
COUCHDB_PYTHON = f"""import base64, http.client, json, netrc, sys, urllib.parse

url, database, credentials, seconds = urllib.parse.urlsplit(sys.argv[1]), *sys.argv[2:]
path = url.path.rstrip("/") + "/" + urllib.parse.quote(database, safe="") + "/{DOCUMENT}"
headers = {{"Accept": "application/json", "Content-Type": "application/json"}}
if credentials:
    try:
        known = netrc.netrc(credentials).authenticators(url.hostname)
    except (OSError, ValueError, netrc.NetrcParseError) as error:
        sys.exit(f"netrc: {{type(error).__name__}} in {{credentials}}")
    if known is None:
        sys.exit(f"netrc: {{credentials}} has no entry for {{url.hostname}}")
    headers["Authorization"] = "Basic " + base64.b64encode(f"{{known[0]}}:{{known[2]}}".encode()).decode()
kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection

def ask(method, body=None):
    connection = kind(url.hostname, url.port, timeout=int(seconds))
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    said = json.loads(answer.read({2**20}) or b"{{}}")
    connection.close()
    return answer.status, said if isinstance(said, dict) else {{}}

def stop(status, said):
    sys.exit(f"HTTP {{status}} {{said.get('error')}}: {{said.get('reason')}}")

document = json.load(sys.stdin)
for _ in range(5):
    status, now = ask("GET")
    if status not in (200, 404) or (status == 404 and now.get("reason") not in ("missing", "deleted")):
        stop(status, now)
    status, said = ask("PUT", json.dumps({{**document, "_rev": now["_rev"]}} if "_rev" in now else document))
    if status != 409:
        break
if status not in (201, 202):
    stop(status, said)
status, now = ask("GET")
if status != 200:
    stop(status, now)
print(now.get("value"))
"""
