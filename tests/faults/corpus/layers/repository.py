"""The repository: what a disk, a provider or a person does to restic's files, snapshots, keys and locks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from backupcheck.policies.read_data import FILE
from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.whole import PICTURE, Site, Whole

DRILL = Whole(verb=("drill",))
NIGHT = Whole()
READ = Whole(policies=("read_data: {within: 1d}",), verb=("drill",))
Harm = Callable[[Site], object]
OURS = ("--host", "demo", "--tag", "backupcheck")


def files(site: Site, kind: str) -> list[Path]:
    """The repository's files of a kind, the smallest first; those are all made writable."""
    found = [path for path in (site.folder / "repository" / kind).rglob("*") if path.is_file()]
    for path in found:
        path.chmod(0o600)
    return sorted(found, key=lambda path: path.stat().st_size)


def flipped(site: Site) -> None:
    """One bit in the middle of the largest pack."""
    pack = files(site, "data")[-1]
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.write_bytes(content)


def cut(site: Site) -> None:
    """The last hundred bytes of a pack: its table of contents, which a restore does not need."""
    pack = files(site, "data")[-1]
    pack.write_bytes(pack.read_bytes()[:-100])


def overwritten(site: Site) -> None:
    """Zeros of the same length, as a disk has them after a crash."""
    pack = files(site, "data")[-1]
    pack.write_bytes(bytes(pack.stat().st_size))


def gone(kind: str) -> Harm:
    """All files of a kind are gone."""

    def harm(site: Site) -> None:
        for path in files(site, kind):
            path.unlink()

    return harm


def emptied(kind: str) -> Harm:
    """All files of a kind have no bytes."""
    return lambda site: [path.write_bytes(b"") for path in files(site, kind)]


def largest_gone(site: Site) -> None:
    files(site, "data")[-1].unlink()


def snapshot_of(*words: str, without: str = "") -> Harm:
    """Somebody makes another snapshot of the mirror, with restic itself."""

    def harm(site: Site) -> None:
        if without:
            shutil.rmtree(site.folder / "mirror" / without)
        site.restic("backup", *OURS, *words, str(site.folder / "mirror"))

    return harm


def newest_removed(site: Site) -> None:
    """The newest snapshot's file is removed, as by somebody who can delete."""
    listed = json.loads(site.restic("snapshots", "--json"))
    newest = max(listed, key=lambda one: one["time"])
    (site.folder / "repository/snapshots" / newest["id"]).unlink()


def unreachable(site: Site) -> None:
    """The disk with the repository is not mounted."""
    (site.folder / "repository").rename(site.folder / "elsewhere")
    (site.folder / "repository").mkdir()


def wrong_password(site: Site) -> None:
    (site.folder / "password").write_text("of another site\n")


def no_password(site: Site) -> None:
    (site.folder / "password").unlink()


def another_host(site: Site) -> None:
    """A newer snapshot of another machine lies in the same repository."""
    site.restic("backup", "--host", "laptop", str(site.source))


def locked(site: Site) -> None:
    """A lock that a killed restic left: it hinders nobody who only reads."""
    shutil.copy(files(site, "keys")[0], site.folder / "repository/locks" / ("0" * 64))


def read_anew(harm: Harm) -> Harm:
    """Harm, at a time when the whole repository is to be read again."""

    def harmed(site: Site) -> None:
        harm(site)
        (site.folder / "state" / FILE).unlink()

    return harmed


def config_lost(site: Site) -> None:
    (site.folder / "repository/config").unlink()


def nothing_mounted(site: Site) -> None:
    """The mirror's disk was not mounted when restic ran."""
    (site.folder / "empty").mkdir()
    site.restic("backup", *OURS, str(site.folder / "empty"))


FAULTS = (
    Fault("a bit of a pack flipped", DRILL, flipped, "repository.data-damaged"),
    Fault("a pack overwritten with zeros", DRILL, overwritten, "repository.data-damaged"),
    Fault("a pack lost", DRILL, largest_gone, "repository.data-damaged"),
    Fault("a pack's end cut off, which no restore needs", READ, read_anew(cut), "read_data.damaged"),
    Fault("the index lost", DRILL, gone("index"), "repository.index-missing"),
    Fault("the index emptied", DRILL, emptied("index"), "repository.index-damaged"),
    Fault("every snapshot removed", DRILL, gone("snapshots"), "repository.no-snapshot"),
    Fault("every snapshot's file emptied", DRILL, emptied("snapshots"), "repository.snapshot-damaged"),
    Fault("the newest snapshot removed", DRILL, newest_removed, "repository.snapshot-gone"),
    Fault("all keys removed", DRILL, gone("keys"), "repository.keys-missing"),
    Fault("the configuration lost", DRILL, config_lost, "repository.config-missing"),
    Fault("the password is another's", DRILL, wrong_password, unable="repository.wrong-password"),
    Fault("the file of the password is gone", DRILL, no_password, unable="repository.password-missing"),
    Fault("the repository's disk is not mounted", DRILL, unreachable, unable="repository.not-found"),
    Fault("a service is not in the snapshot", DRILL, snapshot_of(without="tasks"), "snapshot.service-missing"),
    Fault("an exclude swallowed a database", DRILL, snapshot_of("--exclude", "*.db"), "seal.file-lost"),
    Fault("an exclude swallowed the seal", DRILL, snapshot_of("--exclude", ".backupcheck"), "seal.missing"),
    Fault(
        "a snapshot from the future",
        DRILL,
        snapshot_of("--time", "2031-01-01 00:00:00"),
        unable="repository.snapshot-future",
    ),
    Fault("a snapshot of an empty folder", DRILL, nothing_mounted, "snapshot.service-missing"),
)
HEALTHY = (
    Healthy("a second night on the same data", NIGHT, lambda site: None),
    Healthy("another machine's newer snapshot beside ours", DRILL, another_host),
    Healthy("a lock that a killed restic left", DRILL, locked),
    Healthy("a picture that was removed on purpose", NIGHT, lambda site: site.place(PICTURE).unlink()),
)
