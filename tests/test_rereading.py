"""A run is read back from its run.json as it was; what cannot be understood is refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backupcheck.errors import BackupcheckError
from backupcheck.nightly import write_reports
from backupcheck.reporters.json import Json
from backupcheck.rereading import LATEST, folder_of, read
from tests.reporters import runs
from tests.reporters.runs import SAMPLES


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A folder with the run.json of a mixed run, changed."""
    content = json.loads(Json().render(runs.mixed()))
    change(content)
    (folder / "run.json").write_text(json.dumps(content))
    return folder


def refusal(call: Callable[[], object]) -> BackupcheckError:
    with pytest.raises(BackupcheckError) as caught:
        call()
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_run_is_read_back_as_it_was(sample: str, tmp_path: Path) -> None:
    said = Json().render(SAMPLES[sample])
    (tmp_path / "run.json").write_text(said)

    assert json.loads(Json().render(read(tmp_path))) == json.loads(said)


def test_a_run_of_an_older_version_is_read(tmp_path: Path) -> None:
    def older(content: dict[str, Any]) -> None:
        del content["policies"]
        for service in content["services"]:
            for name in ("spec_digest", "pulled", "canary", "rows", "newest", "last_proven", "trend", "runbook"):
                service.pop(name, None)

    run = read(edited(tmp_path, older))

    assert [proof.outcome for proof in run.services] == [proof.outcome for proof in runs.mixed().services]
    assert run.services[0].trend == ()


def test_what_a_newer_version_wrote_besides_is_left_out(tmp_path: Path) -> None:
    def newer(content: dict[str, Any]) -> None:
        content["mood"] = {"good": True}
        content["services"][0]["moods"] = [1]
        content["services"][0]["checks"][0]["findings"][0]["mood"] = "fine"

    assert read(edited(tmp_path, newer)) == read(edited(tmp_path, lambda content: None))


def test_an_edited_verdict_is_found(tmp_path: Path) -> None:
    def greener(content: dict[str, Any]) -> None:
        content["exit_status"] = 0

    error = refusal(lambda: read(edited(tmp_path, greener)))

    assert (error.id, error.exit_status) == ("report.other-verdict", 2)
    assert "says exit status 0, and what it holds makes 1" in error.message


def without_start(content: dict[str, Any]) -> None:
    del content["started"]


def new_outcome(content: dict[str, Any]) -> None:
    content["services"][0]["checks"][0]["findings"][0]["outcome"] = "splendid"


def no_list(content: dict[str, Any]) -> None:
    content["services"] = 5


def no_records(content: dict[str, Any]) -> None:
    content["services"] = [None, 3, "x"]


@pytest.mark.parametrize("change", [without_start, new_outcome, no_list, no_records])
def test_a_run_that_lacks_what_it_must_have_is_refused(
    change: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    assert refusal(lambda: read(edited(tmp_path, change))).id == "report.unreadable"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_run_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(content)

    assert refusal(lambda: read(tmp_path)).id == "report.unreadable"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refusal(lambda: read(tmp_path)).message


def reports(folder: Path, *ids: str) -> Path:
    for name in ids:
        write_reports(runs.healthy().model_copy(update={"run_id": name}), folder)
    return folder


def test_a_run_is_found_by_its_id_or_its_beginning(tmp_path: Path) -> None:
    reports(tmp_path, "20261101T03-a", "20261102T03-b", "20261102T03-b2")

    assert folder_of(tmp_path, "20261101").name == "20261101T03-a"
    assert folder_of(tmp_path, "20261102T03-b").name == "20261102T03-b"
    assert "2 runs begin with '20261102'" in refusal(lambda: folder_of(tmp_path, "20261102")).message


def test_the_last_run_is_where_latest_leads_or_the_newest(tmp_path: Path) -> None:
    reports(tmp_path, "20261102", "20261101")

    assert folder_of(tmp_path, LATEST).name == "20261101"
    (tmp_path / LATEST).unlink()
    assert folder_of(tmp_path, LATEST).name == "20261102"


@pytest.mark.parametrize("wanted", ["../secret", "/etc", "2027", ".."])
def test_what_is_no_run_is_refused_with_those_that_there_are(wanted: str, tmp_path: Path) -> None:
    reports(tmp_path, "20261101", "20261102", "20261103", "20261104")
    error = refusal(lambda: folder_of(tmp_path, wanted))

    assert error.exit_status == 3
    assert error.message.endswith("the newest are 20261104, 20261103, 20261102 and 1 more")


def test_no_run_at_all_proves_nothing(tmp_path: Path) -> None:
    error = refusal(lambda: folder_of(tmp_path / "none", LATEST))

    assert (error.id, error.exit_status) == ("report.none", 2)
