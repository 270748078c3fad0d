"""Whether all that must be in the backup is in it, and whether anything was forgotten."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from pydantic import Field

from backupcheck import lookout
from backupcheck.errors import BackupcheckError, Interrupted
from backupcheck.fields import Glob
from backupcheck.lookout import COUCHDB, POSTGRES, Found
from backupcheck.patterns import within_any
from backupcheck.policy import Policy, Repeats, View
from backupcheck.result import Finding, Outcome, finding_of
from backupcheck.seams import Facts
from backupcheck.sources import source_of
from backupcheck.spec import Spec

AT_ONCE = 8
MOST_NAMED = 20
DUMPED = (POSTGRES, COUCHDB)
"""Kinds of data whose captures take them by asking the server, whatever the folder that it keeps them in."""


class Held(Facts):
    """What the snapshot holds of a service: its files; the declared paths that are `absent`, or folders without a
    file (`empty`); and what its excludes swallow, each with the exclude."""

    service: str
    files: int
    absent: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    swallowed: tuple[tuple[str, str], ...] = ()


class Host(Facts):
    """What was found on a host: how much, and what of it is in no spec; `trouble` kept it from being looked at."""

    host: str
    found: int = 0
    forgotten: tuple[str, ...] = ()
    trouble: Finding | None = None


class CoverageFacts(Facts):
    """What the snapshot holds (None: there is none), the mirror's folders without a spec, and the hosts."""

    site: str
    snapshot: str | None
    services: tuple[Held, ...] = ()
    strays: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = ()


class Coverage(Policy[CoverageFacts]):
    """Every declared path is in the snapshot, every folder of the mirror has a spec, no exclude swallows data.

    What a spec declares are its paths and what its captures bring; each is looked for in restic's listing of the
    snapshot that was drilled. With `look` each host is searched for databases (SQLite files, data folders of
    Postgres and CouchDB) and volumes of containers that are in no spec; that takes a key that may run it, and
    three minutes at most. What need not be kept is named under `ignore`.

        - coverage: {}
        - coverage: {look: true, ignore: [/var/lib/fwupd/**, /opt/old/**]}

    Findings: `coverage.absent` (a declared path is not in the snapshot), `coverage.no-data` (a service has not one
    file there), `coverage.no-snapshot`, `coverage.swallowed` (an exclude swallows a declared path, or one that a
    check asks about), `coverage.no-spec` (a folder in the mirror or the snapshot is no service's),
    `coverage.forgotten` (data on a host is in no spec), `coverage.empty` (a declared folder has no files: a
    warning); and where it could not look, `lookout.refused`, `lookout.cut` or why the host was not reached.
    """

    of_the_site = True
    repeats = (("no-snapshot", Repeats.NOT_READ),)

    look: bool = Field(False, description="whether the hosts are searched for data that is in no spec")
    ignore: tuple[Glob, ...] = Field((), description="absolute paths or globs at the hosts that need no spec")

    def observe(self, view: View, services: Sequence[str]) -> CoverageFacts:
        """From restic's listing, the mirror's folders, and the hosts."""
        snapshot = _snapshot(view)
        held: tuple[Held, ...] = ()
        folders: set[str] = set()
        if snapshot is not None:
            held, folders = _held(view, snapshot)
        known = {spec.service for spec in view.specs} | view.mistaken
        if view.site.mirror.is_dir():
            folders |= {each.name for each in os.scandir(view.site.mirror) if each.is_dir(follow_symlinks=False)}
        strays = sorted(name for name in folders - known if not name.startswith(".") and name != "lost+found")
        hosts = self._hosts(view) if self.look else ()
        return CoverageFacts(
            site=view.site.site, snapshot=snapshot, services=held, strays=tuple(strays), hosts=hosts
        )

    def _hosts(self, view: View) -> tuple[Host, ...]:
        places: dict[tuple[str, str], list[Spec]] = {}
        for spec in view.specs:
            places.setdefault((spec.source.host, spec.source.root), []).append(spec)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look") as pool:
            return tuple(pool.map(lambda specs: self._host(view, specs), places.values()))

    def _host(self, view: View, specs: Sequence[Spec]) -> Host:
        host = specs[0].source.host
        try:
            found = lookout.found(source_of(view.site, specs[0]))
        except Interrupted:
            raise
        except BackupcheckError as error:
            trouble = finding_of(error, host).model_copy(update={"outcome": Outcome.ERROR})
            return Host(host=host, trouble=trouble)
        ignored = within_any(self.ignore)
        missed = [each for each in found if not ignored(each.path) and not any(_has(spec, each) for spec in specs)]
        return Host(host=host, found=len(found), forgotten=tuple(f"{each.kind} {each.path}" for each in missed))

    def judge(self, facts: CoverageFacts, now: datetime) -> Iterator[Finding]:
        """Whenever it is."""
        if facts.snapshot is None:
            message = "the repository has no snapshot of this site, so nothing is covered"
            yield self.finding("no-snapshot", Outcome.FAIL, facts.site, message, advice="run `backupcheck backup`")
        for held in facts.services:
            yield from self._judge(held)
        for stray in facts.strays:
            message = f"the folder {stray} in the mirror or the snapshot belongs to no spec: nobody asks about it"
            advice = "write a spec for it, or remove what is not needed any more"
            yield self.finding("no-spec", Outcome.FAIL, facts.site, message, actual=stray, advice=advice)
        if not facts.strays:
            yield self.finding("no-spec", Outcome.PASS, facts.site, "every folder of the mirror has a spec")
        for host in facts.hosts:
            yield from self._judge_host(host)

    def _judge(self, held: Held) -> Iterator[Finding]:
        for path in held.absent[:MOST_NAMED]:
            message = f"the declared path {path} is not in the snapshot"
            advice = "see whether it is still there at the source and the pull brings it, or correct the spec"
            yield self.finding("absent", Outcome.FAIL, held.service, message, expected=path, advice=advice)
        if not held.files:
            message = "the snapshot has not one file of the service"
            yield self.finding("no-data", Outcome.FAIL, held.service, message, expected="files", actual=0)
        for path in held.empty[:MOST_NAMED]:
            message = f"the declared folder {path} is in the snapshot without a file"
            yield self.finding("empty", Outcome.WARN, held.service, message, actual=path)
        for exclude, what in held.swallowed[:MOST_NAMED]:
            message = f"the exclude {exclude} swallows {what}"
            advice = "exclude less, or take it out of `paths` and the checks"
            yield self.finding("swallowed", Outcome.FAIL, held.service, message, actual=exclude, advice=advice)
        if held.files and not held.absent:
            message = "every declared path is in the snapshot"
            yield self.finding("absent", Outcome.PASS, held.service, message, actual=f"{held.files} files")

    def _judge_host(self, host: Host) -> Iterator[Finding]:
        if host.trouble is not None:
            yield host.trouble
            return
        for name in host.forgotten[:MOST_NAMED]:
            more = len(host.forgotten) - MOST_NAMED
            message = f"on {host.host} there is data that is in no spec: {name}" + (
                f" (and {more} more)" if more > 0 else ""
            )
            advice = "write it into a spec, or name it under `ignore` of the policy"
            yield self.finding("forgotten", Outcome.FAIL, host.host, message, actual=name, advice=advice)
        if not host.forgotten:
            message = "all databases and volumes found there are in a spec or ignored"
            yield self.finding("forgotten", Outcome.PASS, host.host, message, actual=f"{host.found} found")


def _snapshot(view: View) -> str | None:
    """The one that was drilled; of a run without any, the newest."""
    drilled = [proof.snapshot for proof in view.run.services if proof.snapshot]
    if drilled:
        return drilled[0]
    own = view.repository.snapshots(view.site.snapshot_host, view.site.repository.tags)
    return own[-1].id if own else None


def _held(view: View, snapshot: str) -> tuple[tuple[Held, ...], set[str]]:
    """What a snapshot holds of each service, be the mirror its root or a folder deep in it; and its folders."""
    mirror = str(view.site.mirror)
    declared = {(spec.service, path) for spec in view.specs for path in spec.declared}
    there: dict[tuple[str, str], int] = {}
    files: dict[str, int] = {}
    tops: dict[str, set[str]] = {mirror: set(), "": set()}
    for node in view.repository.listing(snapshot):
        prefix = mirror if node.path.startswith(mirror + "/") else ""
        service, slash, rest = node.path[len(prefix) + 1 :].partition("/")
        if node.type == "dir" or slash:
            tops[prefix].add(service)
        is_file = int(node.type == "file" and not rest.startswith(".backupcheck/"))
        files[service] = files.get(service, 0) + is_file
        for path in _around("/" + rest):
            if (service, path) in declared:
                there[service, path] = there.get((service, path), 0) + is_file
    held = tuple(_of(spec, there, files) for spec in view.specs)
    return held, tops[mirror] or tops[""]


def _around(path: str) -> Iterator[str]:
    """A path, and the folders around it."""
    while path and path != "/":
        yield path
        path = path.rpartition("/")[0]


def _of(spec: Spec, there: Mapping[tuple[str, str], int], files: Mapping[str, int]) -> Held:
    declared = spec.declared
    return Held(
        service=spec.service,
        files=files.get(spec.service, 0),
        absent=tuple(path for path in declared if (spec.service, path) not in there),
        empty=tuple(path for path in declared if there.get((spec.service, path)) == 0),
        swallowed=tuple(_swallowed(spec)),
    )


def _swallowed(spec: Spec) -> Iterator[tuple[str, str]]:
    """What a check asks about has to be there; what a capture brings is there in spite of an exclude."""
    captured = _captured(spec)
    asked = [check.subject() for check in spec.checks]
    paths = [
        path for path in asked if path.startswith("/") and path not in captured and not set(path) & set("*?[")
    ]
    wanted = dict.fromkeys([*(path.rstrip("/") for path in spec.source.paths), *paths])
    for exclude in spec.source.exclude:
        swallows = within_any([exclude])
        yield from ((exclude, path) for path in wanted if swallows(path))


def _captured(spec: Spec) -> set[str]:
    return {path for capture in spec.capture for path in (*capture.provides(), *capture.replaces())}


def _has(spec: Spec, data: Found) -> bool:
    """Whether a spec covers some data of its host."""
    if data.kind in DUMPED and any(capture.kind() == data.kind for capture in spec.capture):
        return True
    below = _is_below(data.path, [*spec.source.paths, *_captured(spec)])
    inside = data.kind == lookout.VOLUME and any(_is_below(path, [data.path]) for path in spec.declared)
    captured = _is_below(data.path, _captured(spec))
    return (below or inside) and (captured or not within_any(spec.source.exclude)(data.path))


def _is_below(path: str, tops: Iterable[str]) -> bool:
    return any(path == top.rstrip("/") or path.startswith(top.rstrip("/") + "/") for top in tops)
