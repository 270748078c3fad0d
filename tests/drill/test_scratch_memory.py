"""Where a drill restores: in memory where all surely fits, else on the disk, and it says so."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.boxes import memory
from backupcheck.boxes.folder import made, mounts
from backupcheck.drill import sweep
from tests.smallsite import SmallSite, small_site

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
SCRATCH = "scratch: {folder: ../scratch, engine: process"


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    with small_site() as small:
        assert small.night().status == 0
        yield small


def where(site: SmallSite, setting: str) -> set[str]:
    """Where the services were restored with a setting of the site's."""
    text = site.site.read_text()
    site.site.write_text(text.replace(SCRATCH, f"{SCRATCH}{setting}"))
    try:
        report = site.run("drill")
    finally:
        site.site.write_text(text)
    assert report.status == 0
    assert site.left_in_scratch == []
    return {service["scratch"] for service in report.run["services"]}


@ROOT
def test_what_fits_is_restored_in_memory(site: SmallSite) -> None:
    assert where(site, "") == {"in memory"}


def test_a_site_may_say_never(site: SmallSite) -> None:
    assert where(site, ", memory: never") == {"on disk: the site says so"}


@ROOT
def test_what_does_not_fit_is_restored_on_disk_and_said(site: SmallSite) -> None:
    (said,) = where(site, ", memory: 1M")

    assert re.fullmatch(r"on disk: \d+ bytes are needed, and 1048576 of memory may be taken", said)


def test_no_more_than_half_of_what_is_available_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2 * memory.needed(10, 1000))
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert memory.why_not(10, 1000) == ""
    assert "are needed" in memory.why_not(11, 1000)


def test_a_limit_of_the_sites_is_no_promise_that_there_is_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert "are needed" in memory.why_not(10, 1000, most=2**40)


@ROOT
def test_what_others_were_promised_is_not_taken_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need = memory.needed(10, 1000)
    first = memory._promised()
    monkeypatch.setattr(memory, "available", lambda: 2 * first + 3 * need)
    with made(tmp_path / "one") as one, made(tmp_path / "other") as other:
        assert memory.why_not(10, 1000) == ""
        with memory.mounted(one, 10, 1000) as in_memory:
            assert "are needed" in memory.why_not(10, 1000)
            with memory.mounted(other, 10, 1000) as too_late:
                assert len(mounts(tmp_path)) == 1

    assert (in_memory, too_late) == (one / memory.NAME, None)
    assert mounts(tmp_path) == ()


@ROOT
def test_what_a_killed_drill_left_mounted_is_unmounted_by_the_next(site: SmallSite) -> None:
    scratch = site.folder / "scratch"
    drill = site.started("drill")
    deadline = time.monotonic() + 60
    while not mounts(scratch) and time.monotonic() < deadline:
        time.sleep(0.01)
    drill.send_signal(signal.SIGKILL)
    drill.communicate()

    assert [path.name for path in mounts(scratch)] == [memory.NAME]
    time.sleep(1)  # what it started dies with it
    sweep(scratch)
    assert mounts(scratch) == ()
    assert site.left_in_scratch == []
