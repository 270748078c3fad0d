"""What befalls the data of the lab's applications, and of one made of files alone."""

from __future__ import annotations

import hashlib
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.faults import test_jellyfin
from tests.faults.corpus.data import After, Data, Harmed, Made
from tests.faults.corpus.kept import in_tree
from tests.faults.corpus.notes import done
from tests.lab.makers import authelia, jellyfin, lldap, wishlist

JELLYFIN, WISHLIST = Data("jellyfin", tests=True), Data("wishlist", tests=True)
LLDAP, AUTHELIA = Data("lldap", tests=True), Data("authelia", tests=True)
MEALIE = Data("mealie", tests=True)
WISHES_COUNTED = Data("wishlist", After.COUNTING, tests=True)
LIBRARY = "/var/lib/jellyfin/metadata/library"
LOGS, STORED = "/srv/proxy/log", "/srv/proxy/stored"
COUNT = "with recursive n (i) as (select 1 union all select i + 1 from n where i < {})"
OF_LOGS = """\
service: proxy
source: {host: local, paths: [/srv/proxy/]}
checks:
  - seal: {}
  - files: {paths: [/srv/proxy/proxy.conf]}
"""
Harm = Callable[[Harmed], object]


def logs(root: Path) -> None:
    """A service with a settings file, 100 files of what it has stored, and 200 logs."""
    for folder, count in (("log", 200), ("stored", 100)):
        place = root / "srv/proxy" / folder
        place.mkdir(parents=True)
        for n in range(count):
            (place / f"{n:03}").write_text(f"{folder} {n}\n")
    (root / "srv/proxy/proxy.conf").write_text("listen 443\n")


PROXY = Made(logs, OF_LOGS)


def jelly(*statements: str) -> Harm:
    return done(*statements, path=jellyfin.DATABASE)


def wishes(*statements: str) -> Harm:
    return done(*statements, path=wishlist.DATABASE)


def directory(*statements: str) -> Harm:
    return done(*statements, path=lldap.DATABASE)


def encrypted(data: Harmed) -> None:
    """Somebody encrypts every picture and wants money; names, number and sizes stay about the same."""
    for place in sorted(data.place(LIBRARY).rglob("*.jpg")):
        words = ("openssl", "enc", "-aes-256-cbc", "-pbkdf2", "-nosalt", "-iter", "1", "-pass", "pass:x")
        place.write_bytes(subprocess.run((*words, "-in", str(place)), check=True, capture_output=True).stdout)


def of_a_test_instance(data: Harmed) -> None:
    """The volume of the test instance is mounted for the database, and the real one for the uploads."""
    other = data.folder / "other"
    other.mkdir()
    wishlist.make(other, random.Random(77))
    shutil.copyfile(other / wishlist.DATABASE[1:], data.place(wishlist.DATABASE))


def a_new_directory(data: Harmed) -> None:
    """LLDAP was started on an empty volume: it made a key, its own three groups and its administrator."""
    scalars = [hashlib.sha256(bytes([n])).digest()[:31] + b"\0" for n in (1, 2)]
    data.place(lldap.KEY_FILE).write_bytes(hashlib.sha512(b"new").digest() + b"".join(scalars))
    digest = hashlib.sha256(scalars[0]).hexdigest()
    directory(
        "pragma foreign_keys=on",
        f"update metadata set private_key_hash = x'{digest}'",
        "delete from users where user_id <> 'admin'",
        "delete from groups where display_name not like 'lldap_%'",
        "delete from jwt_storage",
        "delete from jwt_refresh_storage",
    )(data)


def a_new_jellyfin(data: Harmed) -> None:
    """Jellyfin was started on an empty volume: all tables are there, and its wizard waits for whoever comes."""
    with data.sqlite(jellyfin.DATABASE) as connection:
        connection.execute("pragma foreign_keys=off")
        query = "select name from sqlite_master where type = 'table' and name not like '\\_\\_%' escape '\\'"
        for (table,) in connection.execute(query).fetchall():
            if not table.startswith("sqlite_"):
                connection.execute(f'delete from "{table}"')
    shutil.rmtree(data.place(LIBRARY))
    in_tree(test_jellyfin.setting("IsStartupWizardCompleted", "false"))(data)


def a_new_single_sign_on(data: Harmed) -> None:
    """Authelia found its settings and its key, and not its database: it made one. Nobody has a second factor."""
    with data.sqlite(authelia.DATABASE) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            if table not in ("migrations", "encryption", "sqlite_sequence"):
                connection.execute(f'delete from "{table}"')


def wiped(folder: str) -> Harm:
    """A folder is there, and empty: its volume is not mounted."""

    def harm(data: Harmed) -> None:
        for place in sorted(data.place(folder).iterdir()):
            place.unlink()

    return harm


def all_deleted(data: Harmed) -> None:
    """A script with an empty variable: what is left is the settings file."""
    for path in (LOGS, STORED):
        shutil.rmtree(data.place(path))


def emptied_by_a_full_disk(data: Harmed) -> None:
    """Pictures that came when the disk was full."""
    for place in sorted(data.place(LIBRARY).rglob("poster.jpg"))[:5]:
        place.write_bytes(b"")


def unpicked(data: Harmed) -> None:
    """Two columns were emptied by an update without a condition."""
    wishes("update user set hashedPassword = '', oauthId = null")(data)


def half_of_the_logs(data: Harmed) -> None:
    """Logs were rotated: the older half is gone."""
    for place in sorted(data.place(LOGS).iterdir())[:100]:
        place.unlink()


def upgraded(data: Harmed) -> None:
    """A newer release has run its migrations: a table and a column more."""
    wishes(
        "insert into _prisma_migrations select 'new', checksum, finished_at, '20991231000000_reactions', logs,"
        " rolled_back_at, started_at, 1 from _prisma_migrations limit 1",
        "create table reaction (id integer primary key, item integer references items (id))",
        "alter table items add column colour text",
    )(data)


def many(count: int) -> Harm:
    """Wishes that are imported from elsewhere."""
    return wishes(
        f"{COUNT.format(count)}"
        " insert into items (name, userId, createdById) select 'wish ' || i, userId, userId"
        " from n, (select userId from items limit 1)"
    )


def left_the_home(data: Harmed) -> None:
    """Somebody's account is deleted, as LLDAP does it."""
    directory("pragma foreign_keys=on", "delete from users where user_id = 'jonas'")(data)


def vacuumed(data: Harmed) -> None:
    """Jellyfin's own task, after it has pruned its log of what people did."""
    jelly("delete from ActivityLogs where Id % 3 = 0")(data)
    with data.sqlite(jellyfin.DATABASE) as connection:
        connection.execute("vacuum")
