"""Puts one check to a box; whatever goes wrong becomes a finding, and one fault is named once."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.restic.failures import DAMAGED
from backupcheck.result import CheckResult, Finding, Outcome, check_result, finding_of, not_asked
from backupcheck.seal.manifest import SEAL
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.waivers import Waivers, only_warned

CONSEQUENCES = (".database-damaged", ".database-missing")
"""How the ids end by which a check says that it could not ask a database, which another check looks into."""

MARKER = "seal.pull-incomplete"
REPOSITORY = "repository."
MOST_LOST = 20
"""So many of the files that the repository has lost are named one by one."""
FILE_LOST = "seal.file-lost"
OF_LOST_DATA = (FILE_LOST, "seal.size-changed", "seal.content-changed")
"""What the seal says of files that the repository has lost, of which only the first few are named."""
RED = (Outcome.FAIL, Outcome.ERROR)


def ask(
    check: Check[Facts], box: Box, moment: Moment, waivers: Waivers, observed: list[Facts] | None = None
) -> CheckResult:
    """Put one check to a box. Never raises but `Interrupted`: what goes wrong becomes a finding.

    What is found bad becomes a warning where the check says so, and is waived where the spec says so. The facts
    that were judged are put at the end of `observed`.
    """
    return _answered(check, lambda: check.observe(box), moment, waivers, [] if observed is None else observed)


def judged_again(check: Check[Facts], facts: Facts, moment: Moment, waivers: Waivers) -> CheckResult:
    """The same of facts that were observed before."""
    return _answered(check, lambda: facts, moment, waivers, [])


def _answered(
    check: Check[Facts], observe: Callable[[], Facts], moment: Moment, waivers: Waivers, observed: list[Facts]
) -> CheckResult:
    began = time.monotonic()
    try:
        facts = observe()
        findings = list(check.judge(facts, moment))
        observed.append(facts)
    except Interrupted:
        raise
    except BackupcheckError as error:
        findings = [finding_of(error, check.title)]
    except Exception as error:  # noqa: BLE001  one check's bug must not hide the other checks' answers
        findings = [finding_of(bug(error), check.title)]
    judged = only_warned(findings, check.only_warns) if check.only_warns else findings
    let_pass = waivers.applied(check.title, judged)
    result = check_result(check.kind(), check.title, let_pass, round(time.monotonic() - began, 4))
    return result.model_copy(update={"why": check.why or ""})


def named_once(result: CheckResult, earlier: Sequence[CheckResult]) -> CheckResult:
    """A result without what only follows from what an earlier check of the service has named; that was not asked.

    It says no more than that a database cannot be asked, with which something is wrong; or that a file is missing
    that the seal has named as lost; or that a file is not as it was that the repository has lost; or it is about
    the canary, which is in the seal, and that is gone.
    """
    named: dict[str, str] = {}
    for finding in (finding for answer in earlier for finding in answer.findings):
        if finding.outcome is Outcome.FAIL:
            named.setdefault(finding.subject, finding.id)
    bad = [finding for finding in result.findings if finding.outcome in RED]
    if bad and all(finding.id.endswith(CONSEQUENCES) and finding.subject in named for finding in bad):
        unasked = tuple(not_asked(finding.subject, named[finding.subject]) for finding in bad)
        return result.model_copy(update={"findings": unasked})
    findings = tuple(
        not_asked(finding.subject, cause) if (cause := _cause(finding, named)) else finding
        for finding in result.findings
    )
    return result.model_copy(update={"findings": findings}) if findings != result.findings else result


def _cause(finding: Finding, named: Mapping[str, str]) -> str:
    """The id, by subject already `named`, from which a red finding only follows; else an empty one."""
    if finding.outcome not in RED:
        return ""
    cause = named.get(finding.subject, "")
    lost = [id for id in named.values() if id == DAMAGED]
    if cause == DAMAGED or (cause == FILE_LOST and finding.id.endswith(".missing")):
        return cause
    if len(lost) >= MOST_LOST and finding.id in OF_LOST_DATA:
        return DAMAGED
    if lost and finding.id == "seal.missing":
        return DAMAGED
    if finding.id.startswith("canary.") and (finding.outcome is Outcome.ERROR or finding.id.endswith(".missing")):
        return DAMAGED if lost else "seal.missing" if named.get(SEAL) == "seal.missing" else ""
    return ""


def fault_of_all(error: BackupcheckError, subject: str) -> CheckResult:
    """What keeps every service from being asked, by what has the fault: the repository as a rule."""
    kind = error.id.partition(".")[0]
    return check_result(kind, kind, [finding_of(error, subject)])


def because_of_all(error: BackupcheckError, service: str) -> Finding:
    """The same for one of the services: as red, but what it is and what to do stands with the fault itself."""
    message = f"not asked, because of {error.id}, which all services have"
    return finding_of(error, service).model_copy(update={"message": message, "advice": ""})


def named_before(result: CheckResult, before: Sequence[CheckResult]) -> CheckResult:
    """A result without what a step before the drill has named in this very run: the pull that failed, of which the
    marker in the snapshot says the same, or the repository that could not be written to either."""
    red = {one.id: one.outcome for answer in before for one in answer.findings if one.outcome in RED}
    findings = tuple(
        not_asked(one.subject, cause) if (cause := _named(one, red)) else one for one in result.findings
    )
    return result.model_copy(update={"findings": findings}) if findings != result.findings else result


def _named(finding: Finding, red: Mapping[str, Outcome]) -> str:
    """The id among those that are red already that a finding only says again, else an empty one."""
    if finding.outcome not in RED:
        return ""
    for id, outcome in red.items():
        again = finding.id == id and id.startswith(REPOSITORY)
        marked = finding.id == MARKER and finding.message.startswith(f"the pull failed ({id}): ")
        if (again or marked) and outcome.rank >= finding.outcome.rank:
            return id
    return ""


def bug(error: BaseException) -> BackupcheckError:
    """An error that nobody raised on purpose; where it happened, but none of the data that it may quote."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return BackupcheckError(
        f"a defect of backupcheck: {type(error).__name__} at {place}",
        id="check.crashed",
        advice="this says nothing about the backup; please report it with this line",
    )
