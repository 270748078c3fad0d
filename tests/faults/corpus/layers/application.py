"""Applications: files and tables that are whole, and an application that could not serve its people with them."""

from __future__ import annotations

from tests.faults import test_jellyfin, test_wishlist
from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.instances import (
    AUTHELIA,
    COUNT,
    JELLYFIN,
    LLDAP,
    MEALIE,
    PROXY,
    WISHES_COUNTED,
    WISHLIST,
    a_new_directory,
    a_new_jellyfin,
    a_new_single_sign_on,
    all_deleted,
    directory,
    emptied_by_a_full_disk,
    encrypted,
    half_of_the_logs,
    jelly,
    left_the_home,
    many,
    of_a_test_instance,
    unpicked,
    upgraded,
    vacuumed,
    wiped,
    wishes,
)
from tests.faults.corpus.kept import edited, in_tree
from tests.faults.corpus.notes import done
from tests.lab.makers import authelia, wishlist

SOME = "(select rowid from BaseItems where Type <> 'PLACEHOLDER' order by rowid limit 140)"
FAULTS = (
    Fault(
        "most of a library deleted by a scan without its disk",
        JELLYFIN,
        jelly("pragma foreign_keys=on", f"delete from BaseItems where rowid in {SOME}"),
        "growth.collapsed",
    ),
    Fault(
        "a loop that writes sessions without end",
        WISHLIST,
        wishes(
            f"{COUNT.format(20000)} insert into session"
            " select 's' || i, (select id from user limit 1), '2027-01-01' from n"
        ),
        "growth.exploded",
    ),
    Fault("a table that an update dropped", JELLYFIN, jelly('drop table "ActivityLogs"'), "growth.vanished"),
    Fault(
        "a column that an update dropped",
        AUTHELIA,
        done("alter table webauthn_credentials drop column attestation", path=authelia.DATABASE),
        "authelia.table-missing",
    ),
    Fault("an update that broke off", WISHLIST, in_tree(test_wishlist.FAULTS[0][1]), "migrations.unfinished"),
    Fault(
        "the history of updates lost",
        JELLYFIN,
        jelly(test_jellyfin.NOT_OF_THE_CODE),
        "jellyfin.migrations",
    ),
    Fault(
        "everybody's password emptied",
        LLDAP,
        directory("update users set password_hash = null"),
        ("lldap.password-damaged", "lldap.no-administrator"),
    ),
    Fault("everybody's password emptied in wish lists", WISHLIST, unpicked, "wishlist.no-sign-in"),
    Fault("a directory begun anew on an empty volume", LLDAP, a_new_directory, "sqlite.rows"),
    Fault(
        "single sign-on begun anew beside its settings",
        AUTHELIA,
        a_new_single_sign_on,
        ("sqlite.rows", "growth.collapsed"),
    ),
    Fault(
        "everybody's second factor deleted",
        AUTHELIA,
        done("delete from totp_configurations", path=authelia.DATABASE),
        "sqlite.rows",
    ),
    Fault(
        "a media server begun anew on an empty volume",
        JELLYFIN,
        a_new_jellyfin,
        ("config.value", "files.count", "growth.collapsed", "jellyfin.library", "sqlite.query", "sqlite.rows"),
    ),
    Fault("the database of a test instance", WISHLIST, of_a_test_instance, "references.file-missing"),
    Fault(
        "the wishes of a night before",
        WISHES_COUNTED,
        wishes("pragma foreign_keys=on", "delete from items where id > (select max(id) - 3 from items)"),
        "sqlite.rows-not-as-captured",
    ),
    Fault(
        "uploads whose volume was not mounted",
        WISHLIST,
        wiped(wishlist.UPLOADS),
        ("references.file-missing", "files.count"),
    ),
    Fault(
        "one upload younger than the uploads' copy",
        WISHLIST,
        in_tree(lambda root: test_wishlist.of_an_item(root).unlink()),
        "references.file-missing",
    ),
    Fault("pictures encrypted by an intruder", JELLYFIN, encrypted, "files.magic"),
    Fault(
        "pictures of no bytes from a full disk",
        JELLYFIN,
        emptied_by_a_full_disk,
        ("files.magic", "jellyfin.pictures"),
    ),
    Fault(
        "ten pictures lost by a clean-up",
        JELLYFIN,
        in_tree(lambda root: test_jellyfin.lose_pictures(root, 10)),
        "jellyfin.pictures",
    ),
    Fault(
        "a plugin that a virus scanner took away",
        JELLYFIN,
        in_tree(lambda root: (root / test_jellyfin.OPEN_SUBTITLES / "Jellyfin.Plugin.OpenSubtitles.dll").unlink()),
        "jellyfin.plugin-files",
    ),
    Fault(
        "gigabytes of a cache",
        JELLYFIN,
        in_tree(lambda root: (root / "var/lib/jellyfin/transcodes/a").mkdir(parents=True)),
        "files.forbidden",
    ),
    Fault(
        "nobody administers any more",
        WISHLIST,
        wishes("update user set roleId = 1"),
        ("sqlite.query", "wishlist.no-administrator"),
    ),
    Fault(
        "an address that nobody can sign in at",
        WISHLIST,
        edited(wishlist.ENVIRONMENT, "ORIGIN=https://", "ORIGIN=http://"),
        "config.value",
    ),
    Fault(
        "all that was stored deleted",
        PROXY,
        all_deleted,
        "growth.collapsed",
    ),
    Fault(
        "two branches of updates",
        MEALIE,
        edited("/tmp/mealie_backup.sql", "^3897397b4631$", "3897397b4631\nb1020f328e98"),
        ("migrations.several-heads", "postgres.rows"),
    ),
)


HEALTHY = (
    Healthy("half of the files gone by a rotation of logs", PROXY, half_of_the_logs),
    Healthy("all sessions pruned", WISHLIST, wishes("delete from session")),
    Healthy(
        "logs of a month pruned",
        AUTHELIA,
        done("delete from authentication_logs where id <= 45", path=authelia.DATABASE),
    ),
    Healthy("an import of eight hundred wishes", WISHLIST, many(800)),
    Healthy("an import of many more wishes", WISHLIST, many(3000), "growth.doubled"),
    Healthy("an upgrade with its migrations", WISHLIST, upgraded, "migrations.unknown"),
    Healthy("an account deleted", LLDAP, left_the_home),
    Healthy("a picture that nobody names", WISHLIST, in_tree(test_wishlist.HEALTHY[0][1])),
    Healthy("an update taken back and made again", WISHLIST, in_tree(test_wishlist.HEALTHY[2][1])),
    Healthy("a plugin removed by its owner", JELLYFIN, in_tree(test_jellyfin.without_plugins)),
    Healthy("a picture lost long ago", JELLYFIN, in_tree(lambda root: test_jellyfin.lose_pictures(root, 1))),
    Healthy("pages given back by a vacuum", JELLYFIN, vacuumed),
)
