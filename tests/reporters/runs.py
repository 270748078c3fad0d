"""Sample runs for the reporters: a healthy homelab, the same with every kind of trouble, and the odd ones."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from backupcheck.result import (
    CheckResult,
    Finding,
    Outcome,
    Past,
    Proof,
    Run,
    Unmet,
    WaiverRecord,
    WaiverState,
    check_result,
)
from backupcheck.waivers import Waiver, Waivers
from tests.reporters import histories, homelab
from tests.reporters.homelab import STARTED, passed

KEY = "/etc/lldap/private_key"
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</td></table><script>document.title='owned'</script>",
    "\"onmouseover='alert(1)' {{7*7}} {% raw %} ${x} [red]x[/red] :smile:",
    "a\nERROR forged b\r\nc",
    "\x1b[31mred\x1b]0;title\x07\x00\x08",
    "not utf-8 \udce9\udcff \ufffe\uffff",
    "abc\u202egpj.exe \u2028\u2066",
    "]]> &amp; <!-- --> <?xml?>",
)


def run_of(services: tuple[Proof, ...], *, interrupted: bool = False) -> Run:
    """A run of the homelab with these services."""
    return Run(
        run_id="2026-03-14T03-30-00Z-5f3a",
        site="homelab",
        started=STARTED,
        finished=STARTED + timedelta(seconds=61.4),
        version="0.1.0",
        repository="/srv/backup/restic",
        tools={"restic": "0.18.0", "postgres": "17.5", "lxc": "6.0.4", "rsync": "3.4.1"},
        not_exercised=("The CouchDB server itself was not started: its files were read without it.",),
        interrupted=interrupted,
        services=services,
    )


def healthy() -> Run:
    """All seven services proven; exit status 0."""
    return run_of(tuple(homelab.services().values()))


def mixed() -> Run:
    """FAIL, ERROR, WARN and SKIP beside what is healthy; exit status 1."""
    services = homelab.services()
    services["vault"] = _with(services["vault"], _shards_missing())
    services["mealie"] = _with(services["mealie"], _cluster_missing())
    services["caddy"] = _with(services["caddy"], _expires_soon())
    services["wishlist"] = _with(services["wishlist"], _uploads_skipped())
    return run_of(tuple(services.values()))


def _with(before: Proof, check: CheckResult) -> Proof:
    """The same proof with this check in place of the others of its kind."""
    kept = tuple(each for each in before.checks if each.kind != check.kind)
    return before.model_copy(update={"checks": (*kept, check)})


def _shards_missing() -> CheckResult:
    data = "/opt/couchdb/data"
    missing = tuple(
        Finding(
            id="couchdb.shard-missing",
            outcome=Outcome.FAIL,
            subject=f"{data}/shards/{span}/obsidian.1718035200.couch",
            expected="present",
            actual="missing",
            message="the database's map of shards names a file that was not restored",
            advice="look for the file at the source, pull again, and drill vault once more",
        )
        for span in ("00000000-1fffffff", "40000000-5fffffff", "60000000-7fffffff")
    )
    healthy_ones = (
        passed("couchdb.attachment-damaged", "database obsidian", 0, "every attachment has its digest"),
    )
    return check_result("couchdb", f"couchdb {data}", (*missing, *healthy_ones), 2.71)


def _cluster_missing() -> CheckResult:
    dump = "/tmp/mealie_backup.sql"
    return check_result(
        "postgres",
        f"postgres {dump}",
        (
            passed("postgres.dump-truncated", dump, "trailer", "the dump ends with its trailer"),
            Finding(
                id="tool.missing",
                outcome=Outcome.ERROR,
                subject=dump,
                expected="initdb in the box",
                actual="not found",
                message="the dump could not be loaded, because the box has no Postgres server",
                advice="give the spec `box: {image: postgres}`",
            ),
        ),
        0.2,
    )


def _expires_soon() -> CheckResult:
    folder = "/var/lib/caddy/.local/share/caddy/certificates/acme"
    return check_result(
        "certificate",
        f"certificate {folder}/*/*.crt",
        (
            passed("certificate.key-mismatch", f"{folder}/auth.home.arpa", "pair", "the key is the certificate's"),
            Finding(
                id="certificate.expires-soon",
                outcome=Outcome.WARN,
                subject=f"{folder}/auth.home.arpa",
                expected="more than 14 days",
                actual="6 days",
                message="the certificate expires in 6 days",
                advice="see why Caddy does not renew it",
            ),
        ),
        0.27,
    )


def _uploads_skipped() -> CheckResult:
    skipped = Finding(
        id="files.skipped",
        outcome=Outcome.SKIP,
        subject="/opt/wishlist/uploads",
        message="the uploads were not looked at: the spec says `skip`",
    )
    return CheckResult(kind="files", name="files /opt/wishlist/uploads", findings=(skipped,))


def _waiver(owner: str, finding: str = "secret.mode", subject: str = KEY, **rest: Any) -> Waiver:
    """A waiver of a secret's finding, or with `check` of another's."""
    given = {"check": f"secret {KEY}", "reason": "mended in April", "until": date(2026, 3, 31)} | rest
    return Waiver.model_validate({"finding": finding, "subject": subject, "owner": owner} | given)


def _asked(before: Proof, given: tuple[Waiver, ...], *checks: CheckResult) -> Proof:
    """The same proof with these checks in place of the others of their kinds, judged with these waivers."""
    waivers = Waivers(STARTED.date(), given)
    for check in checks:
        applied = waivers.applied(check.name, check.findings)
        before = _with(before, check.model_copy(update={"findings": applied}))
    told = (*before.checks, *waivers.warned(before.checks))
    return before.model_copy(update={"checks": told, "waivers": waivers.records(before.checks)})


def _open_to_all() -> CheckResult:
    mode = Finding(
        id="secret.mode",
        outcome=Outcome.FAIL,
        subject=KEY,
        expected="0600",
        actual="0644",
        message="every user can read the secret",
        advice="run chmod 0600 on it at the source",
    )
    found = (passed("secret.missing", KEY, "present", "the secret is there"), mode)
    why = "whoever reads this key can log in as everybody"
    return check_result("secret", f"secret {KEY}", found, 0.02).model_copy(update={"why": why})


def _uploads_lost(*names: str) -> CheckResult:
    lost = [
        Finding(
            id="references.file-missing",
            outcome=Outcome.FAIL,
            subject=f"/opt/wishlist/uploads/{name}",
            expected="present",
            actual="missing",
            message="a row refers to a file that was not restored",
            advice="look for the file at the source",
        )
        for name in names
    ]
    return check_result("references", "references items", lost, 0.04)


def waived() -> Run:
    """Waivers: two are used, and one of these ends soon; one matched nothing, and one ended and its fault is gone;
    exit status 0."""
    services = homelab.services()
    reason = "the container's umask is wrong until the image of April is out"
    used = _waiver("Ann Example", subject="/etc/lldap/*", reason=reason)
    unused = _waiver("Ben Example", "secret.missing", reason="the old key goes in April")
    ended = _waiver("Cay Example", check=services["authelia"].checks[0].name, until=date(2026, 3, 13))
    lost, items = "/opt/wishlist/uploads/*", "references items"
    day = date(2026, 3, 19)
    soon = _waiver("Dee Example", "references.file-missing", lost, check=items, at_most=3, until=day)
    services["lldap"] = _asked(services["lldap"], (used, unused), _open_to_all())
    services["authelia"] = _asked(services["authelia"], (ended,))
    services["wishlist"] = _asked(services["wishlist"], (soon,), _uploads_lost("bicycle.webp", "kettle.webp"))
    services["caddy"] = _with(services["caddy"], _expires_soon())
    return run_of(tuple(services.values()))


def lapsed() -> Run:
    """A waiver that ended while its fault is still there, one that is for fewer faults than there are, and one
    whose check gave no answer; exit status 1."""
    services = homelab.services()
    ended = _waiver("Ann Example", until=date(2026, 3, 13))
    lost, items = "/opt/wishlist/uploads/*", "references items"
    exceeded = _waiver("Dee Example", "references.file-missing", lost, check=items)
    blind = _waiver("Eve Example", "postgres.rows", "recipes", check="postgres /tmp/mealie_backup.sql")
    services["lldap"] = _asked(services["lldap"], (ended,), _open_to_all())
    services["mealie"] = _asked(services["mealie"], (blind,), _cluster_missing())
    services["wishlist"] = _asked(services["wishlist"], (exceeded,), _uploads_lost("bicycle.webp", "kettle.webp"))
    return run_of(tuple(services.values()))


def _recorded(state: WaiverState, name: str) -> WaiverRecord:
    """A waiver with this text wherever one can stand."""
    return WaiverRecord(
        check=f"check {name}",
        finding="secret.mode",
        subject=f"*{name}",
        owner=f"owner {name}",
        reason=f"reason {name}",
        until=date(2026, 3, 31),
        state=state,
        findings=2,
    )


def hostile(names: tuple[str, ...] = HOSTILE) -> Run:
    """Each of these texts in every place where a text can stand; exit status 1."""
    checks = tuple(
        CheckResult(
            kind=f"kind {name}",
            name=f"name {name}",
            seconds=0.1,
            why=f"why {name}",
            findings=tuple(
                Finding(
                    id="files.missing",
                    outcome=outcome,
                    subject=f"subject {name}",
                    expected=f"expected {name}",
                    actual=f"actual {name}",
                    message=f"message {name}",
                    advice=f"advice {name}",
                )
                for outcome in (Outcome.FAIL, Outcome.ERROR, Outcome.WAIVED, Outcome.WARN)
            ),
        )
        for name in names
    )
    services = tuple(
        Proof(
            service=f"service {name}",
            about=f"about {name}",
            snapshot=f"{name} snapshot",
            engine=f"engine {name}",
            isolation=f"isolation {name}",
            scratch=f"scratch {name}",
            seconds={f"step {name}": 1.0},
            checks=checks if place == 0 else checks[place : place + 1],
            spec_digest=f"digest {name}",
            rows={f"rows {name}": 1},
            newest={f"newest {name}": f"time {name}"},
            trend=tuple(
                Past(run_id=f"past {name} {n}", finished=STARTED, outcome=Outcome.FAIL, rows=n) for n in range(3)
            ),
            runbook=tuple(f"command {each}" for each in names),
            waivers=tuple(_recorded(state, name) for state in WaiverState),
        )
        for place, name in enumerate(names)
    )
    return run_of(services).model_copy(
        update={
            "site": f"site {''.join(names)}",
            "run_id": f"run {''.join(names)}",
            "version": f"version {''.join(names)}",
            "repository": f"repository {''.join(names)}",
            "tools": {name: name for name in names},
            "not_exercised": names,
            "policies": checks,
        }
    )


def empty() -> Run:
    """A run that checked no service; exit status 2."""
    return run_of(())


def silent() -> Run:
    """Red without one red finding: no checks, a skipped check, a check without findings; exit status 2."""
    services = homelab.services()
    nothing = CheckResult(kind="files", name="files /opt/wishlist/uploads", findings=())
    return run_of(
        (
            services["lldap"].model_copy(update={"checks": ()}),
            _with(services["wishlist"], _uploads_skipped()),
            _with(services["caddy"], nothing),
        )
    )


def interrupted() -> Run:
    """Stopped after two healthy services; exit status 130."""
    return run_of(tuple(homelab.services().values())[:2], interrupted=True)


def _remembered(run: Run, bad: tuple[int, ...] = ()) -> Run:
    """The run with a history; `bad` are the nights on which what is not proven now was bad."""
    good = (Outcome.PASS, Outcome.WARN, Outcome.WAIVED)
    services = tuple(histories.with_history(proof, () if proof.outcome in good else bad) for proof in run.services)
    return run.model_copy(update={"services": services})


def _policed(run: Run, policies: tuple[CheckResult, ...]) -> Run:
    return run.model_copy(update={"policies": policies})


def met() -> Run:
    """All proven before and now, and every policy is met; exit status 0."""
    return _policed(_remembered(healthy()), histories.met(tuple(homelab.services())))


def unmet() -> Run:
    """All proven, but two policies are not met; exit status 4."""
    return _policed(_remembered(healthy()), histories.not_met(tuple(homelab.services())))


def unlooked() -> Run:
    """All proven, but a policy could not look and one was not asked; exit status 2."""
    return _policed(_remembered(healthy()), histories.not_looked(tuple(homelab.services())))


def worsened() -> Run:
    """Bad for three nights, with a history, and policies that are not met beside; exit status 1."""
    run = _remembered(mixed(), bad=(3, 11, 12, 13))
    never: dict[str, object] = {"last_proven": None, "bad_since": None, "trend": ()}
    nothing: dict[str, object] = {"bytes": None, "files": None, "seconds": {}}
    changed = {"wishlist": never, "vault": nothing}
    services = tuple(proof.model_copy(update=changed.get(proof.service, {})) for proof in run.services)
    return _policed(run.model_copy(update={"services": services}), histories.not_met(tuple(homelab.services())))


def partial() -> Run:
    """Two of seven services; their words hold backticks, and a policy is not met since a week; exit status 4."""
    run = _remembered(run_of(tuple(homelab.services().values())[:2]))
    services = tuple(proof.service for proof in run.services)
    told = ("the kit lacks `url`, and ``a`b`` too", "a kit", "–")
    kit = histories.answer("bootstrap.kit-missing", Outcome.FAIL, "/kit", told, "run `restic key list` there")
    first = check_result("bootstrap", "bootstrap of the site", [kit], 0.02)
    policies = (first, *histories.met(services)[1:3])
    since = Unmet(policy=first.name, id=kit.id, subject=kit.subject, since=STARTED - timedelta(days=7))
    left = tuple(name for name in homelab.services() if name not in services)
    return _policed(run, policies).model_copy(update={"not_asked": left, "unmet": (since,)})


SAMPLES: dict[str, Run] = {
    "healthy": healthy(),
    "mixed": mixed(),
    "hostile": hostile(),
    "empty": empty(),
    "silent": silent(),
    "interrupted": interrupted(),
    "waived": waived(),
    "lapsed": lapsed(),
    "met": met(),
    "unmet": unmet(),
    "unlooked": unlooked(),
    "worsened": worsened(),
    "partial": partial(),
}
