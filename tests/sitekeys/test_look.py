"""Whether each key is accepted and restricted, as `keys --check` and `doctor` see it."""

from __future__ import annotations

import shutil

from backupcheck.result import Outcome
from backupcheck.sitekeys import look
from backupcheck.sitekeys.pairs import pairs
from backupcheck.sources import source_of
from tests.sitekeys.place import ODD, PLAIN, Keys, Place


def seen(place: Place) -> list[tuple[str, Outcome]]:
    return [(finding.id, finding.outcome) for finding in look(place.site, place.specs)]


def test_both_keys_with_their_lines_are_good(place: Place, keys: Keys) -> None:
    place.restrict()
    said = keys(check=True)

    assert seen(place) == [("keys.unrestricted", Outcome.PASS)] * 2
    assert said.code == 0
    assert [line[:3] for line in said.text.splitlines()] == ["ok ", "ok "]


def test_a_key_that_may_do_anything_is_a_warning(place: Place) -> None:
    place.widen()

    assert seen(place) == [("keys.unrestricted", Outcome.WARN)] * 2


def test_a_key_that_is_not_accepted_is_an_error(place: Place, keys: Keys) -> None:
    place.authorize(place.lines().pull)
    said = keys(check=True)

    assert seen(place) == [("keys.unrestricted", Outcome.PASS), ("sync.auth-denied", Outcome.ERROR)]
    assert said.code == 2
    assert "[sync.auth-denied]" in said.text


def test_lines_of_other_specs_than_todays_are_an_error(place: Place) -> None:
    place.restrict()
    place.write("second", ["/etc/another.conf"])

    assert seen(place) == [("keys.outdated", Outcome.ERROR), ("keys.unrestricted", Outcome.PASS)]


def test_the_lines_of_the_two_keys_taken_for_each_other_are_an_error(place: Place) -> None:
    public, lines = pairs(place.site), place.lines()
    place.authorize(
        lines.pull.replace(public.pull, public.capture), lines.capture.replace(public.capture, public.pull)
    )

    assert seen(place) == [("keys.outdated", Outcome.ERROR)] * 2


def test_a_restriction_of_another_kind_is_a_warning(place: Place) -> None:
    public = pairs(place.site)
    place.authorize(f'restrict,command="echo only this >&2; exit 1" {public.pull}', place.lines().capture)
    findings = list(look(place.site, place.specs))

    assert (findings[0].id, findings[0].outcome) == ("keys.otherwise", Outcome.WARN)
    assert "only this" in findings[0].message
    assert findings[1].outcome is Outcome.PASS


def test_a_host_that_is_not_pinned_is_an_error(place: Place) -> None:
    place.restrict()
    place.server.pin(place.server.site / "another.pub")

    assert seen(place) == [("sync.host-key-changed", Outcome.ERROR)] * 2


def test_a_declared_path_that_is_not_there_is_found_with_the_restricted_keys_too(place: Place) -> None:
    place.restrict()
    spec, other = place.specs
    before = [source_of(place.site, one).lacking(one.source.paths) for one in (spec, other)]
    shutil.rmtree(place.there(ODD))
    place.there(PLAIN).unlink()
    after = [source_of(place.site, one).lacking(one.source.paths) for one in (spec, other)]

    assert (before, after) == ([(), ()], [(ODD,), (PLAIN,)])
