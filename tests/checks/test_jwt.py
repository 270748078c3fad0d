"""Check `jwt`: tokens that verify pass wherever they lie, and each way not to has its own id."""

from __future__ import annotations

import base64
import hmac
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pydantic import JsonValue, ValidationError

from backupcheck.boxes import rows
from backupcheck.checks.jwt import Jwt
from backupcheck.result import Finding, Outcome
from backupcheck.seams import Box
from tests.boxes import open_box
from tests.checks.plain import NOW, PlainBox, bad, failed, findings, outcome, spec

SECRET = "/opt/mealie/data/.secret"
WORDS = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
DATABASE = "/opt/mealie/data/mealie.db"
DUMP = "/opt/mealie/dump.sql"
LINES = "/opt/mealie/data/tokens"
KEY = "/opt/mealie/data/key.pem"
SQL = "select token from long_live_tokens"
OF_SQLITE: dict[str, JsonValue] = {
    "secret": SECRET,
    "algorithm": "HS256",
    "tokens": {"sqlite": DATABASE, "sql": SQL},
}
OF_DUMP: dict[str, JsonValue] = {**OF_SQLITE, "tokens": {"postgres": DUMP, "sql": SQL}}
OF_FILE: dict[str, JsonValue] = {**OF_SQLITE, "tokens": {"file": LINES}}
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
LATER = int(NOW.timestamp()) + 1000
Sign = Callable[[bytes], bytes]


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def token(sign: Sign, algorithm: str = "HS256", **claims: JsonValue) -> str:
    """A token as a service makes it."""
    parts = [b64(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, {"sub": "x", **claims})]
    return ".".join((*parts, b64(sign(".".join(parts).encode()))))


def by(secret: str, digest: str = "sha256") -> Sign:
    return lambda content: hmac.digest(secret.encode(), content, digest)


def by_ec(content: bytes) -> bytes:
    halves = decode_dss_signature(EC.sign(content, ec.ECDSA(hashes.SHA256())))
    return b"".join(half.to_bytes(32, "big") for half in halves)


def by_rsa(content: bytes) -> bytes:
    return RSA.sign(content, padding.PKCS1v15(), hashes.SHA256())


def by_pss(content: bytes) -> bytes:
    return RSA.sign(content, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a secret, two tokens in a database and in a file, one of them of long ago."""
    tree = tmp_path / "tree"
    (tree / "opt/mealie/data").mkdir(parents=True)
    put(tree, SECRET, WORDS)
    store(tree, token(by(WORDS), exp=1_000_000_000), token(by(WORDS), exp=LATER))
    return tree


def put(tree: Path, path: str, content: str | bytes) -> None:
    (tree / path[1:]).write_bytes(content.encode() if isinstance(content, str) else content)


def store(tree: Path, *tokens: str | bytes | None) -> None:
    """These tokens in the database and in the file."""
    database = tree / DATABASE[1:]
    database.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("create table long_live_tokens (id integer primary key, token)")
        connection.executemany("insert into long_live_tokens (token) values (?)", [(one,) for one in tokens])
        connection.commit()
    put(tree, LINES, "".join(f"{one}\n" for one in tokens if isinstance(one, str)))


@pytest.fixture
def box(tmp_path: Path, tree: Path) -> Iterator[Box]:
    with open_box(tmp_path, tree) as box:
        yield box


def found(tree: Path, **fields: JsonValue) -> list[Finding]:
    return findings(spec(Jwt, **fields), PlainBox(tree))


@pytest.mark.parametrize("fields", [OF_SQLITE, OF_FILE], ids=["sqlite", "file"])
def test_tokens_that_verify_pass_whether_they_have_expired_or_not(box: Box, fields: dict[str, JsonValue]) -> None:
    answers = findings(spec(Jwt, **fields), box)

    assert {one.outcome for one in answers} == {Outcome.PASS}
    assert [one.id.partition(".")[2] for one in answers] == [
        "secret-missing",
        "secret-unreadable",
        "too-few",
        "malformed",
        "none",
        "wrong-algorithm",
        "signature",
    ]


DUMPED = """\
--
-- PostgreSQL database dump
--

CREATE TABLE public.long_live_tokens (
    name text,
    token text
);

COPY public.long_live_tokens (name, token) FROM stdin;
phone\tTOKEN
\\.

--
-- PostgreSQL database dump complete
--

"""


def test_tokens_of_a_dump_are_asked_of_a_server(tmp_path: Path, tree: Path) -> None:
    put(tree, DUMP, DUMPED.replace("TOKEN", token(by(WORDS))))
    with open_box(tmp_path, tree, "postgres") as box:
        healthy = outcome(spec(Jwt, **OF_DUMP), box)
        put(tree, SECRET, "another" * 10)
        forged = bad(findings(spec(Jwt, **OF_DUMP), box))
        (tree / DUMP[1:]).write_text(DUMPED.replace("CREATE", "CREATE EXTENSION nix;\nCREATE", 1))
        without = bad(findings(spec(Jwt, **OF_DUMP), box))
        (tree / DUMP[1:]).write_text(DUMPED[:200])
        cut = bad(findings(spec(Jwt, **OF_DUMP), box))
        (tree / DUMP[1:]).unlink()
        lost = bad(findings(spec(Jwt, **OF_DUMP), box))

    assert healthy is Outcome.PASS
    assert forged == failed("jwt.signature")
    assert without == {("jwt.not-loaded", "error")}
    assert cut == failed("jwt.database-damaged")
    assert lost == failed("jwt.database-missing")


NONE = token(lambda content: b"", "none")
SIGNED_NONE = token(by(WORDS), "NonE")
EMPTY = token(lambda content: b"")
FAULTS: list[tuple[str, tuple[str, ...], str]] = [
    ("another secret's", (token(by("another")),), "jwt.signature"),
    ("one among good ones", (token(by(WORDS)), token(by("another")), token(by(WORDS))), "jwt.signature"),
    ("changed claims", (token(by(WORDS)).replace(".eyJ", ".eyI", 1),), "jwt.signature"),
    ("signature cut", (token(by(WORDS))[:-11],), "jwt.signature"),
    ("alg none", (NONE,), "jwt.none"),
    ("alg none in other letters", (SIGNED_NONE,), "jwt.none"),
    ("no signature", (EMPTY,), "jwt.none"),
    ("HS512", (token(by(WORDS, "sha512"), "HS512"),), "jwt.wrong-algorithm"),
    ("RS256", (token(by_rsa, "RS256"),), "jwt.wrong-algorithm"),
    ("no token", ("hello",), "jwt.malformed"),
    ("two parts", ("e30.e30",), "jwt.malformed"),
    ("no JSON", ("aGVsbG8.e30.eA",), "jwt.malformed"),
    ("no algorithm", ("e30.e30.eA",), "jwt.malformed"),
    ("no claims", (f"{b64(json.dumps({'alg': 'HS256'}).encode())}.W10.eA",), "jwt.malformed"),
    ("no ASCII", ("é.é.é",), "jwt.malformed"),
    ("huge", ("e" * 20_000 + ".e30.eA",), "jwt.malformed"),
    ("none at all", (), "jwt.too-few"),
]


@pytest.mark.parametrize(("fault", "tokens", "expected"), FAULTS)
def test_each_fault_of_a_token_has_its_own_id(
    tree: Path, fault: str, tokens: tuple[str, ...], expected: str
) -> None:
    before = outcome(spec(Jwt, **OF_FILE), PlainBox(tree))

    store(tree, *tokens)

    assert before is Outcome.PASS
    assert bad(found(tree, **OF_FILE)) == failed(expected)


def test_each_fault_of_the_secret_has_its_own_id(tree: Path) -> None:
    judged = []
    for content in (b"", b" \n", bytes(64), WORDS[:-1].encode(), WORDS.encode() + b"\n"):
        put(tree, SECRET, content)
        judged.append(bad(found(tree, **OF_FILE)))
    (tree / SECRET[1:]).unlink()

    unreadable = failed("jwt.secret-unreadable")
    assert judged == [unreadable, unreadable, unreadable, failed("jwt.signature"), set()]
    assert bad(found(tree, **OF_FILE)) == failed("jwt.secret-missing")


def test_odd_rows_are_no_tokens(box: Box, tree: Path) -> None:
    store(tree, None, b"\xff\xfe", token(by(WORDS)))

    answers = findings(spec(Jwt, **OF_SQLITE), box)

    assert bad(answers) == failed("jwt.malformed")
    assert "not the rows 1, 2" in {one.actual for one in answers}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select token from lost", ("jwt.query-failed", "fail")),
        ("select lost from long_live_tokens", ("jwt.query-failed", "fail")),
        ("select id, token from long_live_tokens", ("jwt.query-invalid", "error")),
        ("selec", ("jwt.query-invalid", "error")),
        ("delete from long_live_tokens", ("jwt.query-invalid", "error")),
    ],
)
def test_a_query_that_gives_no_tokens_is_named(box: Box, sql: str, expected: tuple[str, str]) -> None:
    asked: dict[str, JsonValue] = {**OF_SQLITE, "tokens": {"sqlite": DATABASE, "sql": sql}}

    assert bad(findings(spec(Jwt, **asked), box)) == {expected}


def test_more_tokens_than_can_be_asked_are_no_verdict(
    box: Box, monkeypatch: pytest.MonkeyPatch, tree: Path
) -> None:
    store(tree, *[token(by(WORDS))] * 11)
    monkeypatch.setattr(rows, "MOST_ROWS", 11)
    enough = bad(findings(spec(Jwt, **OF_SQLITE), box))
    monkeypatch.setattr(rows, "MOST_ROWS", 10)

    assert enough == set()
    assert bad(findings(spec(Jwt, **OF_SQLITE), box)) == {("jwt.too-many", "error")}


def test_a_query_that_does_not_end_is_no_verdict(box: Box) -> None:
    endless = "with recursive n(token) as (select 1 union all select token + 1 from n) select sum(token) from n"
    asked: dict[str, JsonValue] = {**OF_SQLITE, "tokens": {"sqlite": DATABASE, "sql": endless}}

    assert bad(findings(spec(Jwt, **asked, timeout=0.5), box)) == {("jwt.timed-out", "error")}


def test_a_database_that_is_lost_or_damaged_is_named(box: Box, tree: Path) -> None:
    put(tree, DATABASE, b"\0" * 4096)
    damaged = bad(findings(spec(Jwt, **OF_SQLITE), box))
    (tree / DATABASE[1:]).unlink()

    assert damaged == failed("jwt.database-damaged")
    assert bad(findings(spec(Jwt, **OF_SQLITE), box)) == failed("jwt.database-missing")


def test_no_tokens_are_enough_where_the_spec_says_so(tree: Path) -> None:
    store(tree)
    empty = outcome(spec(Jwt, **{**OF_FILE, "least": 0}), PlainBox(tree))
    (tree / LINES[1:]).unlink()

    assert empty is Outcome.PASS
    assert bad(found(tree, **{**OF_FILE, "least": 0})) == failed("jwt.file-missing")


def test_expiry_is_judged_where_it_is_asked_for(tree: Path) -> None:
    asked: dict[str, JsonValue] = {**OF_FILE, "unexpired": {"gte": 1}}
    living = bad(found(tree, **asked))
    store(tree, token(by(WORDS), exp=1_000_000_000))
    expired = bad(found(tree, **asked))
    store(tree, token(by(WORDS)), token(by(WORDS), exp=10**400), token(by(WORDS), exp=True))

    assert living == set()
    assert expired == failed("jwt.expired")
    assert bad(found(tree, **{**asked, "unexpired": 3})) == set()


PRIVATE = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
SPKI = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
KEYS: list[tuple[str, Sign, bytes]] = [
    ("RS256", by_rsa, PRIVATE),
    ("PS256", by_pss, RSA.public_key().public_bytes(*SPKI)),
    ("ES256", by_ec, EC.public_key().public_bytes(*SPKI)),
    ("EdDSA", ED.sign, ED.public_key().public_bytes(*SPKI)),
]


@pytest.mark.parametrize(("algorithm", "sign", "key"), KEYS)
def test_tokens_verify_under_keys_and_not_under_others(tree: Path, algorithm: str, sign: Sign, key: bytes) -> None:
    asked: dict[str, JsonValue] = {"key": KEY, "algorithm": [algorithm], "tokens": {"file": LINES}}
    store(tree, token(sign, algorithm))
    put(tree, KEY, key)
    healthy = outcome(spec(Jwt, **asked), PlainBox(tree))
    judged = []
    for _, _, another in KEYS:
        put(tree, KEY, another)
        judged.append(bad(found(tree, **asked)))
    put(tree, KEY, "no key")

    assert healthy is Outcome.PASS
    assert judged.count(set()) in (1, 2)
    assert [one for one in judged if one] == [failed("jwt.signature")] * (4 - judged.count(set()))
    assert bad(found(tree, **asked)) == failed("jwt.secret-unreadable")


def test_a_public_key_is_never_taken_for_a_secret(tree: Path) -> None:
    """The well-known confusion: a token that is signed by HMAC with the text of the public key."""
    public = RSA.public_key().public_bytes(*SPKI)
    put(tree, KEY, public)
    store(tree, token(by(public.decode()), "HS256"), token(by(public.decode()), "RS256"))
    asked: dict[str, JsonValue] = {"key": KEY, "algorithm": "RS256", "tokens": {"file": LINES}}

    assert bad(found(tree, **asked)) == failed("jwt.wrong-algorithm", "jwt.signature")


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_secret_may_be_written_in_digits(tree: Path, encoding: str) -> None:
    raw = bytes.fromhex(WORDS)
    put(tree, SECRET, WORDS if encoding == "hex" else b64(raw))
    store(tree, token(lambda content: hmac.digest(raw, content, "sha256")))
    healthy = bad(found(tree, **OF_FILE, encoding=encoding))
    put(tree, SECRET, "!" + WORDS)

    assert healthy == set()
    assert bad(found(tree, **OF_FILE, encoding=encoding)) == failed("jwt.secret-unreadable")


def test_secret_and_tokens_may_be_values_in_files(tree: Path) -> None:
    tokens = [token(by(WORDS)), token(by(WORDS))]
    put(tree, "/opt/mealie/a.json", json.dumps({"jwt": {"secret": WORDS}, "given": tokens}))
    secret: JsonValue = {"path": "/opt/mealie/a.json", "key": "jwt.secret"}
    given: JsonValue = {"file": {"path": "/opt/mealie/a.json", "key": "given"}}

    assert bad(found(tree, secret=secret, algorithm="HS256", tokens=given, least=2)) == set()
    assert bad(found(tree, secret=secret, algorithm="HS256", tokens=given, least=3)) == failed("jwt.too-few")


def test_a_secret_that_is_filled_in_at_start_is_no_secret(tree: Path) -> None:
    put(tree, "/opt/mealie/a.yml", 'jwt:\n  secret: {{ env "SECRET" }}\n')
    secret: JsonValue = {"path": "/opt/mealie/a.yml", "key": "jwt.secret"}

    assert bad(found(tree, **{**OF_FILE, "secret": secret})) == failed("jwt.secret-unreadable")


def test_no_part_of_a_secret_or_a_token_is_told(tree: Path) -> None:
    told = ""
    secrets = {WORDS, WORDS[:-1]}
    for signed in (token(by(WORDS)), token(by("another")), NONE, SIGNED_NONE, "CANARY-1.CANARY.CANARY"):
        for secret in secrets:
            put(tree, SECRET, secret)
            store(tree, signed)
            told += repr(spec(Jwt, **OF_FILE).observe(PlainBox(tree))) + repr(found(tree, **OF_FILE))
            secrets = secrets | {signed.partition(".")[0], signed.rpartition(".")[2]} - {""}

    assert "jwt.none" in told
    assert [secret for secret in secrets if secret in told] == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"secret": None}, "either secret or key"),
        ({"key": KEY}, "either secret or key"),
        ({"algorithm": []}, "at least one"),
        ({"algorithm": "none"}, "HS256"),
        ({"algorithm": "RS256"}, "need a secret"),
        ({"algorithm": ["HS256", "ES256"]}, "need a secret"),
        ({"tokens": {"sqlite": DATABASE}}, "give sql"),
        ({"tokens": {"file": LINES, "sql": SQL}}, "none for a file"),
        ({"tokens": {"sqlite": DATABASE, "postgres": DUMP, "sql": SQL}}, "exactly one"),
        ({"least": -1}, "greater"),
        ({"secret": None, "key": KEY, "algorithm": "RS256", "encoding": "hex"}, "about a secret"),
    ],
)
def test_a_spec_that_is_wrong_is_an_error(fields: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(Jwt, **{**OF_SQLITE, **fields})
