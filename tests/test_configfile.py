"""Configuration files into plain values: each format, its mistakes with their place, and hostile ones bounded."""

from __future__ import annotations

import time

import pytest

from backupcheck.configfile import Format, Unparsable, Value, format_of, lookup, parse
from backupcheck.configfile.values import MISSING, TEMPLATE, parts

ODD_WORDS: Value = {"a": "no", "b": "22:30", "c": "0600", "d": "5", "e": 16, "f": 1000.0}
MERGED: Value = {"base": {"x": 1, "y": 2}, "mine": {"x": 1, "y": 3}}
VARIABLES: Value = {"A": "1", "B": "x y", "C": 'q"q', "D": "a#b", "E": ""}
SECTIONS: Value = {"top": "1", "a": {"b": ["c", "d"]}, "x.y": {"z": "1", "q": "2"}}


def _place(content: bytes, format: Format, *, template: bool = False) -> tuple[int, int]:
    with pytest.raises(Unparsable) as caught:
        parse(content, format, template=template)
    return caught.value.line, caught.value.column


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/lldap.toml", "toml"),
        ("/a.YML", "yaml"),
        ("/a.yaml", "yaml"),
        ("/a.json", "json"),
        ("/a.xml", "xml"),
        ("/opt/mealie/.env", "env"),
        ("/opt/.env.production", "env"),
        ("/etc/default/caddy", "env"),
        ("/opt/couchdb/etc/local.ini", "ini"),
        ("/etc/systemd/system/caddy.service", "ini"),
        ("/etc/caddy/Caddyfile", None),
    ],
)
def test_the_name_tells_the_format(path: str, expected: str | None) -> None:
    assert format_of(path) == expected


@pytest.mark.parametrize(
    ("format", "content", "expected"),
    [
        ("toml", b'a = 1\n[b]\nc = "x"\nd = 2026-11-23', {"a": 1, "b": {"c": "x", "d": "2026-11-23"}}),
        ("json", b'\xef\xbb\xbf{"a": [1, null, true]}', {"a": [1, None, True]}),
        ("yaml", b"a: 1\nb: [x, 1.5, true, ~]\n", {"a": 1, "b": ["x", 1.5, True, None]}),
        ("yaml", b"a: no\nb: 22:30\nc: 0600\nd: '5'\ne: 0x10\nf: 1e3", ODD_WORDS),
        ("yaml", b"", None),
        ("yaml", b"# only a comment\n", None),
        ("yaml", b"---\na: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("yaml", b"base: &b {x: 1, y: 2}\nmine:\n  <<: *b\n  y: 3\n", MERGED),
        ("yaml", b"a: !secret name\nb: !!python/object/apply:os.system [id]\n", {"a": "name", "b": ["id"]}),
        ("yaml", b"a: |\n  line\n  two\n", {"a": "line\ntwo\n"}),
        ("env", b'# c\nA=1\nexport B=\'x y\'\nC="q\\"q" # c\nD=a#b #c\nE=\n', VARIABLES),
        ("env", b'K="-----BEGIN\nX\n-----END"\n', {"K": "-----BEGIN\nX\n-----END"}),
        ("env", b"A=1\nA=2\n", {"A": "2"}),
        ("ini", b"top = 1\n[a]\nb = c\nb = d\n[x.y]\n z: 1\n q: 2\n", SECTIONS),
        ("ini", b"[a]\nlong = one\n   two\n", {"a": {"long": "one\ntwo"}}),
    ],
)
def test_reads(format: Format, content: bytes, expected: Value) -> None:
    assert parse(content, format) == expected


def test_reads_xml_without_namespaces() -> None:
    content = (
        b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><S xmlns="urn:x" a="1"><On>true</On>'
        b"<L><P>one</P><P>two</P></L><E/><M k='v'>text</M></S>"
    )

    value = parse(content, "xml")

    assert value == {
        "@a": "1",
        "On": "true",
        "L": {"P": ["one", "two"]},
        "E": "",
        "M": {"@k": "v", "#text": "text"},
    }


@pytest.mark.parametrize(
    ("format", "content", "place"),
    [
        ("toml", b"a = 1\nb = \n", (2, 5)),
        ("toml", b"a = 1\na = 2\n", (2, 6)),
        ("toml", b"a = [1,\n", (2, 0)),
        ("json", b'{"a": 1,\n "b": }', (2, 7)),
        ("json", b'{"a": 1, "a": 2}', (0, 0)),
        ("yaml", b"a: 1\n\tb: 2\n", (2, 1)),
        ("yaml", b"a: 1\nb: [1, 2\n", (3, 1)),
        ("yaml", b"a: 1\na: 2\n", (2, 1)),
        ("yaml", b"a: *nowhere\n", (1, 4)),
        ("yaml", b"a: &a [*a]\n", (1, 8)),
        ("yaml", b"? {a: 1}\n: 2\n", (1, 3)),
        ("yaml", b"a: \x01\n", (0, 0)),
        ("xml", b"<a>\n<b></a>", (2, 6)),
        ("xml", b"", (1, 1)),
        ("env", b"A=1\nnonsense here\n", (2, 0)),
        ("env", b'A="open\n', (1, 0)),
        ("env", b"A='x'y\n", (1, 0)),
        ("ini", b"[a]\nno sign\n", (2, 0)),
        ("toml", b"a = 1\nb = \xff\n", (2, 0)),
        ("yaml", b"a: 1\n\0\0\0", (2, 0)),
    ],
)
def test_a_mistake_is_named_with_its_place(format: Format, content: bytes, place: tuple[int, int]) -> None:
    assert _place(content, format) == place


@pytest.mark.parametrize(
    ("format", "content"),
    [
        ("json", b"[" * 200_000),
        ("json", b"[" * 500 + b"]" * 500),
        ("json", b'{"a": ' + b"1" * 10_000 + b"}"),
        ("toml", b"a = " + b"[" * 50_000),
        ("toml", b"a = " + b"[" * 200 + b"]" * 200),
        ("toml", b".".join([b"a"] * 300) + b" = 1"),
        ("toml", b"a = " + b"1" * 10_000),
        ("yaml", b"[" * 200_000),
        ("yaml", b"a: " + b"{a: " * 500 + b"1" + b"}" * 500),
        (
            "yaml",
            b"a: &a [x,x,x,x,x,x,x,x,x]\n"
            + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(9)),
        ),
        ("xml", b"<a>" * 200_000),
        ("xml", b"<a>" * 5_000 + b"</a>" * 5_000),
        ("xml", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'),
        ("xml", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>'),
        ("xml", b'<?xml version="1.0" encoding="klingon"?><a/>'),
    ],
)
def test_hostile_content_is_refused_quickly(format: Format, content: bytes) -> None:
    began = time.monotonic()

    with pytest.raises(Unparsable):
        parse(content, format)
    assert time.monotonic() - began < 5


def test_a_template_is_no_yaml_before_and_is_one_after() -> None:
    content = (
        b'{{- $domain := env "DOMAIN" }}\n'
        b'jwks:\n  - key: {{ secret "/etc/authelia/oidc.pem" | mindent 10 "|" | msquote }}\n'
        b"{{ if .Debug }}\nlevel: debug\n{{ else }}\nlevel: info\n{{ end }}\n"
        b"url: 'https://{{ $domain }}/'\n{# a note #}\n"
    )
    with pytest.raises(Unparsable):
        parse(content, "yaml")

    assert parse(content, "yaml", template=True) == {
        "jwks": [{"key": TEMPLATE}],
        "level": "info",
        "url": f"https://{TEMPLATE}/",
    }


def test_templates_in_toml_and_json_become_texts() -> None:
    assert parse(b'a = {{ env "A" }}\nb = "x{{ .B }}"', "toml", template=True) == {
        "a": TEMPLATE,
        "b": f"x{TEMPLATE}",
    }
    assert parse(b'{"a": {{ .A }}, "b": "{{ .B }}"}', "json", template=True) == {"a": TEMPLATE, "b": TEMPLATE}


def test_a_mistake_in_a_template_is_named_at_its_line() -> None:
    assert _place(b"{{ if .A }}\na: [1\n{{ end }}\n", "yaml", template=True) == (4, 1)
    assert _place(b"a: 1\nb: {{ secret \n", "yaml", template=True) == (2, 0)
    assert _place(b"a: {{ .A }}\na: 2\n", "yaml", template=True) == (2, 1)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", ["a"]),
        ("a.b.c", ["a", "b", "c"]),
        ('a."b.c".d', ["a", "b.c", "d"]),
        ("'a.b'", ["a.b"]),
        ("a[0].b", ["a", "0", "b"]),
        ("a.0", ["a", "0"]),
        ("a.@id", ["a", "@id"]),
    ],
)
def test_a_path_has_parts(path: str, expected: list[str]) -> None:
    assert parts(path) == expected


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", 'a."b', "a[x]", "a[0", '"a"b'])
def test_a_malformed_path_is_an_error(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parts(path)


def test_looks_up_in_mappings_and_lists() -> None:
    value: Value = {"a": [{"b": 1}, None], "": 2}

    assert lookup(value, "a.0.b") == 1
    assert lookup(value, "a.1") is None
    assert lookup(value, "a.2") is MISSING
    assert lookup(value, "a.b") is MISSING
    assert lookup(value, "a.0.b.c") is MISSING


def test_messages_hold_no_values() -> None:
    canary = "CANARY-5f2b"
    broken: list[tuple[Format, str]] = [
        ("toml", f"a = {canary}"),
        ("toml", f'a = "{canary}'),
        ("yaml", f"a: '{canary}\n b"),
        ("yaml", f"a: %{canary}: @{canary}"),
        ("json", f'{{"a": {canary}}}'),
        ("xml", f"<a>{canary}<b></a>"),
        ("env", f"{canary} {canary}"),
        ("env", f"A='{canary}"),
        ("ini", f"[a]\n{canary}"),
    ]

    for format, text in broken:
        with pytest.raises(Unparsable) as caught:
            parse(text.encode(), format)
        assert canary not in f"{caught.value!r} {caught.value.message} {caught.value.__cause__!r}"
