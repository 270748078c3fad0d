"""What only LiveSync knows: which pieces each note is made of, and what a device asks for before it opens a vault.

Sources: obsidian-livesync, `docs/datastructure.md`; livesync-commonlib, `src/common/models/db*.ts`,
`src/managers/HashManager`, `src/pouchdb/{compress,encryption}.ts`.
"""

from __future__ import annotations

import base64
import functools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import xxhash

from backupcheck.couchfile import CouchFileError, Document
from backupcheck.couchfile.ejson import JsonObject
from backupcheck.errors import BadBackup
from backupcheck.fixtures import RestoredCouchdb

DATA = "/opt/couchdb/data"
VERSION = "obsydian_livesync_version"
PARAMETERS, MILESTONE = "_local/obsidian_livesync_sync_parameters", "_local/obsydian_livesync_milestone"
USER = "org.couchdb.user:"
FILES = ("plain", "newnote")
SEALED_EDEN = ("h:++encrypted", "h:++encrypted-hkdf")
SEALED_PATH = "/\\:"
SEALED, SEALED_WITH_SALT = ("%", "["), "%="
PACKED = "\x0eLZ\x1d"
LARGEST_CHUNK = 64 * 2**20
MOST_UNPACKED = 200
"""How many times its size a vault's packed chunks may unpack to, in all; text packs to a fifth."""
SHARE_OF_ALGORITHM = 0.9
"""Of the ids that must follow from the content before one that does not is called damage."""
SHOWN = 3
SOURCE = "compare it with the source, and restore an older snapshot if it is whole there"


@dataclass(frozen=True)
class Chunk:
    """A piece of content: its bytes in a note of text and in another file, None where nobody can tell.

    `genuine` says whether its id follows from what it holds, None where that cannot be known.
    """

    text: int | None = None
    binary: int | None = None
    genuine: bool | None = None
    wrong: str = ""

    @property
    def sealed(self) -> bool:
        """Whether it is encrypted."""
        return self.text is None and not self.wrong


@dataclass(frozen=True)
class Note:
    """A live revision of a file, without its content; `children` are ids, `eden` what it carries itself."""

    name: str
    type: str
    children: tuple[str, ...] = ()
    size: object = None
    eden: dict[str, Chunk] = field(default_factory=dict)
    sealed: bool = False
    wrong: str = ""


@dataclass
class Vault:
    """A vault's files and chunks, and the documents that LiveSync keeps for itself.

    `salted` says whether anything in it is encrypted with a key that is made with the vault's salt.
    """

    notes: list[Note] = field(default_factory=list)
    chunks: dict[str, Chunk] = field(default_factory=dict)
    kept: dict[str, JsonObject] = field(default_factory=dict)
    salted: bool = False
    packed: int = 0
    unpacked: int = 0

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
                self.notes.append(self._note(document.id, body))
            elif body.get("type") == "notes" and not body.get("deleted"):
                # of the first versions: it is its own content
                self.notes.append(Note(document.id, "notes", wrong="" if "data" in body else "it has no content"))

    def _note(self, name: str, body: JsonObject) -> Note:
        path, children, eden = body.get("path"), body.get("children"), body.get("eden") or {}
        if not (isinstance(path, str) and isinstance(children, list) and isinstance(eden, dict)):
            return Note(name, str(body["type"]), wrong="it does not say what it is made of")
        self.salted |= path.startswith(SEALED_PATH) or SEALED_EDEN[1] in eden
        return Note(
            name=name,
            type=str(body["type"]),
            children=tuple(map(str, children)),
            size=body.get("size"),
            eden={key: self._chunk(key, one) for key, one in eden.items() if isinstance(one, dict)},
            sealed=path.startswith(SEALED_PATH) or not {*eden}.isdisjoint(SEALED_EDEN),
        )

    def _chunk(self, name: str, body: JsonObject) -> Chunk:
        data = body.get("data")
        if not isinstance(data, str):
            return Chunk(wrong="it has no content")
        if body.get("e_") is True or name.startswith("h:+"):
            self.salted |= data.startswith(SEALED_WITH_SALT)
            return Chunk(wrong="" if data.startswith(SEALED) else "it is marked as encrypted, and is not")
        try:
            text = self._unpack(data) if data.startswith(PACKED) else data
        except (ValueError, zlib.error) as error:
            return Chunk(wrong=f"it cannot be unpacked: {error}")
        raw = text.encode("utf-8", "replace")
        try:
            binary = len(base64.b64decode(text, validate=True))
        except ValueError:
            binary = None
        return Chunk(len(raw), binary, name in _ids(text, raw))

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


@pytest.fixture
def vault(couchdb: Callable[[str], RestoredCouchdb]) -> Vault:
    """The restored vault."""
    return read(couchdb(DATA))


def _ids(text: str, raw: bytes) -> Iterator[str]:
    """The ids that LiveSync's algorithms give to a content; those of SHA-1 and plain JavaScript are left out."""
    length = len(text.encode("utf-16-le", "surrogatepass")) // 2
    salted = raw + f"-{length}".encode()
    yield f"h:{_base36(xxhash.xxh64_intdigest(salted))}"
    yield f"h:{_base36(xxhash.xxh32_intdigest(salted))}"
    signed = (xxhash.xxh32_intdigest(raw) ^ length) & 0xFFFFFFFF
    yield f"h:{_base36(signed - (signed >> 31 << 32))}"


def _base36(number: int) -> str:
    digits, left = "", abs(number)
    while left or not digits:
        left, digit = divmod(left, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"-{digits}" if number < 0 else digits


def _none(wrong: list[str], id: str, what: str) -> None:
    if wrong:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise BadBackup(f"{what}: {'; '.join(wrong[:SHOWN])}{more}", id=f"vault.{id}", advice=SOURCE)


def test_there_are_notes(vault: Vault) -> None:
    """The vault holds live notes, and each says what it is made of."""
    _none([] if vault.notes else ["all are deleted, or none was ever there"], "empty", "the vault has no note")
    _none(
        [f"{one.name}: {one.wrong}" for one in vault.notes if one.wrong], "note-unusable", "notes cannot be opened"
    )


def test_the_vault_has_what_every_device_asks_for_first(vault: Vault) -> None:
    """The vault says its version, and what LiveSync keeps on the server itself was kept."""
    version = vault.kept.get(VERSION, {}).get("version")
    local = [name for name in (PARAMETERS, MILESTONE) if name in vault.kept]

    _none([] if isinstance(version, int) else [VERSION], "version-lost", "the vault's version is lost")
    _none([] if local else [MILESTONE], "local-lost", "no `_local` document of LiveSync's was kept")


def test_an_encrypted_vault_can_be_opened(vault: Vault) -> None:
    """Nothing is encrypted with a key whose salt was lost."""
    salt = vault.kept.get(PARAMETERS, {}).get("pbkdf2salt")
    there = not vault.salted or (isinstance(salt, str) and len(salt) >= 16)

    _none([] if there else [PARAMETERS], "salt-lost", "no passphrase opens this vault without its salt")


def test_every_note_has_all_its_chunks(vault: Vault) -> None:
    """Every chunk of every live note is there, of those in conflict too."""
    lost = [
        f"{note.name} lacks {child}"
        for note in vault.notes
        for child in note.children
        if vault.piece(note, child) is None and {*note.eden}.isdisjoint(SEALED_EDEN)
    ]

    _none(lost, "chunk-missing", "notes are incomplete")


def test_every_note_is_as_long_as_it_says(vault: Vault) -> None:
    """The chunks of every note together are as long as the note says, where they can be read."""
    wrong = []
    for note in vault.notes:
        pieces = [vault.piece(note, child) for child in note.children]
        if (
            note.sealed
            or note.wrong
            or note.type not in FILES
            or any(one is None or one.sealed or one.wrong for one in pieces)
        ):
            continue
        lengths = [one.text if note.type == "plain" else one.binary for one in pieces if one is not None]
        length = "unreadable" if None in lengths else sum(filter(None, lengths))
        if length != note.size:
            wrong.append(f"{note.name} has {length} bytes, not {note.size}")

    _none(wrong, "size-wrong", "LiveSync does not open notes of another size")


def test_every_chunk_holds_what_its_id_says(vault: Vault) -> None:
    """Every chunk can be read or is encrypted, and holds what its id says, where that can be computed."""
    chunks = {**vault.chunks, **{key: one for note in vault.notes for key, one in note.eden.items()}}
    broken = [f"{name}: {one.wrong}" for name, one in chunks.items() if one.wrong]
    known = [one.genuine for one in chunks.values() if one.genuine is not None]
    computable = known and sum(known) / len(known) >= SHARE_OF_ALGORITHM
    altered = [name for name, one in chunks.items() if one.genuine is False] if computable else []

    _none(broken, "chunk-unusable", "chunks cannot be read")
    _none(altered, "chunk-altered", "chunks hold another content than they were named after")


def test_every_user_can_log_in(couchdb: Callable[[str], RestoredCouchdb]) -> None:
    """Every user of the server has a name and a password that can be verified."""
    wrong = []
    for user in read_all(couchdb(DATA).documents("_users")):
        if user.deleted or not user.id.startswith(USER):
            continue
        body = user.body
        hashed = ("derived_key", "iterations") if body.get("password_scheme") == "pbkdf2" else ("password_sha",)
        if body.get("name") != user.id.removeprefix(USER) or not all(body.get(key) for key in ("salt", *hashed)):
            wrong.append(user.id)

    _none(wrong, "user-unusable", "users cannot log in")


def test_one_server_finds_every_shard(couchdb: Callable[[str], RestoredCouchdb]) -> None:
    """The shard map tells the one node name under which a server finds every shard."""
    names: set[str] | None = None
    for document in read_all(couchdb(DATA).shard_maps()):
        by_node = document.body.get("by_node")
        here = {name for name, ranges in by_node.items() if ranges} if isinstance(by_node, dict) else set()
        names = here if names is None else names & here

    _none([] if names else ["_dbs.couch"], "node-unknown", "there is no node name that has all databases")
