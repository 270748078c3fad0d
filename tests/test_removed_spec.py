"""A spec that was removed: each whole run says that nobody asks about its service, until a person forgets it."""

from __future__ import annotations

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from backupcheck.cli import main
from backupcheck.finishing import finished, history_of
from backupcheck.history import specified
from backupcheck.result import Finding, Outcome, Proof, Run
from tests.policies.seen import NOW, proof, run, view

DIGEST = "0" * 64


class Nights:
    """A site of two services without policies; its specs are gone one by one."""

    def __init__(self, folder: Path) -> None:
        seen = view(folder, services=("notes", "tasks"))
        self.site, self.specs = seen.site, seen.specs
        self.history = history_of(self.site)
        self.file = folder / "site.yaml"
        self.folder = folder

    def night(self, number: int, *proofs: Proof, mistaken: tuple[str, ...] = ()) -> Run:
        ended = run(*proofs, finished=NOW + number * timedelta(days=1), run_id=f"night-{number}")
        return finished(ended, self.site, self.specs, NOW, mistaken=mistaken)

    def without(self, service: str) -> None:
        self.specs = tuple(spec for spec in self.specs if spec.service != service)
        (self.folder / f"{service}.yaml").unlink()

    def forget(self, service: str) -> int:
        try:
            return main(["history", "--site", str(self.file), "--forget", service])
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path)


def said(ended: Run) -> list[Finding]:
    return [found for policy in ended.policies for found in policy.findings if found.id == "history.no-spec"]


def good(*services: str) -> tuple[Proof, ...]:
    return tuple(proof(service, spec_digest=DIGEST) for service in services)


def test_a_service_without_a_spec_is_a_warning_of_each_whole_run(nights: Nights) -> None:
    first = nights.night(0, *good("notes", "tasks"))
    nights.without("tasks")
    second, third = nights.night(1, *good("notes")), nights.night(2, *good("notes"))

    assert said(first) == []
    assert [len(said(ended)) for ended in (second, third)] == [1, 1]
    assert (second.exit_status, said(second)[0].outcome, said(second)[0].subject) == (0, Outcome.WARN, "tasks")
    assert f"last proven {NOW:%Y-%m-%d %H:%M} UTC, and no spec names it any more" in said(second)[0].message
    assert "`backupcheck history --forget tasks`" in said(second)[0].advice


def test_a_run_of_some_services_and_a_spec_that_is_wrong_are_no_reason_to_say_it(nights: Nights) -> None:
    nights.night(0, *good("notes", "tasks"))
    nights.without("tasks")
    of_some = nights.night(1)  # the site has the spec of notes, and the run asked nothing of it
    wrong = nights.night(2, *good("notes"), proof("tasks", outcome=Outcome.ERROR), mistaken=("tasks",))

    assert (said(of_some), said(wrong)) == ([], [])


def test_a_file_that_never_was_a_right_spec_is_no_service(nights: Nights) -> None:
    nights.night(0, *good("notes", "tasks"), proof("test_it", outcome=Outcome.ERROR))

    assert specified(nights.history) == ("notes", "tasks")
    assert said(nights.night(1, *good("notes", "tasks"))) == []


def test_what_is_forgotten_is_not_told_again(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    nights.night(0, *good("notes", "tasks"))
    nights.without("tasks")

    assert nights.forget("tasks") == 0
    assert "tasks is forgotten: 1 verdict; the reports and the evidence stay" in capsys.readouterr().out
    assert (said(nights.night(1, *good("notes"))), nights.history.services()) == ([], ("notes",))
    assert (nights.history.count("tasks"), nights.history.baseline("tasks")) == ((0, 0), {})
    assert len(nights.history.runs()) == 2


def test_a_service_with_a_spec_is_not_forgotten(nights: Nights, capsys: pytest.CaptureFixture[str]) -> None:
    nights.night(0, *good("notes", "tasks"))

    assert nights.forget("notes") == 3
    assert "notes has a spec, so its history is not forgotten" in capsys.readouterr().err
    assert nights.forget("notse") == 3
    assert "did you mean 'notes'?" in capsys.readouterr().err
    assert nights.history.services() == ("notes", "tasks")
