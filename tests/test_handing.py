"""Services proven by others: any executor of Python's carries the task, and only a fitting answer is believed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from backupcheck import content
from backupcheck.drill import ServiceDrill
from backupcheck.errors import ExecutorError
from backupcheck.hands.errands import Errands, groups
from backupcheck.hands.handing import Handed, Hands, by_executor
from backupcheck.hands.own import By, Here
from backupcheck.hands.proving import SITE, Answer, Proven, Task, digest_of, prove
from backupcheck.plan import Plan, choose_engine, make_plan
from backupcheck.result import Outcome, Proof, Run
from backupcheck.spec import load_each, load_site, spec_of
from backupcheck.suite import Suite
from tests.heldsite import HeldSite, held_sites, is_gone, wait_until
from tests.lab.lab import REPOSITORY_ROOT
from tests.smallsite import SERVICES, SmallSite

CLOCK = datetime.now(UTC)
SECONDS = 120.0


@pytest.fixture(scope="module")
def site() -> Iterator[HeldSite]:
    with held_sites() as made:
        for name in SERVICES[1:]:  # policies that ask what the files of all but the first are
            spec = made.specs / f"{name}.yaml"
            spec.write_text(spec.read_text() + "policies: [{growth: {}}]\n")
        yield made


def errands(site: SmallSite, seconds: float = SECONDS) -> Errands:
    return Errands(site.site, None, seconds)


def drilled(site: SmallSite, by: By | None = None, only: Iterable[str] = (), clock: datetime = CLOCK) -> Run:
    """A run by others, or by this process, of all services or some."""
    loaded = load_site(site.site)
    who = by or Here(choose_engine("process"))
    every = load_each(loaded.specs)
    suite = Suite(loaded, every.only(only or every.services).specs, who.engine, clock=clock)
    return who.drilled(suite, "run", lambda proof: None)


@pytest.fixture(scope="module")
def here(site: SmallSite) -> Run:
    """What this process proves by itself."""
    return drilled(site)


def timeless(proof: Proof) -> Any:
    """A proof without how long anything took."""
    plain = proof.model_dump(mode="json")
    plain["seconds"] = sorted(plain["seconds"])
    plain["runbook"] = [re.sub(r"; it took .* in the drill", "", line) for line in plain["runbook"]]
    for check in plain["checks"]:
        check["seconds"] = 0
    return plain, proof.content


def the_same(one: Run, other: Run) -> bool:
    """Whether the services of the one run were proven alike in the other."""
    known = {proof.service: timeless(proof) for proof in other.services}
    return bool(one.services) and all(timeless(proof) == known[proof.service] for proof in one.services)


def test_any_executor_proves_what_this_process_does(site: SmallSite, here: Run) -> None:
    with ThreadPoolExecutor(2) as others:
        run = drilled(site, by_executor(others, errands(site)))

    assert run.exit_status == here.exit_status == 0
    assert [proof.service for proof in run.services] == [proof.service for proof in here.services]
    looked_at = {proof.service for proof in run.services if proof.content and proof.content.marks}
    assert looked_at == set(SERVICES[1:])
    assert the_same(run, here)
    assert run.not_exercised == here.not_exercised
    said = [check.name for proof in run.services for check in proof.checks if check.kind == "pytest"]
    assert said == ["test_of_notes", "test_of_both"]
    assert site.left_in_scratch == []


def test_the_task_and_the_answer_go_from_process_to_process(site: SmallSite, here: Run) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as others:
        run = drilled(site, by_executor(others, errands(site)), only=["proxy"])

    assert run.exit_status == 0
    assert the_same(run, here)


def test_what_is_bad_is_bad_by_the_clock_of_whoever_asks(site: SmallSite) -> None:
    with ThreadPoolExecutor(1) as others:
        later = CLOCK + timedelta(days=200)
        run = drilled(site, by_executor(others, errands(site)), only=["proxy"], clock=later)

    assert run.exit_status == 1
    assert "certificate.expired" in {found.id for found in run.services[0].troubles}


@dataclass(frozen=True)
class Asked:
    """What a run asks for, before anybody has answered: how it began, its plan, and its first task."""

    site: SmallSite
    suite: Suite
    plan: Plan
    task: Task
    known: Run

    def answered(self, change: Callable[[dict[str, Any]], object]) -> Proof:
        """What is made of the right answer, changed by the test."""
        drill = Handed(self.suite, by_executor(Silent(), errands(self.site)))
        drill.services = {spec.service: ServiceDrill(spec, clock=CLOCK) for spec in self.suite.specs}
        drill.plan = self.plan
        asked = self.task.model_dump_json()
        service = self.task.wanted[0].service
        proof = next(one for one in self.known.services if one.service == service)
        answer = Answer(
            worker="another",
            asked=digest_of(asked.encode()),
            proven=(Proven(proof=proof, content=proof.content),),
        )
        plain = json.loads(answer.model_dump_json(round_trip=True))
        changed = change(plain)
        future: Future[Any] = Future()
        future.set_result(changed if changed is not None else json.dumps(plain))
        drill.settle(future, self.task, asked)
        return drill.proof(service)


def _alone(tasks: Sequence[Task]) -> Task:
    return next(task for task in tasks if len(task.wanted) == 1)


@pytest.fixture(scope="module")
def asked(site: SmallSite, here: Run) -> Asked:
    loaded = load_site(site.site)
    suite = Suite(loaded, load_each(loaded.specs).specs, choose_engine("process"), clock=CLOCK)
    plan = make_plan(loaded, SERVICES)
    return Asked(site, suite, plan, _alone(errands(site).tasks(suite, plan.snapshot.id)), here)


def set_in(place: str, value: object) -> Callable[[dict[str, Any]], None]:
    """A change of one value of the first proof, or of the answer."""

    def change(plain: dict[str, Any]) -> None:
        at = plain["proven"][0]["proof"] if place not in plain else plain
        at[place] = value

    return change


def left_out(plain: dict[str, Any]) -> None:
    del plain["proven"][0]["proof"]["checks"][-1]


TAMPERED = {
    "version": ("executor.other-version", set_in("version", "0.0.1")),
    "another task": ("executor.other-answer", set_in("asked", "0" * 64)),
    "snapshot": ("executor.other-answer", set_in("snapshot", "0" * 64)),
    "snapshot's time": ("executor.other-answer", set_in("snapshot_time", "2020-01-01T00:00:00Z")),
    "spec": ("executor.other-answer", set_in("spec_digest", "0" * 64)),
    "service": ("executor.other-answer", set_in("service", "other")),
    "files": ("executor.other-answer", set_in("files", 1)),
    "files not counted": ("executor.other-answer", set_in("files", None)),
    "a check left out": ("executor.other-answer", left_out),
    "no checks": ("executor.other-answer", set_in("checks", [])),
    "no proofs": ("executor.other-answer", set_in("proven", [])),
    "unknown key": ("executor.other-answer", set_in("good", True)),
    "no JSON": ("executor.other-answer", lambda plain: "proven"),
    "no text": ("executor.other-answer", lambda plain: 7),
}


def test_an_answer_that_fits_is_believed(asked: Asked) -> None:
    proof = asked.answered(lambda plain: None)

    assert proof.outcome is Outcome.PASS
    assert timeless(proof) == timeless(next(one for one in asked.known.services if one.service == proof.service))


@pytest.mark.parametrize("name", TAMPERED)
def test_an_answer_to_something_else_is_an_error(name: str, asked: Asked) -> None:
    expected, change = TAMPERED[name]
    proof = asked.answered(change)

    assert proof.outcome is Outcome.ERROR
    assert {found.id for found in proof.troubles} == {expected}


def test_what_a_worker_says_of_the_past_or_of_a_restore_is_this_machines_to_say(asked: Asked) -> None:
    def boast(plain: dict[str, Any]) -> None:
        said = {"runbook": ["rm -rf /"], "last_proven": "2026-01-01T00:00:00Z", "about": "x"}
        plain["proven"][0]["proof"] |= said

    assert timeless(asked.answered(boast)) == timeless(asked.answered(lambda plain: None))


def test_why_a_worker_cannot_prove_is_told_with_its_name(asked: Asked) -> None:
    trouble = {"id": "repository.wrong-password", "message": "the password is wrong", "advice": "correct it"}
    proof = asked.answered(set_in("trouble", trouble))

    assert [(found.id, found.outcome, found.advice) for found in proof.troubles] == [
        ("executor.worker-unfit", Outcome.ERROR, "correct it")
    ]
    assert "another cannot prove anything: repository.wrong-password" in proof.troubles[0].message


def other_site(site: SmallSite, folder: Path, *changes: tuple[str, str]) -> Path:
    """A worker's own site file, with its own folder of specs."""
    shutil.copytree(site.specs, folder / "specs")
    text = site.site.read_text().replace("../", f"{site.folder}/")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "specs/site.yaml").write_text(text)
    return folder / "specs/site.yaml"


UNFIT = {
    "wrong password": ((("/password}", "/other}"),), "repository.wrong-password"),
    "no repository": ((("/repository,", "/elsewhere,"),), "repository."),
    "another site": ((("site: demo", "site: other"),), "executor.failed: the site here is 'other', not 'demo'"),
    "a wrong site file": ((("engine: process", "engine: none"),), "'none' is no engine"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_worker_that_cannot_prove_says_why(
    name: str, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, why = UNFIT[name]
    (asked.site.folder / "other").write_text("not the password\n")
    monkeypatch.setenv(SITE, str(other_site(asked.site, tmp_path, *changes)))
    answer = Answer.model_validate_json(prove(asked.task.model_dump_json()))

    assert answer.proven == ()
    assert answer.trouble is not None
    assert why in f"{answer.trouble.id}: {answer.trouble.message}"
    assert "not the password" not in str(answer)


def test_a_worker_with_a_wrong_password_makes_no_backup_bad(
    site: SmallSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site.folder / "other").write_text("not the password\n")
    monkeypatch.setenv(SITE, str(other_site(site, tmp_path, *UNFIT["wrong password"][0])))
    with ThreadPoolExecutor(1) as others:
        run = drilled(site, by_executor(others, errands(site)), only=["proxy"])

    assert run.exit_status == 2
    assert [found.id for found in run.services[0].troubles] == ["executor.worker-unfit"]


def test_tests_in_python_that_differ_on_the_worker_are_not_left_out(
    site: HeldSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = other_site(site, tmp_path)
    (file.parent / "test_notes.py").write_text("")
    monkeypatch.setenv(SITE, str(file))
    with ThreadPoolExecutor(2) as others:
        run = drilled(site, by_executor(others, errands(site)), only=["notes", "tasks"])

    found = {proof.service: {one.id for one in proof.troubles} for proof in run.services}
    assert found == {"notes": {"executor.tests-missing"}, "tasks": {"executor.tests-missing"}}


def test_a_proof_that_takes_too_long_is_given_up_and_cleaned_up(site: HeldSite) -> None:
    site.hold()
    with ThreadPoolExecutor(2) as others:
        run = drilled(site, by_executor(others, errands(site, seconds=5)), only=["notes", "tasks"])
    site.held.unlink()

    found = {proof.service: {one.id for one in proof.troubles} for proof in run.services}
    assert found["notes"] == found["tasks"] == {"executor.timed-out"}
    assert site.left_in_scratch == []


def task_of(site: SmallSite, service: str) -> str:
    """The task of one service, as a run would hand it out."""
    loaded = load_site(site.site)
    suite = Suite(loaded, load_each(loaded.specs).specs, choose_engine("process"))
    snapshot = make_plan(loaded, [service]).snapshot.id
    tasks = errands(site).tasks(suite, snapshot)
    return next(task.model_dump_json() for task in tasks if service in [one.service for one in task.wanted])


def test_a_proof_that_nobody_wants_any_more_is_cleaned_up(site: HeldSite) -> None:
    site.hold()
    taken_back = threading.Event()
    with ThreadPoolExecutor(1) as others:
        future = others.submit(prove, task_of(site, "notes"), lambda: not taken_back.is_set())
        at_work, _ = site.working()
        taken_back.set()
        answer = Answer.model_validate_json(future.result(120))
    site.held.unlink()

    assert answer.trouble is not None
    assert answer.trouble.id == "executor.not-wanted"
    assert is_gone(at_work)
    assert site.left_in_scratch == []


ASKING = "import sys; from backupcheck.hands.proving import prove; print(prove(sys.stdin.read()))"


@pytest.mark.parametrize("both", [False, True], ids=["the worker", "the worker and its process"])
def test_what_a_killed_worker_restored_is_removed(both: bool, site: HeldSite) -> None:
    """By its process, which sees it go; if that is killed too, by the next proof."""
    site.hold()
    asked = task_of(site, "notes")
    with subprocess.Popen([sys.executable, "-c", ASKING], stdin=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        worker.stdin.write(asked)
        worker.stdin.close()
        at_work, starter = site.working()
        assert starter == worker.pid
        if both:
            os.kill(worker.pid, signal.SIGSTOP)
            os.kill(at_work, signal.SIGKILL)
        worker.kill()
    wait_until(lambda: is_gone(at_work))
    site.held.unlink()
    if both:
        assert site.left_in_scratch != []
        assert Answer.model_validate_json(prove(task_of(site, "proxy"))).trouble is None

    assert site.left_in_scratch == []


class Silent(Executor):
    """An executor that never answers."""

    def submit(self, function: Any, /, *words: Any, **named: Any) -> Future[Any]:
        return Future()


class Failing(Executor):
    """An executor whose workers fail."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def submit(self, function: Any, /, *words: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(self.error)
        return future


@pytest.mark.parametrize(
    ("executor", "id"),
    [
        (Silent(), "executor.timed-out"),
        (Failing(ModuleNotFoundError("No module named 'backupcheck'")), "executor.failed"),
        (Failing(BrokenExecutor("a process ended")), "executor.worker-lost"),
    ],
    ids=["silent", "strange", "broken"],
)
def test_an_executor_that_does_not_answer_is_an_error_in_bounded_time(
    executor: Executor, id: str, site: SmallSite
) -> None:
    run = drilled(site, by_executor(executor, errands(site, seconds=1), patience=0.5))

    assert run.exit_status == 2
    assert {found.id for proof in run.services for found in proof.troubles} == {id}


def test_an_executor_that_is_not_there_is_named_once(site: SmallSite) -> None:
    def opened() -> Any:
        raise ExecutorError("nobody is there", id="executor.unreachable")

    run = drilled(site, Hands("nobody", opened, errands(site)))

    assert run.exit_status == 2
    assert [finding.id for policy in run.policies for finding in policy.findings] == ["executor.unreachable"]
    assert {proof.outcome for proof in run.services} == {Outcome.ERROR}


def test_a_spec_means_the_same_where_only_its_text_is() -> None:
    loaded = load_each(REPOSITORY_ROOT / "specs")
    read = [spec_of(file.read_text(), file.resolve()) for file in loaded.files]

    assert read
    assert [spec.digest for spec in read] == [spec.digest for spec in loaded.specs]


def test_services_that_a_test_binds_are_in_one_group() -> None:
    assert groups("abcde", [{"d", "b"}, {"x"}]) == [("a",), ("b", "d"), ("c",), ("e",)]
    assert groups("abc", [{"a", "b"}, {"b", "c"}]) == [("a", "b", "c")]
    assert groups(SERVICES, []) == [(name,) for name in SERVICES]


def test_the_content_of_files_survives_the_way() -> None:
    there = content.Content(looks=content.Looks(), marks=bytes(range(256)), longer=b"\xff\x00")

    assert content.Content.model_validate_json(there.model_dump_json()) == there
