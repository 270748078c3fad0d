"""The site and the services that a command line asks for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from backupcheck.errors import UsageError
from backupcheck.options import LATEST, PLACES
from backupcheck.spec import Loaded, Site, Spec, load_each, load_site, require_known
from backupcheck.sync.services import Wishes

if TYPE_CHECKING:
    from backupcheck.hands.handing import Hands


def site_file(options: argparse.Namespace) -> Path:
    """The file that was named, else the first of the usual places that is there. Raises `UsageError`."""
    named = options.site or os.environ.get("BACKUPCHECK_SITE")
    candidates = [Path(named)] if named else [Path(place) for place in PLACES]
    for file in candidates:
        try:
            if file.is_file():
                return file
            if named and file.is_dir():
                said = f"{file} is a folder, not a site file"
                raise UsageError(said, advice=f"name the file in it, such as {file / 'site.yaml'}")
        except PermissionError as error:
            raise UsageError(f"the site file {file} cannot be read: {error.strerror}") from None
    where = ", ".join(str(file) for file in candidates)
    raise UsageError(f"there is no site file (looked for {where})", advice="name one with --site FILE")


def site_of(options: argparse.Namespace) -> Site:
    """The site. Raises `SpecError` with every mistake in its file."""
    return load_site(site_file(options))


def loaded(options: argparse.Namespace) -> tuple[Site, Loaded]:
    """The site with its specs and what is wrong with the others; with services named, only those: then a spec of
    theirs that is wrong raises `SpecError`, and a service that is not there `UsageError`."""
    site = site_of(options)
    return site, of_site(site, options)


def of_site(site: Site, options: argparse.Namespace) -> Loaded:
    """The specs alone, as `loaded`."""
    every = load_each(site.specs)
    wanted = getattr(options, "services", None)
    return every.only(wanted) if wanted else every


def all_right(options: argparse.Namespace) -> tuple[Site, tuple[Spec, ...]]:
    """The same, where nothing may be wrong. Raises `SpecError` with the mistakes of all files."""
    site, chosen = loaded(options)
    return site, chosen.strict()


def is_of_newest(options: argparse.Namespace) -> bool:
    """Whether it is the newest snapshot that is drilled, on this machine."""
    return options.snapshot == LATEST and not options.in_turn and options.executor == "local"


def hands_of(options: argparse.Namespace) -> Hands | None:
    """Who proves; None for this machine. Raises `UsageError` for a word that names nobody."""
    if options.executor == "local":
        return None
    from backupcheck.hands.cluster import hands
    from backupcheck.hands.errands import Errands

    return hands(options.executor, Errands(site_file(options), options.engine, options.proof_seconds))


def to_sync(options: argparse.Namespace) -> tuple[Site, Loaded, Wishes]:
    """What to pull, and what is let through: whoever lets something through for a service means that service, so
    unless others are named it is the only one that is pulled. Raises `UsageError` for one that would not be."""
    let_through = (*options.allow_deletions, *options.allow_new_host)
    if not options.services:
        options.services = list(let_through)
    site, chosen = loaded(options)
    for name in let_through:
        require_known([name], load_each(site.specs).services)
        if name not in chosen.services:
            raise UsageError(
                f"something is let through for {name}, but only {', '.join(chosen.services)} would be pulled",
                advice=f"what stands after --allow-… is its service: name {name} among those to pull too",
            )
    return (
        site,
        chosen,
        Wishes(frozenset(options.allow_deletions), frozenset(options.allow_new_host), options.compare),
    )
