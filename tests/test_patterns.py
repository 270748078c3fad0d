"""Path patterns: what they match, and that no name makes them slow."""

from __future__ import annotations

import time

import pytest

from backupcheck.patterns import fixed_part, matcher, within_any


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("/a/*", "/a/b", True),
        ("/a/*", "/a/.b", True),
        ("/a/*", "/a/b/c", False),
        ("/a/*", "/a", False),
        ("/a/b", "/a/b", True),
        ("/a/?", "/a/bb", False),
        ("/a/[bc]", "/a/c", True),
        ("/a/[!b]", "/a/b", False),
        ("/a/[!b]", "/a/c", True),
        ("/a/[\\w]", "/a/x", False),
        ("/a/[z-a]", "/a/m", False),
        ("/a/[b", "/a/[b", True),
        ("/a/b.c", "/a/bxc", False),
        ("/a/b+", "/a/bb", False),
        ("/a/*", "/a/line\nbreak", True),
        ("/a/*", "/a/\udcff", True),
        ("/a/**", "/a", False),
        ("/a/**", "/a/b", True),
        ("/a/**", "/a/b/c", True),
        ("/a/**/z", "/a/z", True),
        ("/a/**/z", "/a/b/c/z", True),
        ("/a/**/z", "/a/bz", False),
        ("/**/z", "/z", True),
        ("/a/**/**/z", "/a/b/z", True),
        ("/a/**/m/**/z", "/a/m/z", True),
        ("/a/**/m/**/z", "/a/z/m", False),
        ("/**", "/a/b", True),
    ],
)
def test_matches_as_the_manual_says(pattern: str, path: str, expected: bool) -> None:
    assert matcher(pattern)(path) is expected


def test_the_fixed_part_ends_before_the_first_wildcard() -> None:
    assert fixed_part("/opt/app/*/x") == "/opt/app"
    assert fixed_part("/opt/app") == "/opt/app"
    assert fixed_part("/**") == "/"


def test_a_hostile_name_does_not_make_a_pattern_slow() -> None:
    matches = matcher("/**/*a*a*a*a*b/**/c/**/d")
    began = time.monotonic()

    matches("/" + "/".join(["a" * 255] * 15))

    assert time.monotonic() - began < 1


def test_what_lies_in_a_folder_that_matches_is_within() -> None:
    within = within_any(["/var/cache", "/var/lib/*/log"])

    found = [path for path in ("/var/cache/a/b", "/var/cached", "/var/lib/x/log/1") if within(path)]

    assert found == ["/var/cache/a/b", "/var/lib/x/log/1"]


def test_nothing_is_within_no_pattern() -> None:
    assert not within_any([])("/a")
