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
from backupcheck.drill import Drill, sweep
from backupcheck.scratch.lxc import Lxc
from backupcheck.scratch.process import Process
from backupcheck.spec import load_site, load_specs
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


@ROOT
def test_boxes_that_cannot_read_memory_find_it_on_disk(site: SmallSite, monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(Process):
        def why_not_memory(self) -> str:
            return "the kernel is too old"

    with Drill(load_site(site.site), Old()) as drill:
        drill.start(load_specs(site.specs))
        assert drill.proof("notes").scratch == "on disk: the kernel is too old"


@pytest.mark.parametrize(
    ("release", "works"), [("6.1.0-18-amd64", False), ("6.3.0", True), ("6.8.12-4-pve", True), ("5.15", False)]
)
def test_lxc_maps_owners_in_memory_by_newer_kernels(
    release: str, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*known[:2], release, *known[3:])))

    assert (Lxc().why_not_memory() == "") is works


@pytest.mark.lxc
@pytest.mark.parametrize("only", [(), ("notes",)], ids=["all together", "one by itself"])
def test_containers_read_what_lies_in_memory(site: SmallSite, only: tuple[str, ...]) -> None:
    text = site.site.read_text()
    site.site.write_text(text.replace("engine: process", "engine: lxc"))
    try:
        report = site.run("drill", *only)
    finally:
        site.site.write_text(text)

    why_not = Lxc().why_not_memory()
    assert report.status == 0
    assert {service["scratch"] for service in report.run["services"]} == {
        f"on disk: {why_not}" if why_not else "in memory"
    }


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
