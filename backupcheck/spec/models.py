"""What a spec file and a site file may say: their models, whose annotations are the schema."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, SkipValidation

from backupcheck.duration import Duration
from backupcheck.fields import in_bytes as in_bytes
from backupcheck.seams import Capture, Check, Facts, Kind, Notifier
from backupcheck.spec.values import (
    AbsolutePath,
    Bound,
    CarryFor,
    EngineName,
    Folder,
    Host,
    Textfile,
    Word,
)
from backupcheck.spec.values import Place as Place
from backupcheck.spec.values import Size as Size
from backupcheck.waivers import Waiver


class Model(BaseModel):
    """A part of a file that a person writes: frozen, strict, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class HookSpec(Model):
    """A program that is run at the source before or after the pull."""

    run: tuple[Word, ...] = Field(
        min_length=1, description="the program and its arguments, without a shell; no secrets, others can see them"
    )
    timeout: int = Field(300, gt=0, description="seconds after which it is given up")


class SourceSpec(Model):
    """Where a service's data lives."""

    host: Host = Field(
        description="an ssh host (a name of the ssh configuration, or an address), or `local` for this machine"
    )
    paths: tuple[AbsolutePath, ...] = Field((), description="folders and files to pull, by absolute path")
    exclude: tuple[AbsolutePath, ...] = Field((), description="absolute paths or globs below them that stay away")
    root: str = Field(
        "/",
        min_length=1,
        description="the folder there below which the paths lie: a ZFS snapshot, a container's root filesystem",
    )
    before: HookSpec | None = Field(
        None, description="run at the source before anything is taken; if it fails, nothing is"
    )
    after: HookSpec | None = Field(
        None, description="run at the source when all is taken, and also when the pull failed"
    )
    deletions: Bound = Field(
        "50%",
        description="how many names of the mirror one pull may delete: a share of them, or a number",
    )
    quota: Size | None = Field(None, description="how much one pull may bring; by default as much as there is")
    timeout: int = Field(6 * 3600, gt=0, description="seconds that the whole pull of the service may take")
    compare_every: int = Field(
        30, ge=0, description="days between full comparisons of every file's content with the source; 0 for never"
    )
    machine_id: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{32}$",
        description="the source's /etc/machine-id; by default the one that it had when it was pulled last",
    )


class BoxSpec(Model):
    """The scratch place that the service is restored into."""

    image: str | None = Field(None, description="base, postgres or caddy; by default what the checks need")
    memory: Size = Field("2G", description="how much memory all programs in the box may take together")
    disk: Size = Field("8G", description="how much the box may write")
    processes: int = Field(512, gt=0, description="how many processes may run in the box")


class Outline(Model):
    """A spec without its kinds, which are validated one by one."""

    service: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="the service's name: its folder in the mirror"
    )
    about: str = Field("", description="one line for people")
    source: SourceSpec = Field(description="where the service's data lives")
    box: BoxSpec = Field(BoxSpec(), description="the scratch place that the service is restored into")
    waivers: tuple[Waiver, ...] = Field(
        (), description="known faults that somebody answers for until a day; each is in every report"
    )


class Spec(Outline):
    """One service: where its data lives, how a copy is taken, and what must be true after a restore."""

    capture: tuple[SkipValidation[SerializeAsAny[Capture]], ...] = Field(
        (), description="consistent copies, taken at the source"
    )
    checks: tuple[SkipValidation[SerializeAsAny[Check[Facts]]], ...] = Field(
        min_length=1, description="what must be true of the restored service"
    )
    policies: tuple[SkipValidation[SerializeAsAny[Kind]], ...] = Field(
        (), description="policies of its own, each in the place of the site's of that kind"
    )

    @property
    def declared(self) -> tuple[str, ...]:
        """Every absolute path that the backup must hold: pulled or captured."""
        captured = [path for capture in self.capture for path in capture.provides()]
        own = [path.rstrip("/") for path in self.source.paths]
        return tuple(dict.fromkeys([*own, *captured]))

    @property
    def digest(self) -> str:
        """The SHA-256 of what it says, whatever its spacing, order of keys and comments."""
        plain = self.model_dump(mode="json")
        for key in ("capture", "checks", "policies"):
            plain[key] = [{kind.kind(): kind.model_dump(mode="json")} for kind in getattr(self, key)]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    @property
    def image(self) -> str:
        """The image that the box is made of."""
        needed = [need for check in self.checks if (need := check.needs())]
        return self.box.image or next(iter(needed), "base")


class RepositorySpec(Model):
    """restic's repository, and under which name the site's snapshots are in it."""

    url: str = Field(min_length=1, description="restic's own URL: a folder, b2:…, s3:…, sftp:…, rest:…")
    password_file: Place = Field(description="the file with the repository's password (mode 0600)")
    environment_file: Place | None = Field(
        None, description="a file of NAME=value lines with the storage's credentials, such as B2_ACCOUNT_ID"
    )
    host: str | None = Field(None, description="the host name of the site's snapshots; the site's name by default")
    tags: tuple[str, ...] = Field(("backupcheck",), description="tags that the site's snapshots all have")
    lock_wait: Duration = Field(
        timedelta(minutes=15), description="how long a backup waits for another restic's lock, such as a prune's"
    )
    password_also_at: str = Field(
        "", description="where, outside this machine and its backups, the password is also kept; for `doctor`"
    )

    @property
    def is_folder(self) -> bool:
        """Whether it lies on this machine, not behind one of restic's backends."""
        return re.match(r"[a-z0-9]+:", self.url) is None


class SshSpec(Model):
    """How the sources are reached."""

    identity: Place | None = Field(None, description="the site's own private key")
    capture_identity: Place | None = Field(
        None, description="another private key, for what captures run at the sources; by default `identity`"
    )
    known_hosts: Place | None = Field(None, description="the pinned host keys; no other key is accepted")
    config: Place | None = Field(None, description="an ssh configuration file that names the hosts")
    user: str = Field("root", pattern=r"^[a-z_][a-z0-9_-]*$", description="the user at the sources")
    addresses: tuple[Annotated[str, Field(pattern=r"^!?[A-Za-z0-9.:*?/_-]+$")], ...] = Field(
        (), description="addresses or networks that the sources see this machine at; its keys are bound to them"
    )
    bandwidth: int = Field(
        0, ge=0, description="KiB per second that the pull of one service may take; 0: no limit"
    )


class ScratchSpec(Model):
    """Where and how boxes are made."""

    folder: Place = Field(description="where restored data may lie for the time of a drill")
    memory: Literal["auto", "never"] | Size = Field(
        "auto", description="memory that restored data may take if all fits: `4G`, or half of what is available"
    )
    engine: EngineName = Field("auto", description="lxc, process, or auto for the best that works here")
    parallel: int = Field(2, ge=1, le=64, description="how many services are restored and asked at a time")


class DrillSpec(Model):
    """How a drill spares itself what it knows already, or may not read."""

    carry: CarryFor | None = Field(
        None,
        description="how long the proof of a service whose data did not change is carried before it is restored "
        "and asked anew, such as 7d; by default never. Needs the policy read_data",
    )
    egress: Size | None = Field(
        None,
        description="how much all nights of a calendar month (UTC) may restore from the repository, such as 100G: "
        "the services whose proof is the oldest are due first; by default without limit",
    )


class MetricsSpec(Model):
    """Where the metrics are published."""

    textfile: Textfile = Field(
        description="a file *.prom in the folder of node_exporter's textfile collector, which must be there"
    )


class SiteOutline(Model):
    """A site without its kinds, which are validated one by one."""

    site: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="the site's name")
    mirror: Place = Field(description="the folder of the pulled copies, one folder a service")
    repository: RepositorySpec = Field(description="restic's repository")
    ssh: SshSpec = Field(SshSpec(), description="how the sources are reached")
    scratch: ScratchSpec = Field(description="where and how boxes are made")
    drill: DrillSpec = Field(DrillSpec(), description="how a drill spares itself what it knows already")
    specs: Folder = Field(Path(), description="the folder of the spec files; the site file's own by default")
    reports: Place = Field(description="where each run writes its folder of reports")
    metrics: MetricsSpec | None = Field(None, description="where all metrics are published too")
    state: Place = Field(description="where the lock and what must outlive a run are kept")
    reserve: Size = Field("1G", description="space on the mirror's disk that must be free when a pull begins")
    reread_every: int = Field(7, ge=1, description="days within which all of a mirror is read again")
    pulls: int = Field(4, ge=1, le=64, description="how many services are pulled at a time")

    @property
    def snapshot_host(self) -> str:
        """The host name under which restic keeps the site's snapshots."""
        return self.repository.host or self.site


class Site(SiteOutline):
    """One backup host and what it guards."""

    policies: tuple[SkipValidation[SerializeAsAny[Kind]], ...] = Field(
        (), description="what must be true of the site as a whole, and of each service that has no such of its own"
    )
    notifiers: tuple[SkipValidation[SerializeAsAny[Notifier]], ...] = Field(
        (), description="who is told how a run ended, and how; in this order"
    )
