"""The site as a whole: data that stopped moving, copies and snapshots that are too few, keys that nobody has."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.whole import Site, Whole

Harm = Callable[[Site], object]


def asked(policy: str, *verb: str) -> Whole:
    """The site with one policy, drilled."""
    return Whole((policy,), verb or ("drill",))


def later(span: str, harm: Harm = lambda site: None) -> Harm:
    """Nothing happens for so long; then somebody drills."""

    def waited(site: Site) -> None:
        harm(site)
        site.words = ("faketime", "-f", f"+{span}")

    return waited


def without_canary(site: Site) -> None:
    spec = site.spec("notes")
    spec["checks"] = [check for check in spec["checks"] if "canary" not in check]
    site.write_spec("notes", spec)


def only(*services: str) -> Harm:
    """Only these are drilled from now on."""

    def chosen(site: Site) -> None:
        site.verb = ("drill", *services)

    return chosen


def zone(name: str) -> Harm:
    """The machine's time zone."""
    return lambda site: setattr(site, "words", ("env", f"TZ={name}"))


def both(*harms: Harm) -> Harm:
    return lambda site: [harm(site) for harm in harms]


def password_in_backup(site: Site) -> None:
    """Somebody tidied up: the only copy of the password lies in a folder that is backed up with it."""
    place = site.folder / "mirror/notes/password"
    shutil.move(site.folder / "password", place)
    site.set(repository={"url": "../repository", "password_file": "../mirror/notes/password"})


def second_copy_lost(site: Site) -> None:
    shutil.rmtree(site.folder / "second/repository")


def swallowing(site: Site) -> None:
    """An exclude that was meant for something else."""
    spec = site.spec("notes")
    spec["source"]["exclude"] = ["/etc/notes/*.toml"]
    site.write_spec("notes", spec)


def forgotten_service(site: Site) -> None:
    """A spec is removed by mistake; its data is still pulled by nobody, and its folder stays in the mirror."""
    (site.specs / "tasks.yaml").unlink()


TWO = "copies: {at_least: 1, off_site: 0, also: [{url: PLACE/second/repository, password_file: PLACE/password}]}"

FAULTS = (
    Fault(
        "nothing was pulled for three days",
        asked("rpo: {at_most: 26h}"),
        later("3d"),
        ("rpo.too-old", "canary.too-old"),
    ),
    Fault(
        "a service was not drilled for a month",
        asked("proof_age: {at_most: 8d}"),
        both(only("notes"), without_canary, later("30d")),
        "proof_age.stale",
    ),
    Fault(
        "a week without snapshots",
        asked("retention: {daily: 2}"),
        both(without_canary, later("9d")),
        "retention.gap",
    ),
    Fault("a second repository is gone", asked(TWO), second_copy_lost, unable="repository.not-found"),
    Fault(
        "a second repository gets no new snapshots", asked(TWO), both(without_canary, later("5d")), "copies.stale"
    ),
    Fault(
        "the spec of a service removed by mistake", asked("coverage: {}"), forgotten_service, "coverage.no-spec"
    ),
    Fault(
        "an exclude swallows what a check asks about",
        asked("coverage: {}", "nightly"),
        swallowing,
        "coverage.swallowed",
    ),
    Fault(
        "the password lies only in what it opens",
        asked("bootstrap: {}"),
        password_in_backup,
        ("bootstrap.inside", "bootstrap.only-here"),
    ),
)
HEALTHY = (
    Healthy("a drill a few days later", asked("proof_age: {at_most: 8d}"), both(without_canary, later("6d"))),
    Healthy("a site in a zone with summer time", Whole(), zone("Europe/Berlin")),
)
