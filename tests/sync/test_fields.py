"""What a spec and a site file may say of a pull."""

from __future__ import annotations

from pathlib import Path

import pytest

from backupcheck.errors import SpecError
from backupcheck.source import Deletions
from backupcheck.spec import load_spec
from backupcheck.sync.services import bound

SPEC = """service: notes
source: {{host: local, paths: [/srv/notes/], {field}}}
checks: [{{seal: {{}}}}]
"""


def loaded(folder: Path, field: str) -> object:
    file = folder / "notes.yaml"
    file.write_text(SPEC.format(field=field))
    return load_spec(file).source


def test_all_has_a_default_that_a_service_can_live_with(tmp_path: Path) -> None:
    file = tmp_path / "notes.yaml"
    file.write_text(SPEC.format(field="exclude: []"))
    source = load_spec(file).source

    assert (source.deletions, source.quota, source.timeout, source.compare_every) == ("50%", None, 21600, 30)
    assert (source.before, source.after, source.machine_id) == (None, None, None)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("50%", Deletions(0.5)), ("0%", Deletions(0.0)), ("100%", Deletions(1.0)), (7, Deletions(0.0, 7))],
)
def test_deletions_are_a_share_or_a_number(written: str | int, meant: Deletions) -> None:
    assert bound(written) == meant


@pytest.mark.parametrize(
    "field",
    [
        "deletions: 50%",
        "deletions: 0",
        "quota: 4G",
        "machine_id: 20dccc6aaf8444f0b8ecc53716931b01",
        "before: {run: [systemctl, stop, notes], timeout: 60}",
    ],
)
def test_what_is_meant_is_read(tmp_path: Path, field: str) -> None:
    assert loaded(tmp_path, field)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("deletions: 150%", "'150%' is no bound: write a share like \"50%\", or a number of names"),
        ("deletions: '50'", "'50' is no bound"),
        ("deletions: -1", "must be at least 0"),
        ("quota: much", "'much' is no size"),
        ("timeout: 0", "must be more than 0"),
        ("compare_every: -1", "must be at least 0"),
        ("machine_id: home", "must look like"),
        ("before: {run: []}", "must have at least 1 item"),
        ("before: {run: ['']}", "is empty or has an unprintable character"),
        ("after: {rum: [ls]}", "the key 'rum' is not known"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_sentence(tmp_path: Path, field: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        loaded(tmp_path, field)

    assert said in str(caught.value)
