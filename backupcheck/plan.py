"""What a drill will restore: the site's snapshot, and where and how large each service is in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from backupcheck.errors import BackupcheckError, BadBackup, RepositoryError, UsageError
from backupcheck.restic.access import Access
from backupcheck.restic.listed import Listed
from backupcheck.restic.repository import Node, Repository, Snapshot
from backupcheck.seams import ENGINES, Engine
from backupcheck.spec import Site

LATEST = "latest"
UNCLEAR = frozenset({"repository.snapshot-damaged", "repository.snapshot-future", "repository.unknown"})
SKEW = timedelta(minutes=10)
"""So far may the clock of who made the snapshot go before ours."""


@dataclass(frozen=True)
class Stored:
    """One service in the snapshot: the absolute path of its folder there, its files and their bytes.

    `weight` is about how many seconds its checks take.
    """

    path: str
    files: int
    bytes: int
    weight: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The snapshot that is drilled, and what of each service is in it; one without a single file has no entry.

    `newest` is the site's newest snapshot, which may be another.
    """

    snapshot: Snapshot
    services: dict[str, Stored]
    newest: Snapshot

    @property
    def bytes(self) -> int:
        """Of all services."""
        return sum(stored.bytes for stored in self.services.values())

    @property
    def older(self) -> str:
        """A sentence on that it is not the newest snapshot; empty if it is."""
        if self.snapshot.id == self.newest.id:
            return ""
        old, new = (f"{one.id[:8]} of {one.time:%Y-%m-%d %H:%M} UTC" for one in (self.snapshot, self.newest))
        return f"this is about the snapshot {old}, not about the newest, {new}"


def repository_of(site: Site) -> Repository:
    """The site's repository."""
    spec = site.repository
    return Repository(Access(spec.url, spec.password_file, spec.environment_file))


def make_plan(
    site: Site,
    services: Iterable[str],
    snapshot: str = LATEST,
    repository: Repository | None = None,
    paces: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
    own: Sequence[Snapshot] | None = None,
    newest: Listed | None = None,
) -> Plan:
    """Choose the snapshot and look at what it holds, in the site's repository or by another way to it; `own` are
    the site's snapshots where they are known, `newest` is the listing of its newest where that has begun.

    `paces` are, by service and absolute path, seconds that checks take for a byte that lies there. `latest` is the
    newest of the site's own host and tags, never another host's; else an id's beginning.
    Raises `RepositoryError`, or `BadBackup` with `repository.no-snapshot`.
    """
    repository = repository or repository_of(site)
    with contextlib.ExitStack() as stack:
        if newest is None and own is None and snapshot == LATEST:
            newest = stack.enter_context(listed_newest(site, repository))
        if newest is not None and (chosen := _listed(newest, snapshot)):
            return Plan(chosen, _stored(newest.nodes(), site, services, paces), chosen)
    own = snapshots_of(site, repository) if own is None else own
    chosen = chosen_of(site, own, snapshot)
    return Plan(chosen, _stored(repository.listing(chosen.id), site, services, paces), own[-1])


def listed_newest(site: Site, repository: Repository | None = None) -> contextlib.AbstractContextManager[Listed]:
    """The site's newest snapshot being listed, so that it is chosen and looked at by one call."""
    repository = repository or repository_of(site)
    return repository.listed(LATEST, site.snapshot_host, site.repository.tags)


@contextlib.contextmanager
def listed_early(site: Site, is_wanted: bool = True) -> Iterator[Listed | None]:
    """The same, while all else is made ready; None where nothing may need it, for what is due is chosen first, and
    where it cannot begin: the drill says why."""
    with contextlib.ExitStack() as stack:
        newest = None
        if is_wanted and not (site.drill.carry or site.drill.egress):
            with contextlib.suppress(BackupcheckError):
                newest = stack.enter_context(listed_newest(site))
        yield newest


def _listed(newest: Listed, wanted: str) -> Snapshot | None:
    """The snapshot that is being listed if it is the wanted one; where restic does not say which it lists, or
    one that cannot be taken, the list of all snapshots must say why."""
    try:
        chosen = newest.snapshot
        _require_one([chosen], wanted)
    except (BadBackup, RepositoryError) as error:
        if error.id not in UNCLEAR:
            raise
        return None
    return chosen if wanted == LATEST or chosen.id.startswith(wanted) else None


def snapshots_of(site: Site, repository: Repository) -> tuple[Snapshot, ...]:
    """The site's own snapshots, the oldest first."""
    return repository.snapshots(site.snapshot_host, site.repository.tags)


def chosen_of(site: Site, own: Sequence[Snapshot], snapshot: str = LATEST) -> Snapshot:
    """The one of a site's own snapshots that is meant; raises as `make_plan`."""
    chosen = _chosen(own, snapshot)
    if not chosen:
        tags = ", ".join(site.repository.tags) or "any"
        raise BadBackup(
            f"the repository has no snapshot of host {site.snapshot_host!r} with tags {tags}",
            id="repository.no-snapshot",
            advice="see `restic snapshots`; run `backupcheck backup`, or correct repository.host and tags",
        )
    _require_one(chosen, snapshot)
    return chosen[-1]


def require_known(site: Site, snapshot: str) -> None:
    """That the site has this very snapshot: a mistyped one is no drill. Raises `UsageError`, `RepositoryError`."""
    own = repository_of(site).snapshots(site.snapshot_host, site.repository.tags)
    _require_one(_chosen(own, snapshot), snapshot)


def _chosen(own: Sequence[Snapshot], snapshot: str) -> list[Snapshot]:
    """Those that are meant; raises `UsageError` if there are others only."""
    chosen = [item for item in own if snapshot == LATEST or item.id.startswith(snapshot)]
    if not chosen and own:
        raise UsageError(
            f"the site has no snapshot {snapshot!r}; its newest is {own[-1].id[:8]}",
            id="repository.no-such-snapshot",
            advice="see `restic snapshots`",
        )
    return chosen


def _require_one(chosen: Sequence[Snapshot], wanted: str) -> None:
    """The newest by a clock that was wrong may be an old one, and would be drilled every night from now on."""
    newest = chosen[-1]
    if wanted == LATEST and newest.time > datetime.now(UTC) + SKEW:
        raise RepositoryError(
            f"the newest snapshot {newest.id[:8]} is from the future, {newest.time:%Y-%m-%d %H:%M} UTC",
            id="repository.snapshot-future",
            advice="correct the clock here; if it was wrong when that snapshot was made, `restic forget` it",
        )
    if wanted != LATEST and len(chosen) > 1:
        raise UsageError(f"{len(chosen)} snapshots begin with {wanted!r}", advice="give more of the id")


def _stored(
    nodes: Iterable[Node],
    site: Site,
    services: Iterable[str],
    paces: Mapping[str, Mapping[str, float]],
) -> dict[str, Stored]:
    """Count each service in the listing, be the mirror the snapshot's root or a folder deep in it."""
    found: dict[str, Stored] = {}
    folders = {f"{prefix}/{name}": name for prefix in ("", str(site.mirror)) for name in services}
    for node in nodes:
        top = _top(node.path, str(site.mirror))
        if top in folders and node.type == "file":
            had = found.get(top) or Stored(top, 0, 0)
            pace = sum(
                seconds
                for path, seconds in paces.get(folders[top], {}).items()
                if f"{node.path}/".startswith(f"{top}{path.rstrip('/')}/")
            )
            found[top] = Stored(top, had.files + 1, had.bytes + node.size, had.weight + pace * node.size)
    # the mirror's own path wins over a folder of the same name at the snapshot's root
    return {name: found[top] for top, name in folders.items() if top in found}


def _top(path: str, mirror: str) -> str:
    """The folder of a service that a path of the snapshot would lie in."""
    prefix = mirror if path.startswith(mirror + "/") else ""
    return prefix + "/" + path[len(prefix) + 1 :].partition("/")[0]


def choose_engine(name: str) -> Engine:
    """The engine of that name, or for `auto` the best that works here. Raises `UsageError`."""
    if name != "auto":
        engine = ENGINES.kind(name)()
        reason = engine.why_not()
        if reason:
            raise UsageError(f"the engine {name} cannot work here: {reason}", advice="use --engine auto")
        return engine
    ranked = sorted((kind() for kind in ENGINES.kinds.values()), key=lambda engine: -engine.rank)
    reasons = []
    for engine in ranked:
        reason = engine.why_not()
        if reason is None:
            return engine
        reasons.append(f"{engine.kind()}: {reason}")
    raise UsageError(f"no engine works here ({'; '.join(reasons)})")
