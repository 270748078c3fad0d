"""The host's own archives are found in both styles that apt knows."""

from __future__ import annotations

from pathlib import Path

from backupcheck.lxc.sources import Source, deb822_style, of_host, one_line_style

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb http://deb.debian.org/debian bookworm main contrib # why not
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://mirror.example/debian bookworm-updates main
deb-src http://deb.debian.org/debian bookworm main
deb https://packages.example/tool bookworm tool
"""
DEB822 = """\
Types: deb deb-src
# a comment between
URIs: http://deb.debian.org/debian
Suites: trixie trixie-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: trixie
Components: main
Enabled: no

Types: deb
URIs: http://embedded.example/debian
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----
"""
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def test_one_line_sources_are_read_with_their_keys() -> None:
    assert list(one_line_style(ONE_LINE)) == [
        Source("http://deb.debian.org/debian", "bookworm"),
        Source("http://mirror.example/debian", "bookworm-updates", "/usr/share/keyrings/x.gpg"),
    ]


def test_deb822_sources_are_read_suite_by_suite_without_those_switched_off() -> None:
    assert list(deb822_style(DEB822)) == [
        Source("http://deb.debian.org/debian", "trixie", KEYRING),
        Source("http://deb.debian.org/debian", "trixie-updates", KEYRING),
        Source("http://embedded.example/debian", "trixie"),
    ]


def test_both_places_of_the_host_are_searched(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("deb http://a.example/debian bookworm main\n")
    (tmp_path / "sources.list.d" / "b.list").write_text("deb http://b.example/debian bookworm main\n")
    (tmp_path / "sources.list.d" / "c.sources").write_text(
        "Types: deb\nURIs: http://c.example/debian\nSuites: bookworm\nComponents: main\n"
    )

    assert [source.uri[7] for source in of_host(tmp_path)] == ["a", "b", "c"]


def test_a_source_is_written_as_one_line() -> None:
    assert Source("http://a.example", "sid", "/key.gpg").line(("main", "universe")) == (
        "deb [signed-by=/key.gpg] http://a.example sid main universe"
    )
