"""Vaults as LiveSync keeps them, made document by document and written as CouchDB's own files."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from backupcheck.couchfile.ejson import Json, JsonObject
from tests.checks.couchdata import DATA
from tests.couchfile.writer import Leaf, Written, write_couch

RANGE = "00000000-ffffffff"
SUFFIX = ".1700000000"
NODE = "couchdb@127.0.0.1"
SALT = base64.b64encode(bytes(range(32))).decode()
VERSION = "obsydian_livesync_version"
PARAMETERS, MILESTONE = "_local/obsidian_livesync_sync_parameters", "_local/obsydian_livesync_milestone"
ADMIN = f"[couchdb]\nuuid = {'5' * 32}\n\n[admins]\nadmin = -pbkdf2:sha256-{'ab' * 32},{'cd' * 16},600000\n"
BINARY = bytes(range(256)) * 4
MIXED = {
    "# Day 3\n": "1u6l8hl1ijkptl",
    "Mañana 日本語 𝄞\n": "1qk5hm88dhfz5",
    "x": "13vu6j01oi14jc",
}
"""What octagonal-wheels 0.1.45 itself names these, by `fallbackMixedHashEach` in Node."""
NOTHING = "%043f2f4f8b3080fd58abe6e9010000007588f85454b9dfee20f24e2fae61fb1dar997o3FvefQt6vYdQsk7+j2"
"""What it makes of an empty eden, `{}`, in the older encryption."""
Id = Callable[[str], str]


def base36(number: int) -> str:
    """As JavaScript's `toString(36)`."""
    sign, number = ("-", -number) if number < 0 else ("", number)
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return sign + digits


def xxhash64(data: str) -> str:
    """LiveSync's default; the length is JavaScript's."""
    return base36(xxhash.xxh64_intdigest(f"{data}-{_length(data)}".encode()))


def legacy(data: str) -> str:
    """LiveSync's first one, which gives signed numbers."""
    number = xxhash.xxh32_intdigest(data.encode()) ^ _length(data)
    return base36(number - 2**32 if number >= 2**31 else number)


def sha1(data: str) -> str:
    """One that is slow."""
    digest = hashlib.sha1(f"{data}-{_length(data)}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def another(data: str) -> str:
    """An id that nobody can compute here."""
    return base64.b32encode(data.encode()).decode().lower()[:12] + "x"


def _length(data: str) -> int:
    return len(data.encode("utf-16-le")) // 2


def packed(data: bytes, *, text: bool = True) -> str:
    """What LiveSync makes of a chunk that it compresses."""
    deflated = zlib.compressobj(wbits=-15)
    raw = deflated.compress(data) + deflated.flush()
    return "\x0eLZ\x1d" + ("" if text else "~") + base64.b64encode(raw).decode()


@dataclass
class LiveSync:
    """A vault to write: the leaves of its documents, its `_local` ones, and what else the server has."""

    leaves: dict[str, list[Leaf]] = field(default_factory=dict)
    local: dict[str, Json] = field(default_factory=dict)
    users: dict[str, JsonObject] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=lambda: {"vault": NODE, "_users": NODE})
    algorithm: Id = xxhash64

    def put(self, name: str, body: JsonObject, *, deleted: bool = False) -> str:
        """Add a leaf to a document: a second one is a conflict. Its id."""
        leaves = self.leaves.setdefault(name, [])
        leaves.append(Leaf(body, rev=bytes([len(leaves)]) * 16, deleted=deleted))
        return name

    def chunk(self, data: str, stored: str | None = None) -> str:
        """A chunk, perhaps in another form than the one that it was named after; its id."""
        name = f"h:{self.algorithm(data)}"
        self.leaves[name] = [Leaf({"type": "leaf", "data": stored or data})]
        return name

    def note(self, path: str, *pieces: str, **more: Json) -> str:
        """A note of text and its chunks."""
        children: list[Json] = [self.chunk(piece) for piece in pieces]
        size = sum(len(piece.encode()) for piece in pieces)
        return self.entry(path, children, size, **more)

    def entry(self, path: str, children: list[Json], size: int, **more: Json) -> str:
        """What a note is made of."""
        body: JsonObject = {"type": "plain", "path": path, "children": children, "size": size, "eden": {}}
        return self.put(str(more.pop("id", path.lower())), {**body, "ctime": 1, "mtime": 2, **more})

    def write(self, root: Path) -> Path:
        """Write CouchDB's data folder and configuration below `root`; the folder."""
        data = root / DATA.lstrip("/")
        shards = data / "shards" / RANGE
        shards.mkdir(parents=True)
        settings = root / "opt/couchdb/etc/local.d"
        settings.mkdir(parents=True)
        (settings / "docker.ini").write_text(ADMIN)
        documents = [Written(name.encode(), tuple(leaves)) for name, leaves in sorted(self.leaves.items())]
        write_couch(shards / f"vault{SUFFIX}.couch", documents, local=self.local)
        people = [Written(f"org.couchdb.user:{name}".encode(), (Leaf(one),)) for name, one in self.users.items()]
        write_couch(shards / f"_users{SUFFIX}.couch", people)
        maps = [Written(name.encode(), (Leaf(_map(node)),)) for name, node in sorted(self.nodes.items())]
        write_couch(data / "_dbs.couch", maps)
        write_couch(data / "_nodes.couch", [Written(NODE.encode(), (Leaf({}),))])
        return data


def _map(node: str) -> JsonObject:
    return {
        "shard_suffix": [*SUFFIX.encode()],
        "changelog": [["add", RANGE, node]],
        "by_node": {node: [RANGE]},
        "by_range": {RANGE: [node]},
        "props": {},
    }


def _server(vault: LiveSync) -> LiveSync:
    vault.put(VERSION, {"type": "versioninfo", "version": 12})
    vault.local[MILESTONE] = {"type": "milestoneinfo", "locked": False, "accepted_nodes": ["n1"]}
    vault.users["anna"] = {
        "type": "user",
        "name": "anna",
        "roles": [],
        "password_scheme": "pbkdf2",
        "salt": "aa",
        "iterations": 600_000,
        "derived_key": "bb",
    }
    return vault


def healthy() -> LiveSync:
    """All that an unencrypted vault of today may hold, with what edits and deletions leave in it."""
    vault = _server(LiveSync())
    vault.local[PARAMETERS] = {"type": "sync-parameters", "protocolVersion": 2, "pbkdf2salt": SALT}
    for number in range(30):
        vault.note(f"Journal/{number}.md", f"# Day {number} ✅\n", "Mañana 日本語 𝄞\n" * (number + 1))
    picture = base64.b64encode(BINARY).decode()
    vault.entry("a.png", [vault.chunk(picture), vault.chunk(picture[:400])], len(BINARY) + 300, type="newnote")
    vault.entry("Empty.md", [], 0)
    vault.entry("Of unknown size.md", [vault.chunk("what an integration wrote")], 0)
    vault.entry("Text.md", [vault.chunk("no base64 ✅")], 13, type="newnote")
    vault.entry("Unpadded.png", [vault.chunk("QUI")], 2, type="newnote")
    vault.entry("Packed.md", [vault.chunk("long " * 99, packed(b"long " * 99))], 495)
    vault.entry("p.png", [vault.chunk(picture, packed(BINARY, text=False))], len(BINARY), type="newnote")
    vault.entry("Eden.md", ["h:" + xxhash64("in eden")], 7, eden={"h:" + xxhash64("in eden"): {"data": "in eden"}})
    vault.note("i:.obsidian/app.json", "{}")
    vault.note("Torn.md", "mine")
    vault.note("Torn.md", "theirs")
    vault.put("torn.md", {}, deleted=True)
    vault.note("Half gone.md", "changed on one device")
    vault.note("Half gone.md", "deleted on another", deleted=True)
    vault.entry("Soft deleted.md", ["h:collected"], 9, deleted=True)
    vault.put("deleted.md", {}, deleted=True)
    vault.put("h:deleted", {}, deleted=True)
    vault.chunk("an edit left this")
    vault.put("h:1letterwascut", {"type": "leaf", "data": "a letter of two halves \ufffd"})
    vault.put("_design/chunks", {"views": {}})
    vault.put("syncinfo", {"type": "syncinfo", "data": "x"})
    vault.users["guest"] = {"type": "user", "name": "guest", "roles": []}
    return vault


def encrypted() -> LiveSync:
    """Ids are made with the passphrase, contents cannot be read, and some notes do not even say their path."""
    vault = _server(LiveSync())
    vault.local[PARAMETERS] = {"type": "sync-parameters", "protocolVersion": 2, "pbkdf2salt": SALT}
    for number in range(5):
        name = vault.put(f"h:+{number}secret", {"type": "leaf", "data": f"%={SALT}{number}", "e_": True})
        vault.entry(f"Note {number}.md", [name], 1234)
        vault.entry("/\\:%=" + SALT, [], 0, type="newnote", id=f"f:{number}")
    sealed: JsonObject = {"h:++encrypted-hkdf": {"data": "%=" + SALT, "epoch": 999_999}}
    vault.entry("Sealed eden.md", ["h:+in-eden"], 20, eden=sealed)
    return vault


def encrypted_before() -> LiveSync:
    """With the older encryption, which needs no salt and seals an empty eden too; some chunks came before it."""
    vault = _server(LiveSync())
    for number in range(5):
        name = vault.put(f"h:+{number}secret", {"type": "leaf", "data": f"%{number:064x}abcd", "e_": True})
        nothing: JsonObject = {"h:++encrypted": {"data": NOTHING, "epoch": 999_999}}
        vault.entry(f"%{number:064x}efgh", [name], 1234, id=f"f:{number}", eden=nothing)
    packed_last = vault.put("h:+packed", {"type": "leaf", "data": packed(b"[sealed]"), "e_": True})
    plain = vault.put("h:+plain", {"type": "leaf", "data": "sent before it was encrypted"})
    vault.entry("Both.md", [packed_last, plain], 99)
    vault.entry("Plain eden.md", ["h:+in-eden"], 5, eden={"h:+in-eden": {"data": "plain", "epoch": 1}})
    filled: JsonObject = {"h:++encrypted": {"data": NOTHING * 2, "epoch": 999_999}}
    vault.entry("Sealed eden.md", ["h:+in-sealed-eden"], 20, eden=filled)
    return vault


def old() -> LiveSync:
    """A vault of the first versions, which kept no parameters and named its chunks otherwise."""
    vault = _server(LiveSync(algorithm=legacy))
    for number in range(30):
        vault.note(f"{number}.md", f"# Day {number}\n")
    vault.put("first.md", {"type": "notes", "data": "it is its own content", "size": 21})
    without_path: JsonObject = {"type": "plain", "children": [vault.chunk("its id")], "size": 6}
    vault.put("Its id is its path.md", without_path)
    vault.entry("Coded.png", [vault.chunk("%aÀÁ"), vault.chunk("bc")], 5, type="newnote")
    name = vault.put("h:+old", {"type": "leaf", "data": "%0123456789", "e_": True})
    vault.entry("Old cipher.md", [name], 4)
    vault.users["ben"] = {"type": "user", "name": "ben", "roles": [], "password_sha": "cc", "salt": "dd"}
    return vault


def hashed_by_sha1() -> LiveSync:
    """A vault whose owner chose SHA-1."""
    vault = _server(LiveSync(algorithm=sha1))
    vault.note("A.md", "one", "two")
    return vault


def hashed_in_javascript() -> LiveSync:
    """A vault whose owner chose the algorithm that needs nothing but JavaScript."""
    vault = _server(LiveSync(algorithm=MIXED.__getitem__))
    vault.note("A.md", *MIXED)
    return vault


def changed_algorithm() -> LiveSync:
    """A vault that was begun with one algorithm and goes on with another."""
    vault = hashed_in_javascript()
    vault.algorithm = xxhash64
    vault.note("B.md", "one", "two")
    return vault


def strange() -> LiveSync:
    """Ids of an algorithm that is not computed here."""
    vault = _server(LiveSync(algorithm=another))
    vault.note("A.md", "one", "two")
    return vault
