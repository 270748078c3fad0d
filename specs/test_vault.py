"""What only LiveSync knows: which pieces each note is made of, and what a device asks for before it opens a vault.

Sources: obsidian-livesync, `docs/datastructure.md`; livesync-commonlib, `src/common/models/db*.ts`,
`src/managers/HashManager`, `src/managers/EntryManager`, `src/pouchdb/{compress,encryption,chunks}.ts`,
`src/common/utils.doc.ts` (`readAsBlob`); octagonal-wheels, `hash/purejs`, `binary/index`.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
import xxhash

from backupcheck.couchfile import CouchFileError, Document
from backupcheck.couchfile.ejson import Json, JsonObject
from backupcheck.errors import BadBackup, UnsafePath
from backupcheck.fixtures import RestoredCouchdb
from backupcheck.result import printable
from backupcheck.seal.header import SealBroken, header_of
from backupcheck.seal.manifest import LONGEST_LINE, SEAL
from backupcheck.seams import Box

DATA = "/opt/couchdb/data"
VERSION = "obsydian_livesync_version"
PARAMETERS, MILESTONE = "_local/obsidian_livesync_sync_parameters", "_local/obsydian_livesync_milestone"
USER = "org.couchdb.user:"
FILES = ("plain", "newnote")
TEXTS = (".md", ".txt", ".svg", ".html", ".csv", ".css", ".js", ".xml", ".canvas")
"""What LiveSync reads as text whatever the type that the note has."""
SEALED_EDEN = ("h:++encrypted", "h:++encrypted-hkdf")
SEALED_NOTHING = 100
"""The older encryption seals an empty eden too, into 50 to 98 letters; the smallest chunk needs 120."""
SEALED_PATH = "/\\:"
SEALED, SEALED_WITH_SALT = ("%", "["), "%="
PACKED = "\x0eLZ\x1d"
CODED = "%"
"""The first letter of a file in the first encoding, which has one letter a byte."""
LEAST_SALT = 16
LARGEST_CHUNK = 64 * 2**20
MOST_UNPACKED = 200
"""How many times its size a vault's packed chunks may unpack to, in all; text packs to a fifth."""
MOST_MIXED = 2**20
"""How many letters are hashed by the algorithm in plain JavaScript, which is slow here: a second."""
SHARE_OF_ALGORITHM = 0.5
"""Of the ids that must follow from the content before one that does not is called damage."""
WRITING = timedelta(hours=1)
"""Around the copy's end: shards are copied one after the other, and a device may write meanwhile."""
LATEST = 10**15
"""Milliseconds since 1970 beyond which a time is none."""
SHOWN = 3
OLDER = "restore an older snapshot if it is whole there, and compare the source with it"
FILES_NOT_REPLICA = "back up CouchDB's files, for no replication carries `_local` documents"
ADVICE = {
    "empty": "see whether the source's vault has notes: if so, this is another database or another server's",
    "version-lost": "no device opens the vault without it: restore an older snapshot, or rebuild it from a device",
    "local-lost": FILES_NOT_REPLICA,
    "salt-lost": f"{FILES_NOT_REPLICA}; let no device write to this vault, for it would make another salt",
    "chunk-missing": "let LiveSync resend all chunks from a device that has the notes, or take an older snapshot",
    "size-wrong": "LiveSync writes no file whose size does not fit: save the note again on a device that has it",
    "user-unusable": "give the user a new password after a restore, or take an older snapshot",
    "node-unknown": "restore all databases from one snapshot of one server",
}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of content: its bytes in a note of text and in another file, None where nobody can tell.

    `letters` counts UTF-16 units and `coded` says whether they begin a file in the first encoding. `genuine` says
    whether its id follows from what it holds, None where that cannot be known.
    """

    text: int | None = None
    binary: int | None = None
    letters: int = 0
    coded: bool = False
    genuine: bool | None = None
    wrong: str = ""


@dataclass(frozen=True)
class Note:
    """A live revision of a file, without its content; `children` are ids, `eden` what it carries itself."""

    name: str
    type: str
    children: tuple[str, ...] = ()
    size: object = None
    eden: dict[str, Chunk] = field(default_factory=dict)
    sealed: bool = False
    modified: float = 0
    wrong: str = ""

    @property
    def may_be_in_eden(self) -> bool:
        """Whether it carries chunks that nobody can see."""
        older, today = (self.eden.get(key) for key in SEALED_EDEN)
        return today is not None or (older is not None and older.letters > SEALED_NOTHING)


@dataclass
class Vault:
    """A vault's files and chunks, and the documents that LiveSync keeps for itself.

    `salted` says whether anything in it is encrypted with a key that is made with the vault's salt.
    """

    notes: list[Note] = field(default_factory=list)
    chunks: dict[str, Chunk] = field(default_factory=dict)
    kept: dict[str, JsonObject] = field(default_factory=dict, repr=False)
    salted: bool = False
    packed: int = 0
    unpacked: int = 0
    mixed: int = 0

    def piece(self, note: Note, child: str) -> Chunk | None:
        """A chunk of a note, wherever it is kept."""
        return note.eden.get(child) or self.chunks.get(child)

    def add(self, document: Document) -> None:
        """Sort one document in; what it holds is not kept."""
        for leaf in document.leaves:
            body = leaf.body
            if leaf.deleted:
                continue
            if document.id in self.chunks:
                continue  # a chunk's other leaves hold the same, or what no note was made of
            if document.id.startswith("h:"):
                self.chunks[document.id] = self._chunk(document.id, body)
            elif document.id in (VERSION, PARAMETERS, MILESTONE):
                self.kept[document.id] = body
            elif body.get("type") in FILES and not body.get("deleted"):
                self.notes.append(self._note(document.id, body, lost=leaf is not document.winner))
            elif body.get("type") == "notes" and not body.get("deleted"):
                # of the first versions: it is its own content
                self.notes.append(Note(document.id, "notes", wrong="" if "data" in body else "it has no content"))

    def _note(self, id: str, body: JsonObject, *, lost: bool) -> Note:
        path, children, eden = body.get("path") or id, body.get("children"), body.get("eden") or {}
        if not (isinstance(path, str) and isinstance(children, list) and isinstance(eden, dict)):
            return Note(id, str(body["type"]), wrong="it does not say what it is made of")
        sealed = path.startswith(SEALED_PATH)
        self.salted |= sealed
        modified = body.get("mtime")
        return Note(
            name=(id if sealed else path) + (" (a revision in conflict)" if lost else ""),
            type="text" if body["type"] == "newnote" and path.endswith(TEXTS) else str(body["type"]),
            children=tuple(map(str, children)),
            size=body.get("size"),
            eden={key: self._chunk(key, one) for key, one in eden.items() if isinstance(one, dict)},
            sealed=sealed or not {*eden}.isdisjoint(SEALED_EDEN),
            modified=modified / 1000 if isinstance(modified, int | float) and 0 < modified < LATEST else 0,
        )

    def _chunk(self, name: str, body: JsonObject) -> Chunk:
        data = body.get("data")
        if not isinstance(data, str):
            return Chunk(wrong="it has no content")
        if body.get("e_") is True or name.startswith("h:+"):
            self.salted |= data.startswith(SEALED_WITH_SALT)
            # one that was not encrypted under such an id is read as it is; compression may come last
            good = data.startswith((*SEALED, PACKED)) or body.get("e_") is not True
            return Chunk(letters=len(data), wrong="" if good else "it is marked as encrypted, and is not")
        try:
            text = self._unpack(data) if data.startswith(PACKED) else data
        except (ValueError, zlib.error) as error:
            return Chunk(wrong=f"it cannot be unpacked: {error}")
        raw, units = text.encode("utf-8", "replace"), text.encode("utf-16-le", "surrogatepass")
        try:
            binary = len(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))
        except ValueError:
            binary = None
        return Chunk(
            text=len(raw),
            binary=binary,
            letters=len(units) // 2,
            coded=text.startswith(CODED),
            genuine=self._genuine(name.removeprefix("h:"), text, len(units) // 2),
        )

    def _genuine(self, name: str, text: str, length: int) -> bool | None:
        """Whether any of LiveSync's algorithms gives this name to the content."""
        salted = f"{text}-{length}"
        if name in _quick_names(text, salted, length):
            return True
        if "\ufffd" in text:
            return None  # a letter that was cut in two was kept as this
        self.mixed += length
        return None if self.mixed > MOST_MIXED else name == _mixed(salted)

    def _unpack(self, data: str) -> str:
        """Text, or the base64 of bytes where the first sign says so."""
        packed = data.removeprefix(PACKED)
        self.packed += len(packed)
        room = min(LARGEST_CHUNK, LARGEST_CHUNK + MOST_UNPACKED * self.packed - self.unpacked)
        inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        raw = inflating.decompress(base64.b64decode(packed.removeprefix("~"), validate=True), max(1, room))
        self.unpacked += len(raw)
        if not inflating.eof:
            raise ValueError("it is cut, or too large")
        return base64.b64encode(raw).decode() if packed.startswith("~") else raw.decode()


def _quick_names(text: str, salted: str, length: int) -> Iterator[str]:
    """What the algorithms that are quick here name a content: today's, its stand-in, the first one, and SHA-1."""
    raw, one = text.encode("utf-8", "replace"), salted.encode("utf-8", "replace")
    yield _base36(xxhash.xxh64_intdigest(one))
    yield _base36(xxhash.xxh32_intdigest(one))
    signed = _signed(xxhash.xxh32_intdigest(raw) ^ length)
    yield _base36(signed) if signed >= 0 else f"-{_base36(-signed)}"
    yield base64.b64encode(hashlib.sha1(one, usedforsecurity=False).digest()).decode()


def _mixed(text: str) -> str:
    """What the algorithm in plain JavaScript makes of a text: MurmurHash3 and FNV-1a over UTF-16 units.

    JavaScript multiplies in floating point, and so loses bits of large products.
    """
    units = text.encode("utf-16-le", "surrogatepass")
    all_units = memoryview(f"{len(units) // 2}".encode("utf-16-le") + units).cast("H")
    murmur, fnv = 1, 2166136261
    for unit in all_units:
        fnv = ((fnv ^ unit) * 0x01000193) & 0xFFFFFFFF
        mixed = (unit * 0xCC9E2D51) & 0xFFFFFFFF
        mixed = (mixed << 15 | mixed >> 17) & 0xFFFFFFFF
        murmur = (murmur ^ int(float(_signed(mixed)) * 0x1B873593)) & 0xFFFFFFFF
        murmur = (murmur << 13 | murmur >> 19) & 0xFFFFFFFF
        murmur = (_signed(murmur) * 5 + 0xE6546B64) & 0xFFFFFFFF
    murmur ^= len(all_units)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        murmur = ((murmur ^ murmur >> shift) * factor) & 0xFFFFFFFF
    return _base36(murmur) + _base36(fnv)


def _signed(number: int) -> int:
    """A number's lower 32 bits as JavaScript's bitwise operators give them."""
    return (number & 0x7FFFFFFF) - (number & 0x80000000)


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def read_all(documents: Iterator[Document]) -> Iterator[Document]:
    """All of them; damage to their files has the name that the check `couchdb` gives it."""
    try:
        yield from documents
    except CouchFileError as error:
        raise BadBackup(error.message, id=f"couchdb.{error.code}") from error


@functools.lru_cache(maxsize=1)
def read(restored: RestoredCouchdb) -> Vault:
    """A vault, read once for all questions."""
    found = Vault()
    for document in read_all(restored.documents("vault")):
        found.add(document)
    return found


def taken_at(box: Box) -> datetime | None:
    """When the copy was complete, by its seal; whether that is whole, the check `seal` says."""
    try:
        with box.tree.open(SEAL) as file:
            return header_of(json.loads(file.readline(LONGEST_LINE))).taken
    except (FileNotFoundError, UnsafePath, SealBroken, ValueError, AttributeError, RecursionError):
        return None


@pytest.fixture
def vault(couchdb: Callable[[str], RestoredCouchdb]) -> Vault:
    """The restored vault."""
    return read(couchdb(DATA))


@pytest.fixture
def taken(box: Box) -> datetime | None:
    """When the copy was complete, if that is known."""
    return taken_at(box)


def _told(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return printable("; ".join(wrong[:SHOWN]) + more)


def _none(wrong: list[str], id: str, what: str) -> None:
    if wrong:
        raise BadBackup(f"{what}: {_told(wrong)}", id=f"vault.{id}", advice=ADVICE.get(id, OLDER))


def test_there_are_notes(vault: Vault) -> None:
    """The vault holds live notes, and each says what it is made of."""
    _none([] if vault.notes else ["all are deleted, or none was ever there"], "empty", "the vault has no note")
    wrong = [f"{one.name}: {one.wrong}" for one in vault.notes if one.wrong]
    _none(wrong, "note-unusable", f"notes that cannot be opened ({len(wrong)})")


def test_the_vault_has_what_every_device_asks_for_first(vault: Vault) -> None:
    """The vault says its version, and what LiveSync keeps on the server itself was kept."""
    version = vault.kept.get(VERSION, {}).get("version")
    local = [name for name in (PARAMETERS, MILESTONE) if name in vault.kept]

    _none(
        [] if isinstance(version, int) else [VERSION],
        "version-lost",
        "the document of the vault's version is lost",
    )
    _none([] if local else [MILESTONE, PARAMETERS], "local-lost", "no `_local` document of LiveSync's was kept")


def test_an_encrypted_vault_can_be_opened(vault: Vault) -> None:
    """Nothing is encrypted with a key whose salt was lost."""
    there = not vault.salted or _is_salt(vault.kept.get(PARAMETERS, {}).get("pbkdf2salt"))

    _none([] if there else [PARAMETERS], "salt-lost", "no passphrase opens this vault, for its salt is lost")


def _is_salt(value: Json) -> bool:
    try:
        return isinstance(value, str) and len(base64.b64decode(value, validate=True)) >= LEAST_SALT
    except ValueError:
        return False


def test_every_note_has_all_its_chunks(vault: Vault, taken: datetime | None) -> None:
    """Every chunk of every live note is there, of those in conflict too."""
    end = taken.timestamp() if taken else float("inf")
    incomplete: list[str] = []
    writing: list[str] = []
    for note in vault.notes:
        lost = [] if note.may_be_in_eden else [one for one in note.children if vault.piece(note, one) is None]
        if lost:
            told = f"{note.name} lacks {len(lost)} of {len(note.children)} chunks ({lost[0]})"
            meanwhile = abs(note.modified - end) < WRITING.total_seconds()
            (writing if meanwhile else incomplete).append(told)

    _none(incomplete, "chunk-missing", f"incomplete notes ({len(incomplete)})")
    if writing:
        warnings.warn(f"written while the copy was taken, see the next one: {_told(writing)}", stacklevel=1)


def test_every_note_is_as_long_as_it_says(vault: Vault) -> None:
    """The chunks of every note together are as long as the note says, where they can be read."""
    wrong = []
    for note in vault.notes:
        pieces = [one for child in note.children if (one := vault.piece(note, child)) is not None]
        there = len(pieces) == len(note.children) and not any(one.wrong or one.text is None for one in pieces)
        # LiveSync takes a size of 0 for one that was not known
        if not there or note.sealed or note.wrong or note.type == "notes" or note.size == 0:
            continue
        if note.size not in (lengths := _lengths(note, pieces)):
            wrong.append(f"{note.name} holds {next(iter(lengths), 'no readable')} bytes, and should {note.size}")

    _none(wrong, "size-wrong", f"notes of another size than they say ({len(wrong)})")


def _lengths(note: Note, pieces: list[Chunk]) -> list[int]:
    """How many bytes LiveSync may make of a note's chunks."""
    text = sum(one.text or 0 for one in pieces)
    if note.type == "plain":
        return [text]
    if pieces and pieces[0].coded:
        return [sum(one.letters for one in pieces) - len(CODED)]
    readable = all(one.binary is not None for one in pieces)
    return [
        *([text] if note.type == "text" else []),
        *([sum(one.binary or 0 for one in pieces)] if readable else []),
    ]


def test_every_chunk_holds_what_its_id_says(vault: Vault) -> None:
    """Every chunk can be read or is encrypted, and holds what its id says, where that can be computed."""
    chunks = {**vault.chunks, **{key: one for note in vault.notes for key, one in note.eden.items()}}
    owner = {child: note.name for note in vault.notes for child in note.children}
    known = [one.genuine for one in chunks.values() if one.genuine is not None]
    computable = known and sum(known) / len(known) >= SHARE_OF_ALGORITHM
    broken, altered = [], []
    for name, chunk in sorted(chunks.items(), key=lambda item: item[0] not in owner):
        told = f"{name} of {owner.get(name, 'no live note')}"
        if chunk.wrong:
            broken.append(f"{told}: {chunk.wrong}")
        elif computable and chunk.genuine is False:
            altered.append(told)

    _none(broken, "chunk-unusable", f"chunks that cannot be read ({len(broken)})")
    _none(altered, "chunk-altered", f"chunks with another content than they were named after ({len(altered)})")


def test_every_user_can_log_in(couchdb: Callable[[str], RestoredCouchdb]) -> None:
    """Every user of the server who has a password has all that is needed to verify it."""
    wrong = []
    for user in read_all(couchdb(DATA).documents("_users")):
        if user.deleted or not user.id.startswith(USER):
            continue
        body = user.body
        hashed = ("derived_key", "iterations") if body.get("password_scheme") == "pbkdf2" else ("password_sha",)
        named = body.get("name") == user.id.removeprefix(USER)
        # one who was never given a password logs in by other ways, or not at all
        without = not any(body.get(key) for key in ("password_scheme", "salt", "derived_key", "password_sha"))
        if not named or not (without or all(body.get(key) for key in ("salt", *hashed))):
            wrong.append(user.id.removeprefix(USER))

    _none(wrong, "user-unusable", f"users who cannot log in ({len(wrong)})")


def test_one_server_finds_every_shard(couchdb: Callable[[str], RestoredCouchdb]) -> None:
    """The shard map tells the one node name under which a server finds every shard."""
    names: set[str] | None = None
    for document in read_all(couchdb(DATA).shard_maps()):
        by_node = document.body.get("by_node")
        here = {name for name, ranges in by_node.items() if ranges} if isinstance(by_node, dict) else set()
        names = here if names is None else names & here

    _none([] if names else ["_dbs.couch"], "node-unknown", "no node name has the shards of all databases")
