"""Every way in which Postgres refuses a dump at the source, by its name; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """A failure's id, what its line looks like, what it means and what to do."""

    id: str
    pattern: str
    meaning: str
    advice: str


REFUSALS = (
    Refusal(
        "capture.version-mismatch",
        r"server version mismatch",
        "pg_dump is older than the server",
        "use the server's own pg_dump",
    ),
    Refusal(
        "capture.source-damaged",
        r"invalid page in block|page verification failed|could not read blocks? |unexpected chunk (number|size)"
        r"|missing chunk number|invalid memory alloc request size|compressed \w+ data is corrupt"
        r"|unexpected zero page|could not access status of transaction|could not open file \"(base|pg_tblspc)/",
        "the database is damaged at the source",
        "stop the service, keep a copy of its data as it is, and restore the last good backup",
    ),
    Refusal(
        "capture.row-security",
        r"row-level security|row security",
        "row level security hides rows from the role, so the dump would be a part of the database",
        "dump as a role with BYPASSRLS, or as postgres",
    ),
    Refusal(
        "capture.privilege",
        r"permission denied for|permission denied to|must be (owner|superuser)",
        "the role may not read all of the database",
        "dump as the database's owner or as postgres",
    ),
    Refusal(
        "capture.locked",
        r"lock timeout|could not obtain lock|due to statement timeout",
        "another session kept a lock on a table for too long",
        "see in pg_stat_activity who holds or awaits it, and pull at another hour",
    ),
    Refusal(
        "capture.cancelled",
        r"canceling statement due to",
        "the server cancelled the dump",
        "see who cancelled it, or which timeout of the server did, and pull again",
    ),
    Refusal(
        "capture.connection-lost",
        r"terminating connection|server closed the connection|connection to server was lost"
        r"|SSL connection has been closed|could not (receive|send) data (from|to) (the )?server",
        "the server ended the connection in the middle",
        "see the server's log, and dump again",
    ),
    Refusal(
        "capture.program-missing",
        r"failed to execute|command not found|: not found|cannot execute",
        "a program of Postgres's is not there",
        "install postgresql-client at the source, or give pg_dump's path as `program`",
    ),
    Refusal(
        "capture.no-database",
        r'database ".*" does not exist',
        "there is no such database",
        "correct `database`",
    ),
    Refusal(
        "capture.no-role",
        r'role ".*" does not exist|authentication failed|runuser: user .* does not exist'
        r"|may not be used by non-root|no password supplied|no pg_hba.conf entry",
        "the role is not there or may not log in",
        "correct `run_as` or `connection`",
    ),
    Refusal(
        "capture.busy",
        r"too many clients|connection slots are reserved|too many connections"
        r"|the database system is (starting up|shutting down|in recovery|not yet accepting)",
        "the server takes no further connection now",
        "pull again later, or raise max_connections",
    ),
    Refusal(
        "capture.no-server",
        r"connection to server .* failed|could not connect|Connection refused",
        "the Postgres server does not answer",
        "start it, or correct `connection`",
    ),
    Refusal(
        "capture.source-full",
        r"No space left on device|could not write to file|could not extend file",
        "the source's disk or shared memory is full",
        "make room there",
    ),
)


def refusal(said: str) -> tuple[Refusal, str] | None:
    """What a failed dump's standard error says, and the line that says it; None for what is not recognised."""
    lines = said.splitlines()
    for known in REFUSALS:
        for line in lines:
            if re.search(known.pattern, line):
                return known, line.strip()
    return None
