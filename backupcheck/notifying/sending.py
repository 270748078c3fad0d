"""Tells by a site's notifiers that a run begins, and how it ended; a notifier that fails is red in the report.

Each has a time limit of its own, whatever a server does. Nothing that happens here changes a proof.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from backupcheck.asking import bug
from backupcheck.errors import BackupcheckError
from backupcheck.notifier import Notice, Notifier, Stage
from backupcheck.notifying.news import News, news, notice, plain_notice
from backupcheck.notifying.told import FILE, remember, remembered
from backupcheck.result import CheckResult, Finding, Outcome, Run, check_result, finding_of
from backupcheck.spec import Site

NOTIFY = "notify"


@dataclass(frozen=True)
class Telling:
    """The notifiers of a site for one run; `whole` is whether it asks all services from the newest snapshot."""

    site: Site
    whole: bool

    def begun(self, run_id: str) -> tuple[CheckResult, ...]:
        """Tell that a run begins; only what went wrong with that."""
        said = plain_notice(Stage.BEGUN, f"{self.site.site}: the run began", f"run {run_id}", f"on {_machine()}")
        return self._plainly(said, "start")

    def broke_off(self, error: BaseException) -> tuple[CheckResult, ...]:
        """Tell that a run ended without a report, and why; only what went wrong with that."""
        interrupted = isinstance(error, KeyboardInterrupt)
        if isinstance(error, BackupcheckError):
            why, do = error.message, error.advice
        else:
            why, do = "it was interrupted" if interrupted else bug_text(error), ""
        title = f"{self.site.site}: Not proven: the run broke off"
        said = plain_notice(Stage.BAD, title, *filter(None, (why, do)), f"on {_machine()}")
        return self._plainly(said, "failure", "always")

    def ended(self, run: Run, where: str, now: datetime) -> Run:
        """The run with what became of telling it. Each notifier is told also what those before it ran into."""
        for notifier in self._notifiers():
            findings = self._told(notifier, run, where, now)
            result = check_result(NOTIFY, f"{NOTIFY} {notifier.title}", findings)
            run = run.model_copy(update={"policies": (*run.policies, result)})
        return run

    def _notifiers(self) -> Iterator[Notifier]:
        for notifier in self.site.notifiers:
            if self.whole or not notifier.of_whole_runs:
                yield notifier

    def _plainly(self, said: Notice, *when: str) -> tuple[CheckResult, ...]:
        found = []
        for notifier in self._notifiers():
            if any(word in notifier.when for word in when):
                findings = [one for one in delivered(notifier, said) if one.outcome is Outcome.ERROR]
                if findings:
                    found.append(check_result(NOTIFY, f"{NOTIFY} {notifier.title}", findings))
        return tuple(found)

    def _told(self, notifier: Notifier, run: Run, where: str, now: datetime) -> list[Finding]:
        name = f"{notifier.kind()} {notifier.url_file}"
        trouble: list[Finding] = []
        try:
            found = news(run, notifier, remembered(self.site.state, name), now)
        except OSError as error:
            trouble, found = [_forgetful(self.site, error)], news(run, notifier, {}, now)
        findings = _delivered_if_due(notifier, run, found, where)
        good = all(finding.outcome is not Outcome.ERROR for finding in findings)
        if good and not trouble:
            try:
                remember(self.site.state, name, found.told if found.due else found.kept)
            except OSError as error:
                trouble = [_forgetful(self.site, error)]
        return [*findings, *trouble]


def _delivered_if_due(notifier: Notifier, run: Run, found: News, where: str) -> list[Finding]:
    if not found.due:
        return [notifier.told(message="there is nothing to tell")]
    return delivered(notifier, notice(run, found, where))


def delivered(notifier: Notifier, said: Notice) -> list[Finding]:
    """What became of telling it, within the notifier's time limit; all that goes wrong is a finding."""
    findings: list[Finding] = []
    warned = notifier.open_to_others()
    thread = threading.Thread(target=lambda: findings.extend(_tried(notifier, said)), daemon=True)
    thread.start()
    thread.join(notifier.timeout)
    if thread.is_alive():
        late = f"it was not told within {notifier.timeout} seconds"
        advice = "see whether its server can be reached, or allow it more time with `timeout`"
        findings = [notifier.untold("timed-out", late, advice)]
    elif not findings:
        findings = [notifier.untold("not-delivered", "the notifier did not say whether it was told", "")]
    return [*findings, *([warned] if warned else [])]


def _tried(notifier: Notifier, said: Notice) -> list[Finding]:
    try:
        return list(notifier.deliver(said))
    except BackupcheckError as error:
        trouble = error
    except Exception as error:  # noqa: BLE001  a notifier's bug must not take the night's report with it
        trouble = bug(error)
    return [finding_of(trouble, notifier.title).model_copy(update={"outcome": Outcome.ERROR})]


def _forgetful(site: Site, error: OSError) -> Finding:
    return Finding(
        id="notify.state-unusable",
        outcome=Outcome.ERROR,
        subject=str(site.state / FILE),
        message=f"what was told cannot be kept in {site.state / FILE}, so it is told again: {error.strerror}",
        advice="make the state folder writable for this user",
    )


def bug_text(error: BaseException) -> str:
    """What happened, and none of the data that it may quote."""
    return bug(error).message


def _machine() -> str:
    return socket.gethostname()


def test(site: Site) -> int:
    """Send a test message by each notifier, and say what happened; 2 where one was not delivered."""
    said = plain_notice(
        Stage.TEST,
        f"{site.site}: a test",
        f"A test message of backupcheck on {_machine()}: whoever reads it would have learned of a bad backup.",
    )
    if not site.notifiers:
        print("the site file has no `notifiers:`, so nobody is told of anything")
        return 2
    return max(_tested(notifier, said) for notifier in site.notifiers)


def _tested(notifier: Notifier, said: Notice) -> int:
    findings: Sequence[Finding] = delivered(notifier, said)
    for finding in findings:
        mark = "ok" if finding.outcome is Outcome.PASS else finding.outcome.name
        print(f"{mark:<5} {finding.subject}  {finding.message}" + (f" [{finding.id}]" if mark != "ok" else ""))
        if finding.advice:
            print(f"      {finding.advice}")
    return 2 if any(finding.outcome is Outcome.ERROR for finding in findings) else 0
