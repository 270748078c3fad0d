"""A sync reads in the mirror what changed, all of it in turn, and asks a machine over one connection."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backupcheck import unchanged
from backupcheck.result import Outcome
from tests.names import names_in
from tests.sshd import Sshd
from tests.sync.place import Place


def read(place: Place) -> str:
    """What a sync says that it did not read, once nothing has changed for two of them."""
    return place.findings(place.spec("one"))[-1].message.partition(" files ")[2].partition(", ")[2]


def settled(place: Place) -> Path:
    """A place in which nothing changed since the last sync; where that is kept in mind."""
    for _ in range(2):
        place.pull(place.spec("one"))
    return unchanged.place_of(place.site.state, "one")


def earlier(known: Path, days: int) -> None:
    """Everything was read so many days ago."""
    raw = known.read_bytes()
    then = datetime.now(UTC) - timedelta(days=days)
    header = json.loads(raw[: unchanged.HEADER]) | {"read": then.isoformat()}
    known.write_bytes(json.dumps(header).encode().ljust(unchanged.HEADER) + raw[unchanged.HEADER :])


def test_what_did_not_change_is_not_read_until_it_is_the_services_turn(place: Place) -> None:
    known = settled(place)
    assert read(place) == "2 of them unread, for they are as they were"

    earlier(known, 8)
    assert read(place) == ""
    assert read(place) == "2 of them unread, for they are as they were"


def test_a_site_may_have_everything_read_each_night(place: Place) -> None:
    nightly = place.within(reread_every=1)
    known = settled(nightly)
    earlier(known, 1)

    assert read(nightly) == ""


def test_a_comparison_reads_everything_here_too(place: Place) -> None:
    settled(place)
    asking = place.asking(type(place.wishes)(compare=True))

    assert read(asking) == ""


def test_what_changed_at_the_source_is_all_that_is_read(place: Place) -> None:
    settled(place)
    (place.data("one") / "same").write_text("other")

    assert read(place) == "1 of them unread, for they are as they were"


@pytest.mark.parametrize("services", [1, 2])
def test_each_machine_is_asked_over_one_connection_and_none_is_left(
    place: Place, sshd: Sshd, tmp_path: Path, services: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="bc-") as own:
        monkeypatch.setattr(tempfile, "tempdir", own)
        sshd.through(f'echo "$SSH_CLIENT" >> "{tmp_path}/log"')
        synced = place.synced(*[place.spec(name) for name in ("one", "two")[:services]])

        assert names_in(Path(own)) == []
    lines = (tmp_path / "log").read_text().splitlines()
    assert [each.result.outcome for each in synced] == [Outcome.PASS] * services
    assert (len(lines), len(set(lines))) == (2 * services, 1)
