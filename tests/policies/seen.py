"""Sites, runs and proofs as policies see them, made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backupcheck.history import FILE, History
from backupcheck.plan import repository_of
from backupcheck.policy import View
from backupcheck.result import Finding, Outcome, Proof, Run, check_result
from backupcheck.spec import load_site, load_specs

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SITE = """\
site: homelab
mirror: mirror
repository: {url: repository, password_file: password}
scratch: {folder: scratch}
reports: reports
state: state
"""
SPEC = """\
service: NAME
source: {host: local, paths: [/opt/NAME/]}
checks: [{files: {glob: "/opt/NAME/*", count: {gte: 1}}}]
"""


def view(folder: Path, *proofs: Proof, services: tuple[str, ...] = ("notes",), finished: datetime = NOW) -> View:
    """A site in `folder` with a spec for each service, whose run has these proofs, and an empty history."""
    (folder / "site.yaml").write_text(SITE)
    for name in services:
        (folder / f"{name}.yaml").write_text(SPEC.replace("NAME", name))
    site = load_site(folder / "site.yaml")
    return View(
        site=site,
        specs=load_specs(folder),
        run=run(*proofs, finished=finished),
        history=History(site.state / FILE),
        repository=repository_of(site),
    )


def run(*proofs: Proof, finished: datetime = NOW, run_id: str = "") -> Run:
    """A run that ended then."""
    return Run(
        run_id=run_id or f"{finished:%Y%m%dT%H%M%SZ}-0000",
        site="homelab",
        started=finished,
        finished=finished,
        version="0",
        services=proofs,
    )


def proof(service: str = "notes", outcome: Outcome = Outcome.PASS, **fields: Any) -> Proof:
    """A verdict on a service, by one check."""
    finding = Finding(id="files.count", outcome=outcome, subject="/opt", message="counted")
    return Proof(service=service, checks=(check_result("files", "files", [finding]),), **fields)


def said(findings: Any) -> set[tuple[str, str, str]]:
    """Id, outcome and subject of each finding that is no PASS."""
    return {
        (finding.id, finding.outcome.value, finding.subject)
        for finding in findings
        if finding.outcome is not Outcome.PASS
    }
