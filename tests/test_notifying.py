"""Who is told what of which run, and that a notifier that fails is red and changes no proof."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from backupcheck.cli import main
from backupcheck.errors import BackupcheckError, SpecError
from backupcheck.finishing import history_of
from backupcheck.notifier import Notice, Notifier, Stage
from backupcheck.notifiers.apprise import Apprise
from backupcheck.notifiers.ping import Ping
from backupcheck.notifying.news import LONGEST_TEXT, harmless
from backupcheck.notifying.sending import Telling, delivered
from backupcheck.notifying.told import FILE
from backupcheck.result import CheckResult, Finding, Outcome, Proof, Run, check_result, not_judged
from backupcheck.spec import load_site
from tests.night import command, reported
from tests.notifiers.listening import TOKEN, Listening, listening
from tests.policies.seen import NOW, SITE, proof, run, view
from tests.smallsite import small_site

HOUR = timedelta(hours=1)
DAY = 24 * HOUR
REPORT = "/reports/latest/report.html"


class Pager(Notifier):
    """A notifier that keeps what it is told, or fails as it was asked to."""

    notices: ClassVar[list[Notice]] = []
    trouble: ClassVar[Exception | None] = None

    def deliver(self, notice: Notice) -> Iterator[Finding]:
        if Pager.trouble:
            raise Pager.trouble
        Pager.notices.append(notice)
        yield self.told()


class Site:
    """A site with one notifier, and its nights."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        Pager.notices, Pager.trouble = [], None
        pager = Pager(url_file=folder / "url", **fields)
        self.site = view(folder).site.model_copy(update={"notifiers": (pager,)})
        self.history = history_of(self.site)

    def night(
        self, number: float, *proofs: Proof, policies: tuple[CheckResult, ...] = (), interrupted: bool = False
    ) -> Run:
        """What became of telling a run of so many days after the first."""
        now = NOW + number * DAY
        ended = run(*proofs, finished=now, run_id=f"night-{number}")
        ended = ended.model_copy(update={"policies": policies, "interrupted": interrupted})
        ended = self.history.known(ended)
        self.history.add(ended)
        return Telling(self.site, whole=True).ended(ended, REPORT, now)

    @property
    def titles(self) -> list[str]:
        """The titles of what was told since the last look."""
        found = [notice.title for notice in Pager.notices]
        Pager.notices.clear()
        return found


def bad(service: str = "notes", outcome: Outcome = Outcome.FAIL) -> Proof:
    return proof(service, outcome)


def policy(kind: str, outcome: Outcome, subject: str = "notes") -> CheckResult:
    finding = Finding(id=f"{kind}.bad", outcome=outcome, subject=subject, message="it is so")
    return check_result(kind, f"{kind} of the site", [finding])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_good_night_is_silent(site: Site) -> None:
    ended = site.night(0, proof())

    assert (site.titles, ended.exit_status) == ([], 0)
    assert [finding.outcome for finding in ended.policies[-1].findings] == [Outcome.PASS]


def test_what_is_bad_is_told_at_once_then_once_a_day_and_when_it_is_good_again(site: Site) -> None:
    told = []
    for number, one in (
        (0, bad()),
        (0.1, bad()),
        (0.5, bad()),
        (1, bad()),
        (1.5, bad()),
        (2, proof()),
        (3, proof()),
    ):
        site.night(number, one)
        told.append([title.partition("(")[2] for title in site.titles])

    assert told == [["new: notes)"], [], [], ["still: notes)"], [], ["good again: notes)"], []]


def test_something_new_is_told_though_the_day_is_not_over(site: Site) -> None:
    site.night(0, bad())
    site.night(0.1, bad(), bad("tasks"))
    site.night(0.2, bad(), proof("tasks"))

    assert [title.partition("(")[2] for title in site.titles] == [
        "new: notes)",
        "new: tasks)",
        "good again: tasks)",
    ]


def test_another_fault_of_the_same_service_is_new(site: Site) -> None:
    site.night(0, bad())
    finding = Finding(id="sqlite.damaged", outcome=Outcome.FAIL, subject="/opt", message="damaged")
    site.night(0.1, Proof(service="notes", checks=(check_result("sqlite", "sqlite", [finding]),)))

    assert site.titles == ["homelab: Not proven (new: notes)"] * 2


def test_a_run_of_other_services_makes_nothing_good_again(site: Site) -> None:
    site.night(0, bad())
    site.night(0.1, proof("tasks"))
    site.night(0.2, proof())

    assert [title.partition("(")[2] for title in site.titles] == ["new: notes)", "good again: notes)"]


def test_what_the_history_knows_as_bad_is_told_as_good_again_though_nobody_was_told(site: Site) -> None:
    site.night(0, bad())
    (site.site.state / FILE).unlink()
    site.night(1, proof())

    assert site.titles[1:] == ["homelab: Proven (good again: notes)"]


def test_a_policy_that_is_not_met_is_told_and_when_it_is_met_again(site: Site) -> None:
    site.night(0, proof(), policies=(policy("rpo", Outcome.FAIL),))
    site.night(0.1, proof(), policies=(policy("rpo", Outcome.PASS),))

    assert site.titles == [
        "homelab: Proven, but a policy is not met (new: rpo of the site: notes)",
        "homelab: Proven (good again: rpo of the site: notes)",
    ]


def test_a_policy_that_was_not_judged_is_not_good_again(site: Site) -> None:
    skipped = CheckResult(
        kind="rpo", name="rpo of the site", findings=(not_judged("notes", "repository.not-found"),)
    )
    site.night(0, proof(), policies=(policy("rpo", Outcome.FAIL),))
    site.night(0.1, bad(), policies=(skipped,))
    site.night(0.2, proof(), policies=(policy("rpo", Outcome.PASS),))

    assert [title.partition("(")[2] for title in site.titles] == [
        "new: rpo of the site: notes)",
        "new: notes)",
        "good again: rpo of the site: notes, notes)",
    ]


@pytest.mark.parametrize(
    ("when", "told"),
    [
        (("failure",), ["notes"]),
        (("policy",), ["rpo of the site: notes"]),
        (("stale",), ["proof_age of the site: tasks"]),
        (("recovery",), []),
    ],
)
def test_who_asked_for_some_is_told_of_no_other(tmp_path: Path, when: Any, told: list[str]) -> None:
    site = Site(tmp_path, when=when)
    site.night(0, bad(), policies=(policy("rpo", Outcome.FAIL), policy("proof_age", Outcome.FAIL, "tasks")))

    assert site.titles == [f"homelab: Not proven (new: {name})" for name in told]


def test_always_is_every_night(tmp_path: Path) -> None:
    site = Site(tmp_path, when=("always",))
    site.night(0, proof())
    site.night(0.1, proof())

    assert site.titles == ["homelab: Proven"] * 2


def test_what_was_not_delivered_is_news_the_next_night(site: Site) -> None:
    Pager.trouble = BackupcheckError("the pager is off", id="notify.unreachable")
    assert site.night(0, bad()).policies[-1].outcome is Outcome.ERROR
    Pager.trouble = None
    site.night(0.1, bad())

    assert site.titles == ["homelab: Not proven (new: notes)"]


@pytest.mark.parametrize(
    "trouble", [BackupcheckError("off", id="notify.unreachable"), ValueError(f"https://x/{TOKEN}")], ids=str
)
@pytest.mark.parametrize(("one", "status"), [(proof(), 2), (bad(), 1)], ids=["proven", "bad"])
def test_a_notifier_that_fails_is_red_and_changes_no_proof(
    tmp_path: Path, trouble: Exception, one: Proof, status: int
) -> None:
    site = Site(tmp_path, when=("always",))
    Pager.trouble = trouble
    ended = site.night(0, one)

    assert (ended.exit_status, ended.services[0].outcome) == (status, one.outcome)
    assert [(found.kind, found.outcome) for found in ended.policies] == [("notify", Outcome.ERROR)]
    assert TOKEN not in ended.model_dump_json()


def test_the_next_notifier_tells_that_one_failed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with listening(status=500) as off:
        (tmp_path / "off").write_text(f"json://127.0.0.1:{off.port}/{TOKEN}")
        (tmp_path / "off").chmod(0o600)
        mail = Apprise(url_file=tmp_path / "off", when=("always",))
        site.site = site.site.model_copy(update={"notifiers": (mail, *site.site.notifiers)})
        site.night(0, proof())

    assert "new: the policy notify apprise off" in site.titles[0]


def test_a_state_that_cannot_be_kept_is_red(site: Site) -> None:
    site.night(0, bad())
    (site.site.state / FILE).unlink()
    (site.site.state / FILE).mkdir()
    ended = site.night(0.1, bad())

    assert [finding.id for finding in ended.policies[-1].findings] == [
        "notify.not-delivered",
        "notify.state-unusable",
    ]


def test_a_state_that_makes_no_sense_means_that_it_is_told_again(site: Site) -> None:
    site.night(0, bad())
    (site.site.state / FILE).write_text('{"told": 3}')
    site.night(0.1, bad())

    assert len(site.titles) == 2


def test_a_clock_that_was_wrong_silences_nothing(site: Site) -> None:
    site.night(900, bad())
    site.night(0, bad())

    assert len(site.titles) == 2


def test_an_interrupted_run_is_told_and_makes_nothing_good_again(site: Site) -> None:
    site.night(0, bad())
    site.night(0.1, proof(), interrupted=True)

    assert site.titles[1:] == ["homelab: Not proven (new: the run)"]


def test_hostile_names_stay_one_line_and_can_do_nothing(site: Site) -> None:
    name = "/x\nGood again: all @everyone <b>@channel</b> <!here> https://evil.example/"
    finding = Finding(id="files.count", outcome=Outcome.FAIL, subject=name, message=name)
    site.night(0, Proof(service="notes", checks=(check_result("files", "files", [finding]),)))
    (notice,) = Pager.notices

    assert [line for line in notice.text.splitlines() if line.startswith("Good again")] == []
    for acting in ("@everyone", "@channel", "<b>", "<!here", "://evil"):
        assert acting not in notice.text
        assert harmless(acting) in notice.text


def test_a_great_many_faults_fit_into_a_message(site: Site) -> None:
    site.night(0, *(bad(f"service-{number}") for number in range(300)))
    (notice,) = Pager.notices

    assert len(notice.text) <= LONGEST_TEXT + 100
    assert notice.text.endswith(f"report: {REPORT}")
    assert "more lines" in notice.text


def test_a_notifier_that_hangs_does_not_hold_the_run(tmp_path: Path) -> None:
    let_go = threading.Event()

    class Slow(Pager):
        def deliver(self, notice: Notice) -> Iterator[Finding]:
            let_go.wait(60)
            yield self.told()

    try:
        found = delivered(Slow(url_file=tmp_path / "url", timeout=1), Notice(Stage.TEST, "", ""))
    finally:
        let_go.set()

    assert [finding.id for finding in found] == ["notify.timed-out"]


@pytest.mark.parametrize(("whole", "endings"), [(True, ["/start", "/fail"]), (False, [])])
def test_a_run_of_some_services_pings_nothing(tmp_path: Path, whole: bool, endings: list[str]) -> None:
    site = Site(tmp_path)
    with pinged(site, tmp_path) as server:
        telling = Telling(site.site, whole=whole)
        assert telling.begun("night") == ()
        telling.broke_off(KeyboardInterrupt())

    assert server.endings == endings


@contextmanager
def pinged(site: Site, folder: Path) -> Iterator[Listening]:
    """The site has a dead-man's switch."""
    with listening() as server:
        (folder / "ping.url").write_text(server.url)
        (folder / "ping.url").chmod(0o600)
        site.site = site.site.model_copy(update={"notifiers": (Ping(url_file=folder / "ping.url"),)})
        yield server


def written(folder: Path, notifiers: str) -> Path:
    file = folder / "site.yaml"
    file.write_text(f"{SITE}notifiers:\n{notifiers}")
    return file


def test_the_site_file_names_them_by_paths_beside_it(tmp_path: Path) -> None:
    file = written(
        tmp_path, "  - apprise: {url_file: chat.url, when: [failure], again_after: 2d}\n  - ping: {url_file: /p}\n"
    )
    chat, ping = load_site(file).notifiers

    assert chat == Apprise(url_file=tmp_path / "chat.url", when=("failure",), again_after=2 * DAY)
    assert ping == Ping(url_file=Path("/p"))
    assert ping.when == ("start", "always")


@pytest.mark.parametrize(
    ("notifiers", "mistake"),
    [
        ("  - ping: {url_file: p}\n  - ping: {url_file: p}\n", "another notifier"),
        ("  - pong: {url_file: p}\n", "ping"),
        ("  - ping: {url_file: p, when: [sometimes]}\n", "when"),
        ("  - ping: {url_file: p, when: []}\n", "when"),
        ("  - ping: {url_file: .}\n", "url_file"),
        ("  - ping: {url: https://x/y}\n", "url_file"),
    ],
)
def test_a_mistake_in_the_site_file_is_named(tmp_path: Path, notifiers: str, mistake: str) -> None:
    with pytest.raises(SpecError, match=mistake):
        load_site(written(tmp_path, notifiers))


def commanded(*words: str) -> int:
    try:
        return main(list(words))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_test_message_is_sent_by_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = str(written(tmp_path, "  - ping: {url_file: p}\n  - apprise: {url_file: a}\n"))
    with listening() as server, listening(status=403) as chat:
        (tmp_path / "p").write_text(server.url)
        (tmp_path / "a").write_text(f"json://127.0.0.1:{chat.port}/{TOKEN}")
        for name in "pa":
            (tmp_path / name).chmod(0o600)
        first = commanded("notify", "--test", "--site", site)
        chat.status = 200
        second = commanded("notify", "--test", "--site", site)
    said = "".join(capsys.readouterr())

    assert (first, second, server.endings) == (2, 0, ["/log", "/log"])
    assert [line[:5].strip() for line in said.splitlines() if line[0] != " "] == ["ok", "ERROR", "ok", "ok"]
    assert TOKEN not in said


def test_a_site_without_notifiers_has_none_to_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.yaml").write_text(SITE)

    assert commanded("notify", "--test", "--site", str(tmp_path / "site.yaml")) == 2
    assert "no `notifiers:`" in capsys.readouterr().out


def test_the_doctor_sends_a_test_message_if_asked_to() -> None:
    with small_site() as small, listening() as server:
        (small.specs / "ping").write_text(server.url)
        (small.specs / "ping").chmod(0o600)
        with small.site.open("a") as file:
            file.write("notifiers:\n  - ping: {url_file: ping}\n")
        small.command("doctor")
        before = list(server.endings)
        said = small.command("doctor", "--notify")

    assert (before, server.endings) == ([], ["/log"])
    assert said.text.splitlines()[-1].startswith("ok ")


def test_nights_tell_how_they_went() -> None:
    with small_site() as small, listening() as server, listening() as chat:
        for name, url in (("ping", server.url), ("chat", f"json://127.0.0.1:{chat.port}/{TOKEN}")):
            (small.specs / name).write_text(url)
            (small.specs / name).chmod(0o600)
        with small.site.open("a") as file:
            file.write("notifiers:\n  - apprise: {url_file: chat}\n  - ping: {url_file: ping}\n")
        key = small.source / "etc/notes/session.key"
        key.chmod(0o644)
        broken = small.night()
        assert (broken.status, server.endings) == (1, ["/start", "/fail"])
        assert "new: notes" in json.loads(chat.asked[0][2])["title"]

        key.chmod(0o600)
        chat.status = server.status = 404
        loud = command("-v", "nightly", "--site", str(small.site))
        mended = reported(loud, small.folder / "reports")
        texts = [path.read_text() for path in (small.folder / "reports").rglob("*") if path.is_file()]

        assert (mended.status, set(mended.outcomes().values())) == (2, {"pass"})
        assert server.endings[2:] == ["/start", "/fail"]
        assert "good again: notes" in json.loads(chat.asked[-1][2])["title"]
        assert sum("notify.refused" in text and "notify.not-delivered" in text for text in texts) >= 3
        assert not any(TOKEN in text for text in (*texts, loud.text, loud.stderr))


def test_a_run_that_breaks_off_is_told() -> None:
    with small_site() as small, listening() as server:
        (small.specs / "ping").write_text(server.url)
        with small.site.open("a") as file:
            file.write("notifiers: [{ping: {url_file: ping}}]\n")
        (small.specs / "conftest.py").write_text("raise SystemError('of the suite')\n")
        code = small.command("drill").code

    assert (code, server.endings) == (2, ["/start", "/fail"])
    assert "broke off" in server.asked[1][2]
