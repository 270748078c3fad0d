"""What the history and the policies add to the homelab's runs, with believable values."""

from __future__ import annotations

from datetime import timedelta

from backupcheck.result import CheckResult, Finding, Outcome, Past, Proof, check_result
from tests.reporters.homelab import SNAPSHOT, STARTED

ROWS = {
    "lldap": {"users": 23, "groups": 7, "memberships": 61},
    "authelia": {"totp_configurations": 11, "webauthn_credentials": 6},
    "mealie": {"public.recipes": 100, "public.users": 3, "public.alembic_version": 1},
    "wishlist": {"User": 8, "Item": 342, "_prisma_migrations": 45},
    "jellyfin": {"BaseItems": 18_402, "UserData": 2_911, "Users": 4},
}
NIGHTS = 14


def with_history(before: Proof, bad: tuple[int, ...] = ()) -> Proof:
    """The proof with what the history knows of it; `bad` are the nights, of fourteen, on which it was bad."""
    rows = ROWS.get(before.service, {})
    trend = tuple(_night(before, night, sum(rows.values()), night in bad) for night in range(NIGHTS))
    good = [past for past in trend if past.outcome is Outcome.PASS]
    unbroken = [past for past in trend if not good or past.finished > good[-1].finished]
    path = f"/opt/{before.service}/data.db"
    return before.model_copy(
        update={
            "spec_digest": f"{sum(before.service.encode()):064x}",
            "pulled": STARTED - timedelta(hours=2, minutes=16),
            "canary": STARTED - timedelta(hours=2, minutes=20) if before.service == "vault" else None,
            "rows": {f"{path} {table}": count for table, count in rows.items()},
            "newest": {f"{path} {table}.updated_at": "2026-03-13 21:14:09+00" for table in list(rows)[:1]}
            | {f"{path} sessions.expires_at": "2031-01-01T00:00:00Z"},
            "last_proven": good[-1].finished if good else None,
            "bad_since": unbroken[0].finished if unbroken else None,
            "trend": trend,
            "runbook": runbook(before.service),
        }
    )


def runbook(service: str) -> tuple[str, ...]:
    """The commands of a restore, as a person would type them."""
    return (
        "export RESTIC_REPOSITORY=/srv/backup/restic RESTIC_PASSWORD_FILE=/etc/backupcheck/restic.password",
        f"restic restore {SNAPSHOT}:/srv/backup/mirror/{service} --target /srv/restored/{service} --verify",
        f"systemctl stop {service}",
        f"rsync --archive --numeric-ids /srv/restored/{service}/ /",
        f"systemctl start {service}",
    )


def _night(proof: Proof, night: int, rows: int, bad: bool) -> Past:
    grown = 0.86 + 0.01 * night
    size = round((proof.bytes or 0) * (grown if night != 6 else grown * 0.7))
    return Past(
        run_id=f"2026-02-{28 - NIGHTS + 1 + night:02}T03-30-00Z-0000",
        finished=STARTED - timedelta(days=NIGHTS - night) + timedelta(seconds=58),
        outcome=Outcome.FAIL if bad else Outcome.PASS,
        snapshot=f"{night:064x}",
        seconds=round(sum(proof.seconds.values()) * (0.9 + 0.04 * (night * 7 % 5)), 2),
        bytes=None if bad else size,
        files=None if bad else round((proof.files or 0) * grown),
        rows=round(rows * grown) if rows else None,
    )


def answer(id: str, outcome: Outcome, subject: str, told: tuple[str, str, str], advice: str = "") -> Finding:
    """A policy's finding; told are its message, what was expected and what is."""
    message, expected, actual = told
    return Finding(
        id=id, outcome=outcome, subject=subject, message=message, expected=expected, actual=actual, advice=advice
    )


def met(services: tuple[str, ...]) -> tuple[CheckResult, ...]:
    """Three policies of the site and one of a service, all met."""
    young = ("the data is young enough, by the pull that brought it", "at most 1d2h", "2h16m")
    quick = ("it was restored and asked in time", "at most 30m", "22.5 s")
    kept = ("the snapshots that must be kept are there", "7 daily, 4 weekly", "7 daily, 4 weekly")
    rpo = [answer("rpo.too-old", Outcome.PASS, name, young) for name in services if name != "mealie"]
    return (
        check_result("rpo", "rpo of the site", rpo, 0.01),
        check_result(
            "rto", "rto of the site", [answer("rto.too-slow", Outcome.PASS, name, quick) for name in services]
        ),
        check_result("retention", "retention of the site", [answer("retention.gap", Outcome.PASS, "site", kept)]),
        check_result("rpo", "rpo of mealie", [answer("rpo.too-old", Outcome.PASS, "mealie", young)]),
    )


def not_met(services: tuple[str, ...]) -> tuple[CheckResult, ...]:
    """As `met`, but mealie's data is too old and a weekly snapshot is missing."""
    _, rto, _, _ = before = met(services)
    told = ("the data is too old, by the pull that brought it", "at most 1d2h", "3d4h, from 2026-03-10 23:14 UTC")
    old = answer("rpo.too-old", Outcome.FAIL, "mealie", told, "see why the pull or the backup did not run")
    gap = ("a week has no snapshot", "4 weekly", "3 weekly, none of 2026-02-23 to 2026-03-01")
    weeks = answer("retention.gap", Outcome.FAIL, "site", gap, "see why the backup did not run in that week")
    copies = answer("copies.one-host", Outcome.WARN, "site", ("both copies are on one host", "2 hosts", "1 host"))
    return (
        before[0],
        rto,
        check_result("retention", "retention of the site", [weeks]),
        check_result("rpo", "rpo of mealie", [old]),
        check_result("copies", "copies of the site", [copies]),
    )


def not_looked(services: tuple[str, ...]) -> tuple[CheckResult, ...]:
    """As `met`, but the repository could not be asked for its snapshots, and one policy was not asked."""
    locked = Finding(
        id="repository.locked",
        outcome=Outcome.ERROR,
        subject="retention of the site",
        message="the repository is locked by another process",
        advice="wait for it, or see whether it still runs",
    )
    skipped = Finding(
        id="rpo.too-old", outcome=Outcome.SKIP, subject="mealie", message="it was not asked in this run"
    )
    before = met(services)
    return (
        *before[:2],
        check_result("retention", "retention of the site", [locked], 0.4),
        CheckResult(kind="rpo", name="rpo of mealie", findings=(skipped,)),
    )
