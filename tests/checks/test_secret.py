"""Check `secret`: a secret passes, what is none has its own id, and the secret itself is told to nobody."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.checks.secret import Secret
from backupcheck.errors import BackupcheckError
from backupcheck.keys.credentials import Format
from backupcheck.result import Finding, Outcome
from tests.checks.authority import new_key, pem_of
from tests.checks.plain import PlainBox, bad, failed, findings, outcome, spec

PATH = "/opt/mealie/data/.secret"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CANARY = "kT9-CANARY-w3Xz"
Harm = Callable[[Path], object]
WHOLE: dict[str, JsonValue] = {
    "path": PATH,
    "mode": "0600",
    "owner": f"{os.geteuid()}:{os.getegid()}",
    "format": "hex",
    "bytes": 65,
    "length": {"gte": 64},
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a secret of 64 hexadecimal digits, and files that hold secrets under a key."""
    root = tmp_path / "tree"
    (root / "opt/mealie/data").mkdir(parents=True)
    _put(root, PATH, f"{HEX}\n".encode())
    _put(root, "/opt/mealie/.env", f"DB=mealie\nPOSTGRES_PASSWORD='{HEX}'\n".encode())
    _put(root, "/opt/auth.yml", f"session:\n  secret: '{HEX}'\n  list: [1]\n  none:\n  pin: 4711\n".encode())
    _put(root, "/opt/lldap.toml", f'jwt_secret = "{HEX}"\n'.encode())
    return root


def _put(root: Path, path: str, content: bytes) -> Path:
    place = root / path[1:]
    place.write_bytes(content)
    place.chmod(0o600)
    return place


def _found(root: Path, **fields: JsonValue) -> list[Finding]:
    return findings(spec(Secret, **fields), PlainBox(root))


def test_a_secret_passes_every_question(root: Path) -> None:
    found = _found(root, **WHOLE)

    assert {one.outcome for one in found} == {Outcome.PASS}
    assert [one.id for one in found] == [
        "secret.missing",
        "secret.mode",
        "secret.owner",
        "secret.empty",
        "secret.placeholder",
        "secret.format",
        "secret.length",
        "secret.length",
    ]


def _becomes(path: Path, make: Harm) -> None:
    path.unlink()
    make(path)


FAULTS: list[tuple[str, Harm, set[str]]] = [
    ("lost", Path.unlink, {"missing"}),
    ("fifo", lambda path: _becomes(path, os.mkfifo), {"missing"}),
    ("folder", lambda path: _becomes(path, Path.mkdir), {"missing"}),
    ("link out", lambda path: _becomes(path, lambda place: place.symlink_to("/etc/shadow")), {"missing"}),
    ("circle", lambda path: _becomes(path, lambda place: place.symlink_to(".secret")), {"missing"}),
    ("empty", lambda path: os.truncate(path, 0), {"empty"}),
    ("white space", lambda path: path.write_bytes(b" \n" * 40), {"empty"}),
    ("zeros", lambda path: path.write_bytes(bytes(65)), {"empty"}),
    ("placeholder", lambda path: path.write_bytes(b"0" * 64 + b"\n"), {"placeholder"}),
    ("readable by all", lambda path: path.chmod(0o604), {"mode"}),
    ("readable by the group", lambda path: path.chmod(0o640), {"mode"}),
    ("form", lambda path: path.write_bytes(f"{HEX[:-2]}zz\n".encode()), {"format"}),
    ("cut", lambda path: os.truncate(path, 32), {"length"}),
    ("longer", lambda path: path.write_bytes(f"{HEX}00\n".encode()), {"length"}),
    ("huge", lambda path: os.truncate(path, 2**30), {"length"}),
    ("open folder", lambda path: path.parent.chmod(0o777), {"mode"}),
]


@pytest.mark.parametrize(("fault", "harm", "expected"), FAULTS)
def test_each_fault_has_its_own_id(root: Path, fault: str, harm: Harm, expected: set[str]) -> None:
    before = outcome(spec(Secret, **WHOLE), PlainBox(root))

    harm(root / PATH[1:])

    assert before is Outcome.PASS
    assert bad(_found(root, **WHOLE)) == failed(*(f"secret.{question}" for question in expected))


@pytest.mark.skipif(os.geteuid() != 0, reason="for others, owners say nothing")
def test_another_owner_is_named(root: Path) -> None:
    assert bad(_found(root, **{**WHOLE, "owner": "4711:0"})) == failed("secret.owner")


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"changeme", "placeholder"), (b"<secret>", "placeholder"), (b"REPLACE_ME\n", "placeholder")],
)
def test_a_placeholder_is_no_secret_whatever_else_it_is(root: Path, content: bytes, expected: str) -> None:
    _put(root, PATH, content)

    assert bad(_found(root, path=PATH)) == failed(f"secret.{expected}")
    assert bad(_found(root, path=PATH, placeholder=True)) == set()


def test_without_a_mode_the_group_may_read_and_others_may_not(root: Path) -> None:
    judged = []
    for mode in (0o600, 0o640, 0o644, 0o602):
        (root / PATH[1:]).chmod(mode)
        judged.append(bad(_found(root, path=PATH)))

    assert judged == [set(), set(), failed("secret.mode"), failed("secret.mode")]


def test_a_mode_that_is_given_is_all_that_counts(root: Path) -> None:
    (root / PATH[1:]).chmod(0o644)

    assert bad(_found(root, path=PATH, mode="0644")) == set()
    assert bad(_found(root, path=PATH, mode="0600")) == failed("secret.mode")


def test_a_sticky_folder_around_it_is_not_open(root: Path) -> None:
    (root / "opt").chmod(0o1777)

    assert bad(_found(root, path=PATH)) == set()


def test_owners_say_nothing_where_the_restore_did_not_run_as_root(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    found = _found(root, **{**WHOLE, "owner": "4711:4711"})

    assert [one.id for one in found if one.outcome is Outcome.SKIP] == ["secret.owner"]


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/opt/mealie/.env", "POSTGRES_PASSWORD"),
        ("/opt/auth.yml", "session.secret"),
        ("/opt/lldap.toml", "jwt_secret"),
    ],
)
def test_a_value_in_a_file_is_looked_at_like_a_file(root: Path, path: str, key: str) -> None:
    assert bad(_found(root, path=path, key=key, format="hex", bytes=64, length=64)) == set()
    assert bad(_found(root, path=path, key=key, length={"gte": 65})) == failed("secret.length")
    assert bad(_found(root, path=path, key="other")) == failed("secret.key-missing")


@pytest.mark.parametrize(
    ("content", "key", "expected"),
    [
        ("session: {secret: }", "session.secret", {"secret.empty"}),
        ("session: {secret: ''}", "session.secret", {"secret.empty"}),
        ("session: {secret: [a, b]}", "session.secret", {"secret.key-missing"}),
        ("session: {secret: {a: b}}", "session.secret", {"secret.key-missing"}),
        ("session: {secret: changeme}", "session.secret", {"secret.placeholder"}),
        ('session:\n  secret: {{ secret "/etc/x" }}\n', "session.secret", {"secret.placeholder"}),
        ("session: {secret: 4711}", "session.secret", set()),
        (f"session: {{secret: '{CANARY}", "session.secret", {"secret.format"}),
    ],
)
def test_values_that_are_no_secret_are_named(root: Path, content: str, key: str, expected: set[str]) -> None:
    _put(root, "/opt/auth.yml", content.encode())

    assert bad(_found(root, path="/opt/auth.yml", key=key)) == failed(*expected)


def test_a_key_with_a_passphrase_is_named(root: Path) -> None:
    key = new_key()
    _put(root, PATH, pem_of(key))
    before = bad(_found(root, path=PATH, format="pem-private-key"))
    _put(root, PATH, pem_of(key, b"pass"))

    found = _found(root, path=PATH, format="pem-private-key")

    assert before == set()
    assert bad(found) == failed("secret.format")
    assert any("passphrase" in str(one.actual) for one in found)


def _shapes(canary: str) -> list[bytes]:
    """The canary in every kind of content, healthy and broken."""
    shapes = (
        "{}",
        "<{}>",
        "A={}",
        "A='{}",
        "{} {}",
        "a: {}",
        "a: '{}\n\t:",
        "{}: 1\n{}: 2",
        "a = {}",
        'a = "{}"',
        '{{"a": "{}"}}',
        '{{"a": {}}}',
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        "-----BEGIN {}-----",
        "${{{}}}",
        "{}.{}.{}",
        "AGE-SECRET-KEY-1{}",
        "[{}]\n{}",
        "{}\0\x1b",
    )
    return [shape.replace("{}", canary).replace("{{", "{").replace("}}", "}").encode() for shape in shapes]


FORMATS = get_args(Format)


@pytest.mark.parametrize("name", ["plain", "a.yml", "a.toml", "a.json", "a.ini", ".env"])
def test_the_secret_is_told_to_nobody(root: Path, name: str) -> None:
    told = ""
    for content in _shapes(CANARY):
        _put(root, f"/opt/{name}", content)
        for key in (None, "a", "A"):
            for format in FORMATS if key is None else (None,):
                check = spec(Secret, path=f"/opt/{name}", key=key, format=format, length=5, bytes=5)
                try:
                    facts = check.observe(PlainBox(root))
                    told += repr(facts) + facts.model_dump_json() + repr(findings(check, PlainBox(root)))
                except BackupcheckError as error:
                    told += repr(error) + repr(error.__cause__) + repr(error.__context__)

    hashes = {hashlib.new(name, CANARY.encode()).hexdigest()[:12] for name in ("sha256", "sha1", "md5", "blake2b")}
    assert "secret.missing" in told
    assert CANARY not in told
    assert CANARY.lower() not in told
    assert not any(digest in told for digest in hashes)


def test_a_hostile_folder_name_is_made_printable(root: Path) -> None:
    assert bad(_found(root, path="/opt/\x1b[31m\n/x")) == failed("secret.missing")
    assert all(one.subject.isprintable() for one in _found(root, path="/opt/\x1b[31m\n/x"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "path"),
        ({"path": "secret"}, "absolute"),
        ({"path": PATH, "mode": 384}, "quoted"),
        ({"path": PATH, "owner": "root"}, "pattern"),
        ({"path": PATH, "format": "der"}, "format"),
        ({"path": PATH, "length": "64"}, "integer"),
        ({"path": PATH, "bytes": {}}, "expects nothing"),
        ({"path": PATH, "key": "a..b"}, "path"),
        ({"path": "/a.xml", "key": "a"}, "XML"),
        ({"path": PATH, "lenght": 5}, "lenght"),
    ],
)
def test_a_spec_that_is_wrong_is_an_error(fields: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(Secret, **fields)
