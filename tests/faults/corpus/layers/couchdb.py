"""CouchDB: files that open cleanly at an older state, shards that are not there, notes that lack their chunks."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.checks.couchdata import DATA, HIGH, LOW, NOTES
from tests.checks.couchdata import VAULT as REAL_VAULT
from tests.couchfile.writer import write_couch
from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.data import Harmed
from tests.faults.corpus.vaults import (
    BLOCK,
    CAPTURED,
    COPIED,
    MAP,
    OF_A_REAL_SERVER,
    ON_THE_WAY,
    REAL,
    SEALED,
    SHARDS,
    USERS,
    VAULT,
    appended,
    back_to,
    bit_of_a_body,
    bit_of_an_attachment,
    body,
    compacted,
    cut,
    deleted,
    file,
    lost,
    no_database,
    places_changed,
    renamed,
    written_anew,
)
from tests.faults.livesync import (
    VERSION,
    LiveSync,
    encrypted,
    encrypted_before,
    healthy,
    old,
    xxhash64,
)

ANNA = "anna"
CHUNK = f"h:{xxhash64('# Day 7 ✅' + chr(10))}"
INI = "/opt/couchdb/etc/local.d/docker.ini"
DOCUMENTS, SHARD = "couchdb.documents-not-as-captured", "couchdb.shard-not-as-captured"
LOW_VAULT, HIGH_VAULT = f"{DATA}/{REAL_VAULT}", f"{DATA}/{REAL_VAULT.replace(LOW, HIGH)}"


def without_administrator(data: Harmed) -> None:
    """The file was written by hand after a restore; CouchDB 3 does not start without an administrator."""
    place = data.place(INI)
    place.write_text(place.read_text().partition("[admins]")[0])


def of_a_cluster_of_two(made: LiveSync) -> None:
    """Half of the shards were copied from another node."""
    made.nodes["_users"] = "couchdb@elsewhere"


def replicated(made: LiveSync) -> None:
    """Copied by replication into another server: what is `_local` is not replicated."""
    made.local.clear()


def linked(place: Path) -> None:
    """The shard was moved to a larger disk."""
    place.unlink()
    place.symlink_to(f"/mnt/large/{place.name}")


def begun_anew(data: Harmed) -> None:
    """The server started on an empty volume, and made what it always makes."""
    made = LiveSync(nodes={"_users": "couchdb@127.0.0.1"})
    settings = data.place(INI).read_text()
    shutil.rmtree(data.place("/opt"))
    made.write(data.place("/"))
    data.place(VAULT).unlink()
    data.place(INI).write_text(settings)


def hole(place: Path) -> None:
    """A block in the middle was never written: the machine lost its power."""
    content = bytearray(place.read_bytes())
    middle = len(content) // BLOCK // 2 * BLOCK
    content[middle : middle + BLOCK] = bytes(BLOCK)
    place.write_bytes(content)


def dropped(data: Harmed) -> None:
    """Somebody deleted the database in the server's administration."""
    written_anew(lambda made: made.nodes.pop("vault"))(data)
    data.place(VAULT).unlink()


def older_copy(data: Harmed) -> None:
    """Into the repository came the vault of the night before."""
    other = data.folder / "before"
    before = healthy()
    lost("journal/3.md")(before)
    before.write(other)
    shutil.copy(other / VAULT[1:], data.place(VAULT))


ERASED = deleted(lambda name: not name.startswith(("_design", VERSION)))

FAULTS = (
    Fault("a shard that was not copied", REAL, file(LOW_VAULT, Path.unlink), ("couchdb.shard-missing", DOCUMENTS)),
    Fault(
        "a shard that ends at an older header",
        REAL,
        file(LOW_VAULT, back_to(0.6)),
        ("couchdb.view-ahead-of-shard", DOCUMENTS, SHARD),
    ),
    Fault(
        "a database in one shard that ends at an older header",
        REAL,
        file(f"{DATA}/{NOTES}", back_to(0.6)),
        (DOCUMENTS, SHARD),
    ),
    Fault(
        "a shard whose end was cut off",
        REAL,
        file(LOW_VAULT, cut(lambda size: size - 1000)),
        "couchdb.tail-after-header",
    ),
    Fault("a bit of a note flipped", REAL, bit_of_a_body, "couchdb.checksum-mismatch"),
    Fault("a bit of an attachment flipped", REAL, bit_of_an_attachment, "couchdb.attachment-digest-mismatch"),
    Fault(
        "two shards in each other's place",
        REAL,
        places_changed(LOW_VAULT, HIGH_VAULT),
        (
            *("couchdb.document-in-wrong-shard", "couchdb.view-ahead-of-shard", SHARD),
            "couchdb.further-damage",  # each of some 4000 documents
        ),
    ),
    Fault("without the shard map", REAL, file(MAP, Path.unlink), "couchdb.dbs-missing"),
    Fault(
        "a shard map older than the databases",
        REAL,
        file(MAP, back_to(0.6)),
        ("couchdb.shard-unlisted", SHARD),
    ),
    Fault("a shard of no bytes", COPIED, file(VAULT, cut(lambda size: 0)), "couchdb.no-valid-header"),
    Fault(
        "a shard moved to a disk that is not copied",
        COPIED,
        file(VAULT, linked),
        ("couchdb.not-a-regular-file", "couchdb.shard-missing"),
    ),
    Fault(
        "an unfinished compaction in the shard's place",
        COPIED,
        renamed(VAULT, f"{VAULT}.compact.data"),
        "couchdb.shard-missing",
    ),
    Fault(
        "a block that was never written",
        COPIED,
        file(VAULT, hole),
        ("couchdb.checksum-mismatch", "couchdb.checksum-missing"),
    ),
    Fault(
        "a shard cut at the source, as if CouchDB were writing",
        OF_A_REAL_SERVER,
        file(LOW_VAULT, cut(lambda size: size * 3 // 4)),
        "capture.damaged",
    ),
    Fault(
        "zeros at the end after a loss of power", CAPTURED, file(VAULT, appended(bytes(BLOCK))), "capture.damaged"
    ),
    Fault("a database deleted at the source", CAPTURED, dropped, ("couchdb.database-missing", "growth.vanished")),
    Fault("all notes deleted by a device", COPIED, written_anew(ERASED), "vault.empty"),
    Fault("nearly all documents of a counted vault deleted", CAPTURED, written_anew(ERASED), "growth.collapsed"),
    Fault(
        "a server begun anew on an empty volume",
        COPIED,
        begun_anew,
        ("couchdb.database-missing", "couchdb.documents"),
    ),
    Fault("a database of users that was emptied", CAPTURED, file(USERS, no_database), "couchdb.documents"),
    Fault("the vault of a night before, copied later", ON_THE_WAY, older_copy, (DOCUMENTS, SHARD)),
    Fault(
        "the vault of a night before in the snapshot",
        SEALED,
        older_copy,
        (DOCUMENTS, SHARD, "seal.content-changed"),
    ),
    Fault("a chunk that no device has sent", COPIED, written_anew(lost(CHUNK)), "vault.chunk-missing"),
    Fault(
        "a chunk of another note", COPIED, written_anew(body(CHUNK, data="# Day 8 ✅\n")), "vault.chunk-altered"
    ),
    Fault(
        "a note cut by the device that sent it",
        COPIED,
        written_anew(body("journal/3.md", size=5)),
        "vault.size-wrong",
    ),
    Fault(
        "an encrypted vault copied by replication",
        COPIED,
        written_anew(replicated, encrypted),
        ("vault.local-lost", "vault.salt-lost"),
    ),
    Fault("a server without an administrator", COPIED, without_administrator, "config.value-missing"),
    Fault("shards of two nodes", COPIED, written_anew(of_a_cluster_of_two), "vault.node-unknown"),
    Fault(
        "a user whose password is gone",
        COPIED,
        written_anew(lambda made: made.users[ANNA].pop("derived_key")),
        "vault.user-unusable",
    ),
)


def being_compacted(data: Harmed) -> None:
    """A compaction goes on while it is copied."""
    for end in ("data", "meta"):
        data.place(f"{VAULT}.compact.{end}").write_bytes(data.place(VAULT).read_bytes()[: 3 * BLOCK])


def just_compacted(data: Harmed) -> None:
    """CouchDB wrote the file anew: smaller, in other blocks, and with the same sequences."""
    made, place = healthy(), data.place(VAULT)
    size = place.stat().st_size
    write_couch(place, compacted(made), local=made.local, compression="deflate")
    assert place.stat().st_size < size


def with_deleted_databases(data: Harmed) -> None:
    """Files of databases that were deleted: in the trash, or renamed, as CouchDB is set to do it."""
    shutil.copy(data.place(USERS), data.place(f"{SHARDS}/gone.1700000001.20261122.224100.deleted.couch"))
    data.place(f"{DATA}/.delete").mkdir()
    data.place(f"{DATA}/.delete/0123456789abcdef").write_bytes(b"\0" * BLOCK)


def without_indexes(data: Harmed) -> None:
    """Indexes are left out, for CouchDB makes them again."""
    shutil.rmtree(data.place(f"{DATA}/.shards"))


def of_an_older_server(data: Harmed) -> None:
    """Checksums by MD5, and no compression, as releases before 3.4 wrote them."""
    made = healthy()
    write_couch(data.place(VAULT), compacted(made), local=made.local, compression="none", checksums="md5")


def just_written(made: LiveSync) -> None:
    """A note came while its shards were copied one after the other."""
    lost(CHUNK)(made)
    body("journal/7.md", mtime=int(time.time() * 1000))(made)


def edited(made: LiveSync) -> None:
    """A day of work: notes deleted, in conflict, renamed, with attachments and a design document."""
    deleted(lambda name: name == "journal/4.md")(made)
    for text in ("this", "that"):
        made.note("Journal/5.md", text)
    made.put("_design/more", {"views": {"all": {"map": "function (doc) { emit(doc._id) }"}}})
    made.note("Plans/New.md", "of today")


HEALTHY = (
    Healthy("a compaction that goes on", COPIED, being_compacted),
    Healthy("a compaction that has just ended", COPIED, renamed(VAULT, f"{VAULT}.compact")),
    Healthy("a database that a compaction made smaller", CAPTURED, just_compacted),
    Healthy("what is left of deleted databases", COPIED, with_deleted_databases),
    Healthy("indexes that were left out", REAL, without_indexes),
    Healthy("files of an older server", COPIED, of_an_older_server),
    Healthy(
        "CouchDB was just writing",
        CAPTURED,
        file(VAULT, appended(b"\0half a record")),
        "couchdb.tail-after-header",
    ),
    Healthy("a note that comes while it is copied", COPIED, written_anew(just_written)),
    Healthy("a day of edits, deletions and conflicts", CAPTURED, written_anew(edited)),
    Healthy("an encrypted vault", COPIED, written_anew(lambda made: None, encrypted)),
    Healthy("an encrypted vault of an older release", COPIED, written_anew(lambda made: None, encrypted_before)),
    Healthy("a vault of the first release", COPIED, written_anew(lambda made: None, old)),
    Healthy(
        "without the list of nodes", COPIED, file(f"{DATA}/_nodes.couch", Path.unlink), "couchdb.nodes-missing"
    ),
)
