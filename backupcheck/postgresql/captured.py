"""A loaded dump, the roles beside it and the server's other databases, against what the capture reported."""

from __future__ import annotations

from collections.abc import Iterator

from backupcheck.errors import ToolFailed, ToolTimedOut, UnsafePath
from backupcheck.postgresql.cluster import Cluster
from backupcheck.postgresql.globals import Globals, read_globals
from backupcheck.postgresql.report import AsCaptured, compare, judge_captured, judge_left_out, left_out
from backupcheck.postgresql.roles import READER
from backupcheck.postgresql.state import WHOLE, State, read_state
from backupcheck.result import LONGEST_TEXT, Finding, Outcome, Text
from backupcheck.seal.captured import captured, reports
from backupcheck.seams import Facts
from backupcheck.tree import Tree

KIND = "postgres"


class Origin(Facts):
    """What the seal says of a dump: how the loaded one compares with it, or why that could not be looked at.

    `reported` is whether the seal says anything. `left_out` are databases of the server that nobody dumped.
    """

    reported: bool = False
    compared: AsCaptured | None = None
    trouble: Text | None = None
    left_out: tuple[Text, ...] = ()


def origin_of(cluster: Cluster, dump: str, timeout: float) -> tuple[Origin, dict[tuple[str, str], int]]:
    """A loaded dump against its capture's report; and the rows that were counted for it."""
    tree = cluster.box.tree
    report = captured(tree, KIND, dump)
    if report is None:
        return Origin(), {}
    others = left_out(each for each in reports(tree) if each.kind == KIND)
    state = _loaded_state(cluster, timeout)
    if isinstance(state, str):
        return Origin(reported=True, trouble=state, left_out=others), {}
    return Origin(reported=True, compared=compare(report, state), left_out=others), state.selected


def judge_origin(origin: Origin, dump: str, elsewhere: tuple[str, ...]) -> Iterator[Finding]:
    """What is not as it was captured. Without a report nothing is claimed, and that is said."""
    if origin.compared is not None:
        yield from judge_captured(origin.compared, dump)
    else:
        said = "the seal does not say what was captured" if origin.trouble is None else "it could not be counted"
        yield Finding(
            id="postgres.rows-not-as-captured" if origin.trouble is None else "postgres.not-counted",
            outcome=Outcome.SKIP if origin.trouble is None else Outcome.ERROR,
            subject=dump,
            actual=origin.trouble,
            message=f"{said}, so nothing was compared with the source",
        )
    yield from judge_left_out((name for name in origin.left_out if name not in elsewhere), dump)


def restored_globals(tree: Tree, dump: str, path: str | None, needed: tuple[str, ...]) -> Globals | None:
    """The restored globals, at `path` or where the dump's capture brought them; None where there need be none."""
    report = captured(tree, KIND, dump)
    place = path or (report.found.get("globals") if report else None)
    if not isinstance(place, str):
        return None
    try:
        with tree.open(place) as file:
            return read_globals(file, place, needed)
    except (FileNotFoundError, NotADirectoryError, UnsafePath):
        return Globals(path=place, state="missing")


def _loaded_state(cluster: Cluster, timeout: float) -> State | str:
    """What a loaded database holds, asked at once and as a role that can only read; or why it cannot be had."""
    options = f"-c default_transaction_read_only=on -c statement_timeout={int(timeout * 1000)}"
    environment = {**cluster.environment(READER), "PGOPTIONS": options}
    words = (cluster.server.program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
    try:
        said = cluster.box.run(words, timeout=timeout + 10, env=environment, stdin=WHOLE.encode()).stdout
        return read_state(line for line in said.splitlines() if line.strip())
    except (ToolFailed, ToolTimedOut) as error:
        return error.message[:LONGEST_TEXT]
    except (ValueError, RecursionError):
        return "the server did not answer in JSON"


def judge_globals(globals: Globals, *, asked: bool) -> Iterator[Finding]:
    """Whether the globals are there, and every role that the dump needs in them.

    Where the spec does not ask for them, a source that gave none is a warning.
    """
    troubles = {
        "missing": "there is no file of globals",
        "none": "the source gave no globals when the dump was made",
        "cut": "the globals were cut: they have no end mark",
    }
    trouble = troubles.get(globals.state)
    bad = Outcome.WARN if globals.state == "none" and not asked else Outcome.FAIL
    yield Finding(
        id="postgres.globals-missing",
        outcome=bad if trouble else Outcome.PASS,
        subject=globals.path,
        expected="the roles of the server",
        actual=trouble or f"{globals.roles} roles",
        message=f"{trouble}, so who may do what is not in the backup" if trouble else "the globals are whole",
        advice="capture as a role that pg_dumpall works for, or keep the roles elsewhere" if trouble else "",
    )
    if trouble:
        return
    for role in globals.absent:
        yield Finding(
            id="postgres.role-not-in-globals",
            outcome=Outcome.FAIL,
            subject=role,
            expected="a role of this name",
            actual=f"not among {globals.roles} roles",
            message=f"the dump needs the role {role}, which is not in {globals.path}",
            advice="take the dump and the globals from the same server",
        )
    if not globals.absent:
        yield Finding(
            id="postgres.role-not-in-globals",
            outcome=Outcome.PASS,
            subject=globals.path,
            message="every role that the dump needs is in the globals",
        )
