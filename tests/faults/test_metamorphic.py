"""What has nothing to do with a backup changes no verdict on it: neither of a healthy site nor of a harmed one."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.faults.corpus.case import Said
from tests.faults.corpus.rooms import Rooms
from tests.faults.corpus.whole import Site, Whole

NIGHT = Whole()
DATABASE = "/srv/tasks/tasks.db"
Change = Callable[[Site], object]


def harmed(site: Site) -> None:
    """Three services that could not come back as they were."""
    site.place("/etc/proxy/home.key").unlink()
    config = site.place("/etc/notes/config.toml")
    config.write_text(config.read_text().replace("8080", "8081"))
    place = site.place(DATABASE)
    content = bytearray(place.read_bytes())
    content[4096:8192] = bytes(4096)
    place.write_bytes(content)


def renamed(site: Site) -> None:
    """A service by another name; its folder in the mirror goes with it."""
    spec = site.spec("tasks")
    (site.specs / "tasks.yaml").unlink()
    site.write_spec("errands", {**spec, "service": "errands"})
    (site.folder / "mirror/tasks").rename(site.folder / "mirror/errands")
    site.command("history", "--forget", "tasks")


def neighbour(site: Site) -> None:
    """An unrelated service that is well."""
    (site.source / "srv/neighbour").mkdir()
    (site.source / "srv/neighbour/file").write_text("content")
    source = {"host": "local", "root": "../source", "paths": ["/srv/neighbour/"]}
    site.write_spec("neighbour", {"service": "neighbour", "source": source, "checks": [{"seal": {}}]})


def reordered(site: Site) -> None:
    """The checks of each spec from the last to the first, the files of specs by other names."""
    for number, service in enumerate(("tasks", "proxy", "notes")):
        spec = site.spec(service)
        (site.specs / f"{service}.yaml").unlink()
        site.write_spec(f"{number}-{service}", {**spec, "checks": spec["checks"][::-1]})


def words(*prefix: str) -> Change:
    return lambda site: setattr(site, "words", prefix)


def moved(site: Site) -> None:
    """The whole site lies elsewhere, for instance on a new machine."""
    there = site.folder.with_name("elsewhere")
    shutil.copytree(site.folder, there, symlinks=True)
    for name in ("specs", "source"):
        setattr(site, name, there / name)
    site.site = there / "specs/site.yaml"
    site.site.write_text(site.site.read_text().replace(str(site.folder), str(there)))
    site.folder = there


CHANGES: dict[str, Change] = {
    "a service renamed": renamed,
    "a service more": neighbour,
    "another order": reordered,
    "another place": moved,
    "another locale, zone and host name": words("unshare", "--uts", "sh", "-c", 'hostname other; exec "$@"', "sh",
        "env", "LC_ALL=tr_TR.UTF-8", "TZ=Pacific/Kiritimati"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_is_no_matter_changes_no_verdict(change: Change, rooms: Rooms) -> None:
    with NIGHT.open(rooms) as site:
        change(site)
        healthy = site.said()
        harmed(site)
        found = site.said()

    assert not healthy.red
    assert found.red == usual(rooms).red


def usual(rooms: Rooms) -> Said:
    """What is said of the harmed site as it is."""
    said: Said = rooms.once("usual", lambda: _usual(rooms))
    return said


def _usual(rooms: Rooms) -> Said:
    with NIGHT.open(rooms) as site:
        harmed(site)
        found = site.said()
        assert found.red
        assert found == site.said(), "the same question, the same answer"
    return found


def test_a_good_snapshot_stays_good_when_the_next_is_not(rooms: Rooms) -> None:
    with NIGHT.open(rooms) as site:
        good = site.restic("snapshots", "--json", "--latest", "1")
        harmed(site)
        bad = site.said()
        site.verb = ("drill", "--snapshot", good.rpartition('"short_id":"')[2][:8])
        again = site.said()

    assert bad.red
    assert not again.red
