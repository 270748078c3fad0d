"""A service at a source of this machine: pulled with its captures as a sync pulls it, and then asked."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from backupcheck.spec import Spec, load_site, load_spec
from backupcheck.sync.services import Synced, Wishes, sync
from tests.capture.server import BIN, Server
from tests.faults.corpus.case import Said, Stand, said
from tests.faults.corpus.data import SITE, After, Harmed
from tests.faults.corpus.rooms import Rooms, copied, folder
from tests.pgserver import RUN_AS

DATABASE, ORIGIN = "app", "app_origin"
OTHERS = "select datname from pg_database where not datistemplate and datname <> 'postgres'"
AT_ONCE = Wishes(pauses=())
DAY = 24 * 3600 * 10**9


class Sourced(Harmed):
    """A service's source, to be harmed, and what is said once it was pulled again; or the pulled copy.

    `stack` is closed when the case is over; `server` has the service's database, if it has one.
    """

    def __init__(self, place: Path, spec: Spec, after: After, stack: ExitStack, server: Server | None) -> None:
        self.source = place / "source"
        whence = spec.source.model_copy(update={"root": str(self.source)})
        mirrored = place / "mirror" / spec.service
        super().__init__(place, mirrored, spec.model_copy(update={"source": whence}), after)
        self.stack = stack
        self._server = server
        self.touched = False

    @property
    def server(self) -> Server:
        """The server of its database."""
        assert self._server is not None
        return self._server

    def place(self, path: str) -> Path:
        """Where an absolute path of the service lies: at the source, or in the copy that came."""
        return self.source / path.lstrip("/") if self.after is After.NOTHING else super().place(path)

    def sql(self, text: str) -> str:
        """Let the service's server do something in its database."""
        self.touched = True
        return self.server.sql(text, DATABASE)

    def dump(self, *options: str, role: str = "owner", database: str = DATABASE) -> bytes:
        """What pg_dump says of a database."""
        place = self.server.folder / "dump"
        words = ("pg_dump", "-h", str(self.server.folder), "-U", role, *options, "-f", str(place), database)
        self.server.ordinary(*words)
        return place.read_bytes()

    def said(self) -> Said:
        """What a sync says, if it says that it failed; else what is said of what it brought."""
        if self.after is not After.NOTHING:
            return super().said()
        synced = self.pulled()
        found = synced.result.findings
        return said([*found, *self.asked()] if synced.good else found)

    def pulled(self) -> Synced:
        """Bring it into the mirror, as a sync does."""
        site = self.folder / "site.yaml"
        site.write_text(SITE)
        (synced,) = sync(load_site(site), (self.spec,), lambda service, text: None, AT_ONCE)
        return synced


@dataclass(frozen=True)
class Pulled(Stand):
    """A service at a source: `make` writes its healthy data there, `spec` is its spec's text.

    It was pulled once while it was healthy. A harm after counting or after the seal is done to that copy.
    """

    make: Callable[[Path], object]
    spec: str
    after: After = After.NOTHING

    @contextmanager
    def open(self, rooms: Rooms) -> Iterator[Sourced]:
        origin = rooms.once(("pulled", self.make, self.spec), lambda: self._made(rooms.kept_folder()))
        with folder() as place, ExitStack() as stack:
            yield Sourced(copied(origin, place / "site"), load_spec(origin / "made.yaml"), self.after, stack, None)

    def _made(self, place: Path) -> Path:
        self.make(place / "source")
        return _pulled(place, self.spec, None, lambda subject: None)


@dataclass(frozen=True)
class Served(Stand):
    """A service with a database of a PostgreSQL server, which `sql` makes; all stands have the same.

    `make` writes what lies at the source beside it, such as a dump that a job made there. In the spec `SERVER`
    stands for the fields by which a capture reaches the server, `ROLE` for one without rights of its own.
    """

    sql: str
    make: Callable[[Sourced], object]
    spec: str
    after: After = After.NOTHING

    @contextmanager
    def open(self, rooms: Rooms) -> Iterator[Sourced]:
        server = rooms.once("a PostgreSQL server", lambda: rooms.stack.enter_context(Server.running()))
        rooms.once(("a database", self.sql), lambda: self._database(server))
        origin = rooms.once(("served", self.make, self.spec), lambda: self._made(rooms.kept_folder(), server))
        with folder() as place, ExitStack() as stack:
            spec = load_spec(origin / "made.yaml")
            subject = Sourced(copied(origin, place / "site"), spec, self.after, stack, server)
            stack.callback(_as_it_was, subject)
            yield subject

    def _database(self, server: Server) -> None:
        server.sql(f"create database {ORIGIN}", "postgres")
        server.sql(self.sql, ORIGIN)
        server.sql(f"alter database {ORIGIN} is_template true", "postgres")
        server.sql(f"create database {DATABASE} template {ORIGIN}", "postgres")

    def _made(self, place: Path, server: Server) -> Path:
        reached = f"program: {BIN}/pg_dump, run_as: {RUN_AS or 'null'}, connection: host={server.folder} user="
        text = self.spec.replace("SERVER", f"{reached}owner").replace("ROLE", f"{reached}backup")
        (place / "source").mkdir()
        return _pulled(place, text, server, self.make)


def _pulled(place: Path, text: str, server: Server | None, make: Callable[[Sourced], object]) -> Path:
    """The first pull, of the healthy source; a day ago, for rsync compares times by the second."""
    (place / "made.yaml").write_text(text)
    spec = load_spec(place / "made.yaml")
    (place / "mirror" / spec.service).mkdir(parents=True)
    with ExitStack() as stack:
        subject = Sourced(place, spec, After.NOTHING, stack, server)
        make(subject)
        synced = subject.pulled()
        assert synced.good, synced.result.findings
        for file in (*subject.source.rglob("*"), *subject.root.rglob("*")):
            before = file.lstat().st_mtime_ns - DAY
            os.utime(file, ns=(before, before), follow_symlinks=False)
    return place


def _as_it_was(subject: Sourced) -> None:
    """Make the service's database anew, if it was touched, and drop what else a case has made."""
    if subject.touched:
        execute = functools.partial(subject.server.sql, database="postgres")
        for name in execute(OTHERS).split():
            execute(f"drop database {name} with (force)")
        execute(f"create database {DATABASE} template {ORIGIN}")
