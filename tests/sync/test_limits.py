"""What bounds one service's pull: its attempts, its time, its quota, room on the disk."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.capture.postgres import Postgres
from backupcheck.errors import Interrupted, PullError
from backupcheck.remote import Local
from backupcheck.result import Outcome
from backupcheck.seal.header import Header
from backupcheck.seams import Capture, CaptureReport
from backupcheck.source import Pull, Pulled, Source
from backupcheck.sync.paced import Limits, Paced
from backupcheck.sync.preflight import of_system, require_room
from tests.mounts import mounted
from tests.sshd import Sshd
from tests.sync.place import AT_ONCE, DATA, Place

LONG = 60.0
NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)


class Streaming(Capture):
    """A capture whose stream never ends."""

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        return (("cat", "/dev/zero"),)

    def provides(self) -> tuple[str, ...]:
        return ("/opt/app/stream",)

    def take(self, source: Source, folder: Path) -> CaptureReport:
        with (folder / "stream").open("wb") as file:
            source.run(self.commands("/")[0], timeout=LONG, stdout=file)
        raise AssertionError("it ended")


class Slow(Streaming):
    """A capture that takes long."""

    def commands(self, root: str) -> tuple[tuple[str, ...], ...]:
        return (("sleep", "600"),)


def test_a_source_that_is_away_is_tried_three_times_and_a_key_that_is_refused_once(
    place: Place, sshd: Sshd, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    counting = f"echo x >> '{tmp_path}/tries'"
    config.write_text(f'Match exec "{counting}"\n  HostName 127.0.0.1\n  Port 1\n')
    away = place.within(ssh=place.site.ssh.model_copy(update={"config": config}))

    finding = away.pull(place.spec("one"))["one"]
    sshd.authorize("none")
    refused = place.pull(place.spec("one"))["one"]

    assert finding.id == "sync.unreachable"
    assert finding.message.endswith(", 3 times")
    assert (tmp_path / "tries").read_text() == "x\n" * 3
    assert refused.id == "sync.auth-denied"
    assert "times" not in refused.message


def test_what_passes_is_tried_again_and_then_good() -> None:
    tries: list[int] = []
    source = Paced(Local(), Limits(LONG))

    def step() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise PullError("away", id="sync.unreachable")
        return "there"

    assert source.tried(step, AT_ONCE) == "there"
    assert len(tries) == 3


@pytest.mark.parametrize(
    "id", ["sync.auth-denied", "sync.host-key-changed", "sync.mass-deletion", "sync.target-full", "sync.timed-out"]
)
def test_what_would_fail_again_is_not_tried_again(id: str) -> None:
    tries: list[int] = []

    def step() -> None:
        tries.append(1)
        raise PullError("no", id=id)

    with pytest.raises(PullError) as caught:
        Paced(Local(), Limits(LONG)).tried(step, AT_ONCE)

    assert (caught.value.id, caught.value.message, len(tries)) == (id, "no", 1)


def test_a_service_gets_no_more_than_its_time_and_the_limit_is_named(place: Place) -> None:
    finding = place.pull(place.spec("one", (Slow(),), timeout=1))["one"]

    assert finding.id == "sync.timed-out"
    assert "not complete after 1 s" in finding.message
    assert "source.timeout" in finding.advice


def test_a_stream_without_end_is_cut_at_the_quota(place: Place) -> None:
    finding = place.pull(place.spec("one", (Streaming(),), quota="1M"))["one"]

    assert finding.id == "sync.quota-exceeded"
    assert (place.site.mirror / "one/stream").stat().st_size <= 2**20


def test_a_stream_within_the_quota_is_whole(tmp_path: Path) -> None:
    source = Paced(Local(), Limits(LONG, quota=2**20))
    with (tmp_path / "stream").open("w+b") as file:
        source.run(("head", "-c", "1000000", "/dev/zero"), timeout=LONG, stdout=file)

    assert (tmp_path / "stream").stat().st_size == 1000000


def test_the_quota_is_for_all_streams_together(tmp_path: Path) -> None:
    source = Paced(Local(), Limits(LONG, quota=2**20))
    words = ("head", "-c", "1000000", "/dev/zero")
    with (tmp_path / "stream").open("w+b") as file:
        source.run(words, timeout=LONG, stdout=file)
        with pytest.raises(PullError) as caught:
            source.run(words, timeout=LONG, stdout=file)

    assert caught.value.id == "sync.quota-exceeded"


def test_what_a_pull_may_do_is_what_the_spec_says() -> None:
    class Seen(Local):
        def pull(self, pull: Pull, target: Path) -> Pulled:
            self.pull_seen = pull
            return Pulled(deleted=3)

    seen = Seen()
    source = Paced(seen, Limits(LONG, quota=7, bandwidth=100, compare=True))
    source.pull(Pull((DATA,)), Path("/nowhere"))

    assert (seen.pull_seen.quota, seen.pull_seen.bandwidth, seen.pull_seen.compare) == (7, 100, True)
    assert seen.pull_seen.timeout <= LONG
    assert source.pulled == [Pulled(deleted=3)]


def test_a_command_that_the_key_does_not_allow_is_named(place: Place, sshd: Sshd) -> None:
    sshd.through(
        'case "$*" in *pg_dump*) echo "backupcheck: not the declared command (1234)" >&2; exit 126;; esac'
    )
    finding = place.pull(place.spec("one", (Postgres(database="a", to="/opt/a.sql"),)))["one"]

    assert finding.id == "sync.key-refuses"
    assert "backupcheck keys" in finding.advice


def test_too_little_room_is_said_before_anything_is_pulled(place: Place) -> None:
    with mounted(place.site.mirror, "size=8m"):
        finding = place.within(reserve="9M").pull(place.spec("one"))["one"]
        there = place.mirrored("one").exists()

    assert (finding.id, finding.outcome, there) == ("sync.no-space", Outcome.ERROR, False)
    assert "8.0 MiB free, and 9.0 MiB are needed" in finding.message


def test_what_the_captures_took_last_time_must_fit_too(place: Place) -> None:
    last = Header("one", NOW, "host", captured=10**18)
    place.site.mirror.mkdir()

    with pytest.raises(PullError) as caught:
        require_room(place.site, last)

    assert caught.value.id == "sync.no-space"


def test_names_run_out_before_bytes_do(place: Place) -> None:
    with mounted(place.site.mirror, "size=8m,nr_inodes=900"):
        finding = place.within(reserve="1K").pull(place.spec("one"))["one"]

    assert finding.id == "sync.no-space"
    assert "more names" in finding.message


def test_a_mirror_in_a_read_only_mount_is_told_how_to_get_one_of_its_own(place: Place) -> None:
    with mounted(place.site.mirror.parent / "storage", "ro") as storage:
        finding = place.within(mirror=storage / "backups").pull(place.spec("one"))["one"]

    assert finding.id == "sync.target-read-only"
    assert f"lies in {storage}, which is mounted read-only" in finding.message
    assert f"pct set CT -mp1 {storage}/backups,mp={storage}/backups" in finding.advice


def test_a_mirror_of_somebody_else_is_named_and_another_place_is_not_taken_for_it(tmp_path: Path) -> None:
    denied = PermissionError(13, "Permission denied", str(tmp_path / "mirror/one"))
    elsewhere = PermissionError(13, "Permission denied", "/etc/shadow")

    assert of_system(denied, tmp_path / "mirror").id == "sync.target-denied"
    assert of_system(elsewhere, tmp_path / "mirror").id == "sync.unknown"


# the last of this file, for the interruption ends the sshd of the others too
def test_a_pause_between_attempts_ends_with_the_run() -> None:
    def step() -> None:
        raise PullError("away", id="sync.unreachable")

    threading.Timer(0.2, proc.interrupt).start()
    try:
        with pytest.raises(Interrupted):
            Paced(Local(), Limits(LONG)).tried(step, (LONG, LONG))
    finally:
        proc.resume()
