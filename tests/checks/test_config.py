"""Check `config`: what parses and says what it must passes, all else has its own id, and secrets are masked."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.checks.config import Config
from backupcheck.result import Finding, Outcome
from tests.checks.plain import PlainBox, bad, failed, findings, outcome, spec

PATH = "/etc/app.yml"
CANARY = "kT9-CANARY-w3Xz"
CONTENT = f"""
server: {{port: 9091, host: auth.example.org}}
jwt_secret: {CANARY}
list: [{{name: a}}, {{name: b}}]
"dotted.key": 1
url: postgres://app:{CANARY}@db/app
"""
VALUES: dict[str, JsonValue] = {
    "server.port": 9091,
    "server.host": {"matches": r"\.org$"},
    "list.1.name": "b",
    '"dotted.key"': {"gte": 1},
    "jwt_secret": {"present": True},
    "debug": {"present": False},
}
Harm = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a configuration in YAML."""
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    (root / PATH[1:]).write_text(CONTENT)
    return root


def _found(root: Path, **fields: JsonValue) -> list[Finding]:
    return findings(spec(Config, **{"path": PATH, **fields}), PlainBox(root))


def _put(root: Path, content: str, path: str = PATH) -> None:
    (root / path[1:]).write_text(content)


def test_what_parses_and_says_what_it_must_passes(root: Path) -> None:
    found = _found(root, values=VALUES)

    assert {one.outcome for one in found} == {Outcome.PASS}
    assert [one.id for one in found] == [
        "config.missing",
        "config.empty",
        "config.unparsable",
        "config.value",
        "config.value",
        "config.value",
        "config.value",
        "config.value-missing",
        "config.value",
    ]


def _becomes(path: Path, make: Harm) -> None:
    path.unlink()
    make(path)


def _replaced(old: str, new: str) -> Harm:
    return lambda path: path.write_text(path.read_text().replace(old, new))


FAULTS: list[tuple[str, Harm, set[str]]] = [
    ("lost", Path.unlink, {"missing"}),
    ("fifo", lambda path: _becomes(path, os.mkfifo), {"missing"}),
    ("folder", lambda path: _becomes(path, Path.mkdir), {"missing"}),
    ("link out", lambda path: _becomes(path, lambda place: place.symlink_to("/etc/passwd")), {"missing"}),
    ("circle", lambda path: _becomes(path, lambda place: place.symlink_to("app.yml")), {"missing"}),
    ("empty", lambda path: os.truncate(path, 0), {"empty"}),
    ("comments only", lambda path: path.write_text("# nothing\n"), {"empty"}),
    ("zeros", lambda path: path.write_bytes(bytes(4096)), {"empty"}),
    ("tail of zeros", lambda path: os.truncate(path, 4096), {"unparsable"}),
    ("cut", lambda path: os.truncate(path, 30), {"unparsable"}),
    ("brace lost", _replaced("org}", "org"), {"unparsable"}),
    ("tab", _replaced("\nlist", "\n\tlist"), {"unparsable"}),
    ("key twice", lambda path: path.write_text(CONTENT + "list: []\n"), {"unparsable"}),
    ("huge and sparse", lambda path: os.truncate(path, 2**30), {"unparsable"}),
    ("another value", _replaced("9091", "9092"), {"value"}),
    ("another type", _replaced("9091", "'9091'"), {"value"}),
    ("key lost", _replaced("jwt_secret", "jwt"), {"value-missing"}),
    ("forbidden key", lambda path: path.write_text(CONTENT + "debug: false\n"), {"value"}),
]


@pytest.mark.parametrize(("fault", "harm", "expected"), FAULTS)
def test_each_fault_has_its_own_id(root: Path, fault: str, harm: Harm, expected: set[str]) -> None:
    before = outcome(spec(Config, path=PATH, values=VALUES), PlainBox(root))

    harm(root / PATH[1:])

    assert before is Outcome.PASS
    assert bad(_found(root, values=VALUES)) == failed(*(f"config.{question}" for question in expected))


def test_a_mistake_is_named_with_line_and_column(root: Path) -> None:
    _put(root, "a: 1\nb: [1, 2\nc: 3\n")

    found = _found(root)

    assert any("(line 3, column 2)" in one.message for one in found if one.outcome is Outcome.FAIL)


def test_a_template_is_said_to_be_one_and_read_if_it_is_declared(root: Path) -> None:
    _put(root, 'key: {{ secret "/etc/oidc.pem" | msquote }}\nport: 1\n')

    undeclared = _found(root)
    declared = _found(root, template=True, values={"key": {"present": True}, "port": 1})

    assert bad(undeclared) == failed("config.unparsable")
    assert "template: true" in next(one.advice for one in undeclared if one.outcome is Outcome.FAIL)
    assert bad(declared) == set()


def test_a_value_that_a_template_fills_in_is_said_to_be_so(root: Path) -> None:
    _put(root, "host: {{ .Host }}\n")

    found = _found(root, template=True, values={"host": "a"})

    assert bad(found) == failed("config.value")
    assert found[-1].actual == "an expression that is filled in at start"


@pytest.mark.parametrize(
    ("path", "content", "values"),
    [
        ("/etc/a.toml", 'a = 1\n[b]\nc = "x"', {"a": 1, "b.c": "x"}),
        ("/etc/a.json", '{"a": {"b": [1.5]}}', {"a.b.0": 1.5}),
        ("/etc/a.xml", "<S><On>true</On><P id='3'>x</P></S>", {"On": "true", "P.@id": "3", 'P."#text"': "x"}),
        ("/etc/.env", "A=1\n", {"A": "1"}),
        ("/etc/a.ini", "[a]\nb = c\n", {"a.b": "c"}),
        ("/etc/default/app", "A='x y'\n", {"A": "x y"}),
    ],
)
def test_every_format_is_read(root: Path, path: str, content: str, values: dict[str, JsonValue]) -> None:
    (root / path[1:]).parent.mkdir(exist_ok=True)
    _put(root, content, path)

    assert bad(_found(root, path=path, values=values)) == set()
    assert bad(_found(root, path=path, values=dict.fromkeys(values, "other"))) == failed("config.value")


def test_the_format_can_be_given(root: Path) -> None:
    _put(root, "a = 1\n", "/etc/app.rc")

    assert bad(_found(root, path="/etc/app.rc", format="toml", values={"a": 1})) == set()


def test_a_type_that_is_another_is_said_where_the_text_is_the_same(root: Path) -> None:
    found = _found(root, values={"server.port": "9091"})

    assert found[-1].message == "it is a number, and a text is expected"


def test_secrets_are_compared_and_never_shown(root: Path) -> None:
    values: dict[str, JsonValue] = {"jwt_secret": CANARY, "url": {"contains": "@db"}}
    wrong: dict[str, JsonValue] = {"jwt_secret": f"{CANARY}-other", "url": "x", "server": 1, "list": 1}

    right = _found(root, values=values)
    other = _found(root, values=wrong)
    facts = spec(Config, path=PATH, values=wrong).observe(PlainBox(root))

    assert bad(right) == set()
    assert bad(other) == failed("config.value")
    assert CANARY not in repr(right) + repr(other) + repr(facts)
    assert {one.actual for one in other if "url" in one.subject} == {"postgres://***@db/app"}


@pytest.mark.parametrize(
    "key",
    ["password", "db_passwd", "apiToken", "AUTHELIA_JWT_SECRET", "key", "api-key", "encryptionKey", "smtp.pass"],
)
def test_keys_that_look_like_a_secrets_are_masked(root: Path, key: str) -> None:
    parts = key.split(".")
    _put(root, f"{parts[0]}: {{{parts[1]}: {CANARY}}}" if len(parts) > 1 else f"{key}: {CANARY}")

    found = _found(root, values={key: "x"})

    assert (found[-1].expected, found[-1].actual) == ("***", "***")


@pytest.mark.parametrize("key", ["monkey", "keyboard", "hostname", "port", "compass"])
def test_other_keys_are_shown(root: Path, key: str) -> None:
    _put(root, f"{key}: shown")

    assert _found(root, values={key: "x"})[-1].actual == "shown"


def test_a_broken_file_does_not_tell_its_secret(root: Path) -> None:
    _put(root, f"password: '{CANARY}\n")

    assert CANARY not in repr(_found(root)) + repr(spec(Config, path=PATH).observe(PlainBox(root)))


def test_a_key_of_odd_letters_is_answered(root: Path) -> None:
    _put(root, '"a\\n\\e": 1\n')

    assert bad(_found(root, values={"a\n\x1b": 1})) == set()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"path": "/etc/caddy/Caddyfile"}, "give format"),
        ({"path": "etc/app.yml"}, "absolute"),
        ({"format": "hcl"}, "format"),
        ({"values": {"a..b": 1}}, "path"),
        ({"values": {"a": {}}}, "expects nothing"),
        ({"values": {"a": None}}, "valid"),
        ({"values": {"a": {"present": "yes"}}}, "boolean"),
        ({"values": {"a": {"matches": "("}}}, "regular expression"),
        ({"template": "yes"}, "boolean"),
        ({"value": {}}, "value"),
    ],
)
def test_a_spec_that_is_wrong_is_an_error(fields: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(Config, **{"path": PATH, **fields})
