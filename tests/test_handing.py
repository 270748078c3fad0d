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
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from backupcheck import content
from backupcheck.errands import Errands, groups
from backupcheck.errors import ExecutorError
from backupcheck.handing import Hands, by_executor
from backupcheck.plan import choose_engine, make_plan
from backupcheck.proving import SITE, Answer, Proven, Task, digest_of, prove
from backupcheck.result import Outcome, Proof, Run
from backupcheck.session import By, Here
from backupcheck.spec import load_each, load_site, spec_of
from backupcheck.suite import Suite
from tests.heldsite import HeldSite, backed_up, held_sites, is_gone, wait_until
from tests.lab.lab import REPOSITORY_ROOT
from tests.smallsite import SERVICES, SmallSite, small_site

CLOCK = datetime.now(UTC)
SECONDS = 120.0


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    with small_site() as made:
        backed_up(made)
        yield made


@pytest.fixture(scope="module")
def held_site() -> Iterator[HeldSite]:
    with held_sites() as made:
        yield made


def errands(site: SmallSite, seconds: float = SECONDS) -> Errands:
    return Errands(site.site, None, seconds)


def drilled(site: SmallSite, by: By | None = None) -> Run:
    """A run by others, or by this process."""
    loaded = load_site(site.site)
    who = by or Here(choose_engine("process"))
    suite = Suite(loaded, load_each(loaded.specs).specs, who.engine, clock=CLOCK)
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
    return list(map(timeless, one.services)) == list(map(timeless, other.services))


@pytest.mark.parametrize(
    "executor",
    [lambda: ThreadPoolExecutor(2), lambda: ProcessPoolExecutor(1, mp_context=get_context("spawn"))],
    ids=["threads", "processes"],
)
def test_any_executor_proves_what_this_process_does(
    executor: Callable[[], Executor], site: SmallSite, here: Run
) -> None:
    with executor() as others:
        run = drilled(site, by_executor(others, errands(site)))

    assert run.exit_status == here.exit_status == 0
    assert [proof.service for proof in run.services] == [proof.service for proof in here.services]
    assert all(proof.content and proof.content.marks for proof in run.services)
    assert the_same(run, here)
    assert run.not_exercised == here.not_exercised
    assert site.left_in_scratch == []


def test_tests_in_python_are_run_by_the_worker_also_those_of_two_services(held_site: HeldSite) -> None:
    here = drilled(held_site)
    with ThreadPoolExecutor(2) as others:
        run = drilled(held_site, by_executor(others, errands(held_site)))

    said = [check.name for proof in run.services for check in proof.checks if check.kind == "pytest"]
    assert said == ["test_of_notes", "test_of_both"]
    assert run.exit_status == 0
    assert the_same(run, here)


class Replying(Executor):
    """An executor that answers at once, with proofs that are known, changed by the test."""

    def __init__(self, known: Run, change: Callable[[dict[str, Any]], object]) -> None:
        self.known = {proof.service: proof for proof in known.services}
        self.change = change

    def submit(self, function: Any, /, *words: Any, **named: Any) -> Future[Any]:
        (asked,) = words
        task = Task.model_validate_json(asked)
        proofs = [self.known[wanted.service] for wanted in task.wanted]
        proven = tuple(Proven(proof=proof, content=proof.content) for proof in proofs)
        answer = Answer(worker="another", asked=digest_of(asked.encode()), proven=proven)
        plain = json.loads(answer.model_dump_json(round_trip=True))
        changed = self.change(plain)
        future: Future[Any] = Future()
        future.set_result(changed if changed is not None else json.dumps(plain))
        return future


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


def test_an_answer_that_fits_is_believed(site: SmallSite, here: Run) -> None:
    run = drilled(site, by_executor(Replying(here, lambda plain: None), errands(site)))

    assert run.exit_status == 0
    assert the_same(run, here)


@pytest.mark.parametrize("name", TAMPERED)
def test_an_answer_to_something_else_is_an_error(name: str, site: SmallSite, here: Run) -> None:
    expected, change = TAMPERED[name]
    run = drilled(site, by_executor(Replying(here, change), errands(site)))

    assert run.exit_status == 2
    assert {proof.outcome for proof in run.services} == {Outcome.ERROR}
    assert {found.id for proof in run.services for found in proof.troubles} == {expected}


def test_what_a_worker_says_of_the_past_or_of_a_restore_is_this_machines_to_say(
    site: SmallSite, here: Run
) -> None:
    def boast(plain: dict[str, Any]) -> None:
        plain["proven"][0]["proof"] |= {
            "runbook": ["rm -rf /"],
            "last_proven": "2026-01-01T00:00:00Z",
            "about": "x",
        }

    run = drilled(site, by_executor(Replying(here, boast), errands(site)))

    assert the_same(run, here)


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
    "no repository": ((("/repository,", "/elsewhere,"),), "repository.missing"),
    "another site": ((("site: demo", "site: other"),), "executor.failed: the site here is 'other', not 'demo'"),
    "no engine": ((("engine: process", "engine: lxc"),), "the engine lxc cannot work here"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_a_worker_that_cannot_prove_says_why_and_no_backup_is_called_bad(
    name: str, site: SmallSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, why = UNFIT[name]
    if "engine" in name and choose_engine("auto").kind() == "lxc":
        pytest.skip("lxc works here")
    (site.folder / "other").write_text("not the password\n")
    monkeypatch.setenv(SITE, str(other_site(site, tmp_path, *changes)))
    with ThreadPoolExecutor(3) as others:
        run = drilled(site, by_executor(others, errands(site)))

    troubles = [found for proof in run.services for found in proof.troubles]
    assert run.exit_status == 2
    assert {found.id for found in troubles} == {"executor.worker-unfit"}
    assert all(why in found.message for found in troubles)
    assert "not the password" not in str(troubles)


def test_tests_in_python_that_differ_on_the_worker_are_not_left_out(
    held_site: HeldSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = other_site(held_site, tmp_path)
    (file.parent / "test_notes.py").write_text("")
    monkeypatch.setenv(SITE, str(file))
    with ThreadPoolExecutor(2) as others:
        run = drilled(held_site, by_executor(others, errands(held_site)))

    found = {proof.service: {one.id for one in proof.troubles} for proof in run.services}
    assert found == {"notes": {"executor.tests-missing"}, "tasks": {"executor.tests-missing"}, "proxy": set()}


def test_a_proof_that_takes_too_long_is_given_up_and_cleaned_up(held_site: HeldSite) -> None:
    held_site.hold()
    with ThreadPoolExecutor(2) as others:
        run = drilled(held_site, by_executor(others, errands(held_site, seconds=8)))
    held_site.held.unlink()

    found = {proof.service: {one.id for one in proof.troubles} for proof in run.services}
    assert found["notes"] == found["tasks"] == {"executor.timed-out"}
    assert held_site.left_in_scratch == []


def task_of(site: SmallSite, service: str) -> str:
    """The task of one service, as a run would hand it out."""
    loaded = load_site(site.site)
    suite = Suite(loaded, load_each(loaded.specs).specs, choose_engine("process"))
    snapshot = make_plan(loaded, [service]).snapshot.id
    tasks = errands(site).tasks(suite, snapshot)
    return next(task.model_dump_json() for task in tasks if service in [one.service for one in task.wanted])


def test_a_proof_that_nobody_wants_any_more_is_cleaned_up(held_site: HeldSite) -> None:
    held_site.hold()
    taken_back = threading.Event()
    with ThreadPoolExecutor(1) as others:
        future = others.submit(prove, task_of(held_site, "notes"), lambda: not taken_back.is_set())
        at_work, _ = held_site.working()
        taken_back.set()
        answer = Answer.model_validate_json(future.result(120))
    held_site.held.unlink()

    assert answer.trouble is not None
    assert answer.trouble.id == "executor.not-wanted"
    assert is_gone(at_work)
    assert held_site.left_in_scratch == []


ASKING = "import sys; from backupcheck.proving import prove; print(prove(sys.stdin.read()))"


@pytest.mark.parametrize("both", [False, True], ids=["the worker", "the worker and its process"])
def test_what_a_killed_worker_restored_is_removed(both: bool, held_site: HeldSite) -> None:
    """By its process, which sees it go; if that is killed too, by the next proof."""
    held_site.hold()
    asked = task_of(held_site, "notes")
    with subprocess.Popen([sys.executable, "-c", ASKING], stdin=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        worker.stdin.write(asked)
        worker.stdin.close()
        at_work, starter = held_site.working()
        assert starter == worker.pid
        if both:
            os.kill(worker.pid, signal.SIGSTOP)
            os.kill(at_work, signal.SIGKILL)
        worker.kill()
    wait_until(lambda: is_gone(at_work))
    held_site.held.unlink()
    if both:
        assert held_site.left_in_scratch != []
        assert Answer.model_validate_json(prove(task_of(held_site, "proxy"))).trouble is None

    assert held_site.left_in_scratch == []


class Silent(Executor):
    """An executor that never answers."""

    def submit(self, function: Any, /, *words: Any, **named: Any) -> Future[Any]:
        return Future()


class Failing(Executor):
    """An executor whose workers know nothing of backupcheck."""

    def submit(self, function: Any, /, *words: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(ModuleNotFoundError("No module named 'backupcheck'"))
        return future


@pytest.mark.parametrize(
    ("executor", "id"),
    [(Silent(), "executor.timed-out"), (Failing(), "executor.failed")],
    ids=["silent", "failing"],
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
