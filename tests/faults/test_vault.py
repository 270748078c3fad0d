"""The vault, proven as its owner would: each way in which LiveSync could not open it is named."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from backupcheck.errors import BadBackup
from backupcheck.fixtures import RestoredCouchdb
from backupcheck.seal.header import Header
from backupcheck.seal.manifest import SEAL, write
from tests.checks.couchdata import DATA, restored
from tests.checks.plain import PlainBox
from tests.couchfile.writer import Leaf
from tests.faults.livesync import (
    MILESTONE,
    MIXED,
    PARAMETERS,
    RANGE,
    SUFFIX,
    VERSION,
    LiveSync,
    changed_algorithm,
    encrypted,
    encrypted_before,
    hashed_by_sha1,
    hashed_in_javascript,
    healthy,
    legacy,
    old,
    packed,
    sha1,
    strange,
    xxhash64,
)
from tests.lab.lab import REPOSITORY_ROOT
from tests.smallsite import SmallSite, small_site

Made = Callable[[], LiveSync]
Harm = Callable[[LiveSync], object]
QUESTIONS = REPOSITORY_ROOT / "specs/test_vault.py"
FIRST = f"h:{xxhash64('# Day 7 ✅' + chr(10))}"


@pytest.fixture(scope="module")
def questions() -> ModuleType:
    """The tests in Python that stand beside the vault's spec."""
    spec = importlib.util.spec_from_file_location("questions_of_the_vault", QUESTIONS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def troubles(questions: ModuleType, root: Path) -> list[BadBackup]:
    """What all the questions together say of a restored tree."""
    found = []
    with contextlib.ExitStack() as stack:
        box = PlainBox(root, "vault")
        couchdb = RestoredCouchdb(box, DATA, stack)
        for name, question in list(vars(questions).items()):
            if not name.startswith("test_"):
                continue
            given: dict[str, Callable[[], object]] = {
                "vault": lambda: questions.read(couchdb),
                "couchdb": lambda: lambda data: couchdb,
                "taken": lambda: questions.taken_at(box),
            }
            try:
                question(**{about: given[about]() for about in inspect.signature(question).parameters})
            except BadBackup as error:
                found.append(error)
    return found


def asked(questions: ModuleType, root: Path) -> set[str]:
    """The ids of that."""
    return {error.id for error in troubles(questions, root)}


def changed(name: str, **more: object) -> Harm:
    """Another body of a document's winner; None takes a field away."""

    def harm(vault: LiveSync) -> None:
        leaf = vault.leaves[name][0]
        assert isinstance(leaf.body, dict)
        body = {key: value for key, value in {**leaf.body, **more}.items() if value is not None}
        vault.leaves[name][0] = replace(leaf, body=body)  # type: ignore[arg-type]

    return harm


def lost(*names: str) -> Harm:
    return lambda vault: [(vault.leaves.pop(name, None), vault.local.pop(name, None)) for name in names]


def deleted(name: str) -> Harm:
    def harm(vault: LiveSync) -> None:
        vault.leaves[name] = [Leaf({}, depth=2, deleted=True)]

    return harm


def all_deleted(vault: LiveSync) -> None:
    for name, leaves in vault.leaves.items():
        if not name.startswith(("h:", VERSION)):
            vault.leaves[name] = [replace(leaves[0], body={}, deleted=True)]


def no_name(vault: LiveSync) -> None:
    vault.users["anna"].pop("derived_key")


BOMB = packed(bytes(65 * 2**20))
HEALTHY = [
    healthy,
    encrypted,
    encrypted_before,
    old,
    hashed_by_sha1,
    hashed_in_javascript,
    changed_algorithm,
    strange,
]
FAULTS: dict[str, tuple[Made, Harm, set[str]]] = {
    "a chunk is lost": (healthy, lost(FIRST), {"chunk-missing"}),
    "a chunk is deleted": (healthy, deleted(FIRST), {"chunk-missing"}),
    "a chunk of a conflict is lost": (healthy, lost(f"h:{xxhash64('theirs')}"), {"chunk-missing"}),
    "what eden held is lost": (healthy, changed("eden.md", eden={}), {"chunk-missing"}),
    "an encrypted chunk is lost": (encrypted, lost("h:+3secret"), {"chunk-missing"}),
    "a chunk of the older encryption is lost": (encrypted_before, lost("h:+3secret"), {"chunk-missing"}),
    "a chunk of an old vault is lost": (old, lost(f"h:{legacy('# Day 3' + chr(10))}"), {"chunk-missing"}),
    "a chunk is another": (healthy, changed(FIRST, data="# Day 8 ✅\n"), {"chunk-altered"}),
    "a chunk of an old vault is another": (
        old,
        changed(f"h:{legacy('# Day 3' + chr(10))}", data="# Day 4\n"),
        {"chunk-altered"},
    ),
    "one of few chunks is another": (
        hashed_by_sha1,
        changed(f"h:{sha1('two')}", data="owt"),
        {"chunk-altered"},
    ),
    "a chunk that was named in JavaScript is another": (
        hashed_in_javascript,
        changed(f"h:{MIXED['x']}", data="y"),
        {"chunk-altered"},
    ),
    "a chunk is cut": (healthy, changed(FIRST, data="# Day"), {"chunk-altered", "size-wrong"}),
    "a chunk has no content": (healthy, changed(FIRST, data=None), {"chunk-unusable"}),
    "a packed chunk is cut": (
        healthy,
        changed(f"h:{xxhash64('long ' * 99)}", data=packed(b"long " * 99)[:-8]),
        {"chunk-unusable"},
    ),
    "a packed chunk is a bomb": (healthy, changed(FIRST, data=BOMB), {"chunk-unusable"}),
    "an encrypted chunk is not": (encrypted, changed("h:+3secret", data="plain"), {"chunk-unusable"}),
    "a note of another size": (healthy, changed("journal/3.md", size=5), {"size-wrong"}),
    "a picture of another size": (healthy, changed("a.png", size=5), {"size-wrong"}),
    "a picture of text": (healthy, changed("a.png", children=[FIRST], size=12), {"size-wrong"}),
    "a coded picture of another size": (old, changed("coded.png", size=6), {"size-wrong"}),
    "a text without a size": (healthy, changed("journal/3.md", size=None), {"size-wrong"}),
    "a note without children": (healthy, changed("journal/3.md", children=None), {"note-unusable"}),
    "a first note without content": (old, changed("first.md", data=None), {"note-unusable"}),
    "all notes are deleted": (healthy, all_deleted, {"empty"}),
    "the version is lost": (healthy, lost(VERSION), {"version-lost"}),
    "what is local was not kept": (healthy, lost(PARAMETERS, MILESTONE), {"local-lost"}),
    "the salt is lost": (encrypted, lost(PARAMETERS), {"salt-lost"}),
    "the salt is empty": (
        encrypted,
        lambda vault: vault.local.update({PARAMETERS: {"type": "sync-parameters", "pbkdf2salt": ""}}),
        {"salt-lost"},
    ),
    "the salt is no salt": (
        encrypted,
        lambda vault: vault.local.update({PARAMETERS: {"type": "sync-parameters", "pbkdf2salt": "c2hvcnQ="}}),
        {"salt-lost"},
    ),
    "a user has another name": (healthy, lambda vault: vault.users["anna"].update(name="eve"), {"user-unusable"}),
    "a user has no password": (healthy, no_name, {"user-unusable"}),
    "two servers have a part each": (
        healthy,
        lambda vault: vault.nodes.update({"_users": "couchdb@elsewhere"}),
        {"node-unknown"},
    ),
}


@pytest.mark.parametrize("make", HEALTHY)
def test_every_sort_of_healthy_vault_passes(questions: ModuleType, tmp_path: Path, make: Made) -> None:
    make().write(tmp_path)

    assert asked(questions, tmp_path) == set()


def test_a_vault_that_a_real_couchdb_wrote_passes(questions: ModuleType, tmp_path: Path) -> None:
    restored(tmp_path)

    assert asked(questions, tmp_path) == set()


@pytest.mark.parametrize("name", FAULTS)
def test_each_way_to_be_unusable_is_named_and_nothing_else(
    questions: ModuleType, tmp_path: Path, name: str
) -> None:
    make, harm, expected = FAULTS[name]
    vault = make()
    harm(vault)
    vault.write(tmp_path)

    assert asked(questions, tmp_path) == {f"vault.{end}" for end in expected}


@pytest.mark.parametrize("kept", [("note 1.md", "h:+1secret"), ("f:1",), ("sealed eden.md",)])
def test_whatever_is_encrypted_with_it_needs_the_salt(
    questions: ModuleType, tmp_path: Path, kept: tuple[str, ...]
) -> None:
    vault = encrypted()
    vault.leaves = {name: vault.leaves[name] for name in (*kept, VERSION)}
    lost(PARAMETERS)(vault)
    vault.write(tmp_path)

    assert asked(questions, tmp_path) == {"vault.salt-lost"}


def test_says_which_notes_what_they_lack_and_what_to_do(questions: ModuleType, tmp_path: Path) -> None:
    vault = healthy()
    for number in (3, 4, 5, 6):
        lost(f"h:{xxhash64(f'# Day {number} ✅' + chr(10))}")(vault)
    vault.write(tmp_path)
    (found,) = troubles(questions, tmp_path)
    first = f"Journal/3.md lacks 1 of 2 chunks (h:{xxhash64('# Day 3 ✅' + chr(10))})"

    assert found.message.startswith("incomplete notes (4): ")
    assert first in found.message
    assert found.message.endswith("; and 1 more")
    assert "resend all chunks" in found.advice


def test_names_the_note_of_an_unusable_chunk_before_chunks_of_none(questions: ModuleType, tmp_path: Path) -> None:
    vault = healthy()
    unused = vault.chunk("an edit left this")
    changed(unused, data=None)(vault)
    changed(FIRST, data=None)(vault)
    vault.write(tmp_path)
    (found,) = troubles(questions, tmp_path)
    what = "it has no content"

    assert found.message == (
        f"chunks that cannot be read (2): {FIRST} of Journal/7.md: {what}; {unused} of no live note: {what}"
    )


def test_names_a_conflict_and_the_note_of_an_altered_chunk(questions: ModuleType, tmp_path: Path) -> None:
    vault = healthy()
    lost(f"h:{xxhash64('mine')}", f"h:{xxhash64('theirs')}")(vault)
    changed(FIRST, data="# Day 8 ✅\n")(vault)
    vault.write(tmp_path)
    said = {one.id: one.message for one in troubles(questions, tmp_path)}

    assert said["vault.chunk-missing"].count("Torn.md") == 2
    assert said["vault.chunk-missing"].count("Torn.md (a revision in conflict)") == 1
    assert f"{FIRST} of Journal/7.md" in said["vault.chunk-altered"]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


TAKEN = datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
MISSING = {"vault.chunk-missing"}
WRITTEN: dict[str, tuple[object, set[str]]] = {
    "just before": (_milliseconds(TAKEN - timedelta(minutes=2)), set()),
    "a day before": (_milliseconds(TAKEN - timedelta(days=1)), MISSING),
    "a day after": (_milliseconds(TAKEN + timedelta(days=1)), MISSING),
    "never": (10**400, MISSING),
    "nowhere": ("yesterday", MISSING),
}


@pytest.mark.parametrize("when", WRITTEN)
@pytest.mark.parametrize("sealed", [True, False])
def test_a_note_that_came_while_the_copy_was_taken_is_no_damage(
    questions: ModuleType, tmp_path: Path, when: str, sealed: bool
) -> None:
    """Shards are copied one after the other, so a note may be there whose chunk, in another shard, is not yet."""
    modified, expected = WRITTEN[when]
    vault = healthy()
    changed("journal/7.md", mtime=modified)(vault)
    lost(FIRST)(vault)
    vault.write(tmp_path)
    if sealed:
        write(tmp_path / SEAL[1:], Header("vault", TAKEN, "vault:/"), [])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = asked(questions, tmp_path)

    assert found == (expected if sealed else {"vault.chunk-missing"})
    assert ["Journal/7.md" in str(one.message) for one in said] == ([True] if not found else [])


@pytest.mark.parametrize("line", [b"", b"\xff\n", b"[]\n", b'{"seal": 1}\n', b"[" * 100_000])
def test_a_seal_that_says_no_time_excuses_nothing(questions: ModuleType, tmp_path: Path, line: bytes) -> None:
    (tmp_path / SEAL[1:]).parent.mkdir(parents=True)
    (tmp_path / SEAL[1:]).write_bytes(line)

    assert questions.taken_at(PlainBox(tmp_path, "vault")) is None


SERVICES = ("whole", "incomplete", "older", "torn")
VAULT = f"{DATA[1:]}/shards/{RANGE}/vault{SUFFIX}.couch"


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    """The vault's own spec and questions, for several vaults of this machine."""
    with small_site() as site:
        for file in site.specs.glob("*.yaml"):
            if file != site.site:
                file.unlink()
        for name in SERVICES:
            vault = healthy()
            if name == "incomplete":
                lost(FIRST)(vault)
            vault.write(site.source / name)
            spec = yaml.safe_load((REPOSITORY_ROOT / "specs/vault.yaml").read_text())
            spec["service"] = name
            spec["source"] |= {"host": "local", "root": f"../source/{name}"}
            (site.specs / f"{name}.yaml").write_text(yaml.safe_dump(spec))
            shutil.copy(QUESTIONS, site.specs / f"test_{name}.py")
        yield site


def test_a_night_with_the_vaults_own_spec_names_each_fault(site: SmallSite) -> None:
    """One note lacks a chunk at the source; behind the capture's back comes an older shard, and a cut one."""
    pulled = site.command("sync")
    older = healthy()
    lost("journal/3.md")(older)
    older.write(site.folder / "older")
    shutil.copy(site.folder / "older" / VAULT, site.folder / "mirror/older" / VAULT)
    damaged = site.folder / "mirror/torn" / VAULT
    damaged.write_bytes(damaged.read_bytes()[:-5000])
    settings = site.folder / "mirror/torn/opt/couchdb/etc/local.d/docker.ini"
    settings.write_text(settings.read_text().partition("[admins]")[0])
    stored = site.command("backup", "--init")
    drilled = site.run("drill")
    found = [(service, one["id"], one["outcome"], one["message"]) for service, one in drilled.findings()]
    red = {(service, id) for service, id, outcome, _ in found if outcome in ("fail", "error")}
    said = {message for service, _, _, message in found if service == "whole"}
    documents = sum(not all(leaf.deleted for leaf in leaves) for leaves in healthy().leaves.values())
    documents += len(healthy().users)

    assert (pulled.code, stored.code, drilled.outcomes()["whole"]) == (0, 0, "pass")
    assert f"2 databases hold just the {documents} documents that were captured" in said
    assert "Every chunk of every live note is there, of those in conflict too." in said
    assert red == {
        ("incomplete", "vault.chunk-missing"),
        ("older", "couchdb.documents-not-as-captured"),
        ("older", "couchdb.shard-not-as-captured"),
        ("older", "seal.content-changed"),
        ("torn", "config.value-missing"),
        ("torn", "couchdb.no-valid-header"),
        ("torn", "couchdb.documents-not-as-captured"),
        ("torn", "couchdb.shard-not-as-captured"),
        ("torn", "seal.size-changed"),
    }
