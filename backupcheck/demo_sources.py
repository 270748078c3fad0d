"""What the demonstration's services hold, and the specs that say what must be true of it."""

from __future__ import annotations

import secrets
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

RECIPES = ("Bread", "Lentil soup", "Potato pancakes", "Apple crumble", "Risotto")
NOTES = 40
TASKS = 500

CONFIG = """\
[server]
port = 8080

[storage]
folder = "/srv/notes"
"""

SITE = """\
site: demo
mirror: ../mirror
reserve: 16M
repository: {{url: ../repository, password_file: ../password}}
scratch: {{folder: ../scratch, engine: {engine}}}
reports: ../reports
state: ../state
"""

SPECS = {
    "notes": """\
service: notes
about: Notes in Markdown, with a configuration and a secret
source: {host: local, root: ../source, paths: [/srv/notes/, /etc/notes/]}
checks:
  - seal: {}
  - files: {glob: "/srv/notes/*.md", count: {gte: 40}, size: {gte: 1}}
  - config: {path: /etc/notes/config.toml, values: {server.port: 8080, storage.folder: /srv/notes}}
  - secret: {path: /etc/notes/session.key, format: hex, mode: "0600"}
""",
    "tasks": """\
service: tasks
about: A task list in SQLite, in WAL mode
source: {host: local, root: ../source, paths: [/srv/tasks/]}
capture:
  - sqlite: {path: /srv/tasks/tasks.db}
checks:
  - seal: {}
  - sqlite:
      path: /srv/tasks/tasks.db
      tables: {task: {rows: {gte: 500}}, person: {rows: {gte: 1}}}
      queries:
        - {sql: "select count(*) from task where title is null", equals: 0}
""",
    "recipes": """\
service: recipes
about: Recipes in Postgres
source: {host: local}
capture:
  - postgres: {database: recipes, to: /tmp/recipes.sql, run_as: null, connection: "CONNECTION", program: "PROGRAM"}
checks:
  - seal: {}
  - postgres:
      dump: /tmp/recipes.sql
      tables: {recipe: {rows: {gte: 5}}, ingredient: {rows: {gte: 10}}}
      queries:
        - {sql: "select count(*) from recipe where name = ''", equals: 0}
""",
    "proxy": """\
service: proxy
about: A web server's certificate and key
source: {host: local, root: ../source, paths: [/etc/proxy/]}
checks:
  - seal: {}
  - certificate: {path: /etc/proxy/home.crt, key: /etc/proxy/home.key, names: [home.example, www.home.example]}
""",
}


def make(root: Path) -> None:
    """Write the data of all the services below `root`."""
    _notes(root)
    _tasks(root / "srv/tasks")
    _certificate(root / "etc/proxy")


def _notes(root: Path) -> None:
    notes, settings = root / "srv/notes", root / "etc/notes"
    notes.mkdir(parents=True)
    settings.mkdir(parents=True)
    for number in range(1, NOTES + 1):
        (notes / f"note-{number:02}.md").write_text(
            f"# Note {number}\n\n" + "All is well. " * number, encoding="utf-8"
        )
    (settings / "config.toml").write_text(
        '[server]\nport = 8080\n\n[storage]\nfolder = "/srv/notes"\n', encoding="utf-8"
    )
    (settings / "session.key").write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    (settings / "session.key").chmod(0o600)


def _tasks(folder: Path) -> None:
    folder.mkdir(parents=True)
    with sqlite3.connect(folder / "tasks.db") as database:
        database.execute("pragma journal_mode = wal")
        database.execute("create table person (id integer primary key, name text not null)")
        database.execute("create table task (id integer primary key, title text, person references person)")
        database.executemany("insert into person (name) values (?)", [("Anna",), ("Ben",)])
        tasks = [(f"Task {number}", 1 + number % 2) for number in range(TASKS)]
        database.executemany("insert into task (title, person) values (?, ?)", tasks)
    database.close()


def _certificate(folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "home.example")])
    now = datetime.now(UTC)
    names = [x509.DNSName("home.example"), x509.DNSName("www.home.example")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "home.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "home.key").write_bytes(private)
    (folder / "home.key").chmod(0o600)
