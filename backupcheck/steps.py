"""The steps of a night before its drill, each a command of its own: pull every service, back the mirror up."""

from __future__ import annotations

from collections.abc import Sequence

from backupcheck.errors import BackupcheckError
from backupcheck.face import Face
from backupcheck.plan import repository_of
from backupcheck.restic.repository import Repository
from backupcheck.result import Outcome
from backupcheck.seal.marker import read_marker
from backupcheck.spec import Loaded, Mistaken, Site, Spec
from backupcheck.sync.services import Synced, Wishes, sync
from backupcheck.tree import Tree


def pull(site: Site, specs: Sequence[Spec], face: Face, wishes: Wishes | None = None) -> tuple[Synced, ...]:
    """Pull every service, with progress."""
    return sync(site, specs, lambda service, text: face.stage("sync", service, text), wishes)


def show_synced(face: Face, synced: Sequence[Synced], mistakes: Sequence[Mistaken] = ()) -> int:
    """Say how the pulls went, and whose spec is wrong; the exit status of `sync` alone."""
    results = [(item.service, item.result) for item in synced]
    results += [(item.service, item.result) for item in mistakes]
    for service, result in results:
        for finding in result.findings:
            mark = "ok" if finding.outcome is Outcome.PASS else finding.outcome.name
            face.note(f"{mark} {service} {finding.message}" + (f" [{finding.id}]" if mark != "ok" else ""))
            if finding.advice:
                face.note(f"   {finding.advice}")
    outcomes = {item.result.outcome for item in synced}
    if Outcome.FAIL in outcomes:
        return 1
    return 3 if mistakes else 2 if Outcome.ERROR in outcomes or not synced else 0


def back_up(site: Site, *, init: bool) -> str:
    """Back the mirror up; the new snapshot's id. Raises `RepositoryError` or `BadBackup`."""
    repository: Repository = repository_of(site)
    if init and not repository.exists():
        repository.init()
    if not site.mirror.is_dir():
        raise BackupcheckError(
            f"there is no mirror folder {site.mirror}",
            id="backup.no-mirror",
            advice="run `backupcheck sync` first",
        )
    wait = site.repository.lock_wait.total_seconds()
    return repository.backup(site.mirror, site.snapshot_host, site.repository.tags, wait)


def not_whole(site: Site, every: Loaded) -> dict[str, str]:
    """The services whose copy in the mirror is not known to be whole, each with the reason."""
    found = {
        wrong.service: f"its spec is wrong: {'; '.join(map(str, wrong.problems))}" for wrong in every.mistakes
    }
    for spec in every.specs:
        folder = site.mirror / spec.service
        problem = read_marker(Tree(folder)).problem if folder.is_dir() else "it was never pulled"
        if problem:
            found[spec.service] = problem
    return found
