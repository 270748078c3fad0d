"""Other content under the same size and time: at the source, and in the mirror."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backupcheck.result import Outcome
from backupcheck.sync.preflight import comparison_due
from backupcheck.sync.sealing import last_header
from backupcheck.sync.services import Wishes
from tests.sync.place import DATA, Place

NIGHT = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
COMPARING = Wishes(compare=True)


def rewritten(file: Path, text: str) -> None:
    """Other content of the same length, and the time of before."""
    status = file.stat()
    assert len(text) == status.st_size
    file.write_text(text)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def red(place: Place, name: str = "one") -> list[tuple[str, Outcome]]:
    found = place.findings(place.spec(name))
    return [(each.id, each.outcome) for each in found if each.outcome is not Outcome.PASS]


def test_a_file_that_changed_in_silence_is_found_by_a_comparison_only_and_named(place: Place) -> None:
    place.pull(place.spec("one"))
    rewritten(place.data("one") / "same", "OF ONE")

    assert red(place) == []
    assert (place.mirrored("one") / "same").read_text() == "of one"

    findings = place.asking(COMPARING).findings(place.spec("one"))
    assert [(each.id, each.outcome) for each in findings] == [
        ("sync.changed-in-silence", Outcome.WARN),
        ("sync.incomplete", Outcome.PASS),
    ]
    assert "/opt/app/data/same" in findings[0].message
    assert (place.mirrored("one") / "same").read_text() == "OF ONE"
    assert red(place) == []


def test_what_the_mirrors_disk_changed_is_bad_until_a_comparison_fetches_it_anew(place: Place) -> None:
    place.pull(place.spec("one"))
    rewritten(place.mirrored("one") / "same", "0f one")

    assert [red(place) for _ in range(2)] == [[("sync.mirror-damaged", Outcome.FAIL)]] * 2
    assert red(place.asking(COMPARING)) == [("sync.mirror-healed", Outcome.WARN)]
    assert (place.mirrored("one") / "same").read_text() == "of one"
    assert red(place) == []


def test_a_comparison_that_did_not_end_well_leaves_no_false_alarm(place: Place) -> None:
    place.pull(place.spec("one"))
    rewritten(place.data("one") / "same", "OF ONE")
    failing = place.spec("one", paths=(f"{DATA}/", "/opt/missing/"))
    assert place.asking(COMPARING).pull(failing)["one"].id == "sync.source-missing"
    assert (place.mirrored("one") / "same").read_text() == "OF ONE"

    assert red(place.asking(COMPARING)) == []


def test_the_first_pull_has_compared_everything_and_later_ones_keep_the_date(place: Place) -> None:
    place.pull(place.spec("one"))
    first = last_header(place.site.mirror / "one")
    place.pull(place.spec("one"))
    second = last_header(place.site.mirror / "one")

    assert first is not None
    assert second is not None
    assert first.compared == second.compared is not None
    assert first.taken != second.taken


def test_a_comparison_is_due_once_in_its_days_and_not_for_all_services_in_one_night(place: Place) -> None:
    nights = [NIGHT + timedelta(days=number) for number in range(60)]
    due_on: dict[str, list[int]] = {}
    for name in ("mealie", "caddy", "vault", "lldap"):
        spec = place.spec(name, compare_every=30)
        last, due = NIGHT, []
        for number, night in enumerate(nights):
            if comparison_due(spec, last, night):
                due.append(number)
                last = night
        due_on[name] = due

    assert all(len(due) == 2 and due[1] - due[0] == 30 for due in due_on.values())
    assert len({due[0] for due in due_on.values()}) > 1


def test_a_night_that_was_missed_is_made_up_for(place: Place) -> None:
    spec = place.spec("one", compare_every=7)

    assert comparison_due(spec, NIGHT, NIGHT + timedelta(days=8))
    assert not comparison_due(spec, NIGHT, NIGHT)


def test_a_copy_that_was_never_compared_is_due_and_with_0_none_ever_is(place: Place) -> None:
    assert comparison_due(place.spec("one"), None, NIGHT)
    assert not comparison_due(place.spec("one", compare_every=0), None, NIGHT)


def test_a_pull_compares_by_itself_when_it_is_due(place: Place) -> None:
    place.pull(place.spec("one", compare_every=1))
    rewritten(place.data("one") / "same", "OF ONE")
    seal = place.site.mirror / "one/.backupcheck/seal.jsonl"
    header, rest = seal.read_text().split("\n", 1)
    last = last_header(place.site.mirror / "one")
    assert last is not None
    assert last.compared is not None
    earlier = (last.compared - timedelta(days=2)).isoformat()
    seal.write_text(header.replace(last.compared.isoformat(), earlier) + "\n" + rest)

    findings = place.findings(place.spec("one", compare_every=1))

    assert [each.id for each in findings] == ["sync.changed-in-silence", "sync.incomplete"]
