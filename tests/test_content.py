"""Marks of two nights: what was rewritten, went, only moved, got an ending, or turned random."""

from __future__ import annotations

import random
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from backupcheck.content import MARK, Content, Looks, Rewriting, content_key, path_key, rewriting

Files = Mapping[str, str]
"""The digest of each file by its path; one that begins with `?` is of random bytes."""


def content(files: Files) -> Content:
    """As `inspecting` makes it; each name with a second point may have got its last ending."""
    marks, longer, endings = [], [], list[str]()
    for path, digest in files.items():
        key = path_key(path.encode())
        marks.append(key + content_key(digest, random=digest.startswith("?")))
        stem, _, ending = path.rpartition(".")
        if "." in stem:
            endings.append(ending)
            longer.append(path_key(stem.encode()) + key + (len(endings) - 1).to_bytes(2))
    return Content(looks=Looks(), marks=b"".join(sorted(marks)), longer=b"".join(longer), endings=tuple(endings))


def became(before: Files, now: Files) -> Rewriting:
    return rewriting(content(before).marks or b"", content(now))


def test_nothing_became_of_what_is_the_same() -> None:
    assert became({"/a": "1", "/b": "2"}, {"/b": "2", "/a": "1"}) == Rewriting(before=2)


def test_what_came_besides_does_not_count() -> None:
    assert became({"/a": "1"}, {"/a": "1", "/b": "2", "/c": "?"}) == Rewriting(before=1)


def test_other_content_is_rewritten() -> None:
    assert became({"/a": "1", "/b": "2"}, {"/a": "1", "/b": "3"}) == Rewriting(before=2, rewritten=1)


def test_what_is_there_under_no_name_is_gone() -> None:
    found = became({"/a": "1", "/b": "2"}, {"/c": "3"})

    assert found == Rewriting(before=2, gone=2)
    assert found.touched == 2


def test_what_moved_is_there() -> None:
    assert became({"/old/a": "1", "/old/b": "2"}, {"/new/a": "1", "/new/b": "2"}) == Rewriting(before=2)


def test_random_bytes_instead_of_something_else_are_told() -> None:
    assert became({"/a": "1", "/b": "?2"}, {"/a": "?3", "/b": "?4"}) == Rewriting(before=2, rewritten=2, turned=1)


def test_an_ending_behind_the_old_name_is_told_with_what_it_turned_into() -> None:
    found = became({"/a.jpg": "1", "/b.jpg": "2"}, {"/a.jpg.locked": "?1", "/b.jpg.locked": "3"})

    assert found == Rewriting(before=2, gone=2, turned=1, renamed={"locked": 2})


def test_a_copy_with_an_ending_beside_the_old_file_is_no_rename() -> None:
    assert became({"/a.jpg": "1"}, {"/a.jpg": "1", "/a.jpg.tmp": "2"}).renamed == {}


def test_an_ending_and_the_same_content_is_a_move() -> None:
    assert became({"/a.conf": "1"}, {"/a.conf.old": "1"}) == Rewriting(before=1)


def test_a_name_that_had_its_ending_before_did_not_get_it() -> None:
    assert became({"/a.jpg": "1", "/a.jpg.x": "2"}, {"/a.jpg.x": "3"}).renamed == {}


def test_another_judgement_of_the_same_bytes_is_no_change() -> None:
    """Another version of this program may find other things random."""
    before = path_key(b"/a") + content_key("1", random=True)
    now = Content(looks=Looks(), marks=path_key(b"/a") + content_key("1", random=False))

    assert rewriting(before, now) == Rewriting(before=1)


def test_a_service_of_nothing_has_nothing_to_lose() -> None:
    assert became({}, {"/a": "1"}) == Rewriting()
    assert became({"/a": "1"}, {}) == Rewriting(before=1, gone=1)


@given(
    st.dictionaries(st.integers(0, 60), st.integers(0, 3)), st.dictionaries(st.integers(0, 60), st.integers(0, 3))
)
def test_it_counts_as_a_dictionary_would(before: dict[int, int], now: dict[int, int]) -> None:
    one, other = ({f"/{name}": f"{digest}" for name, digest in files.items()} for files in (before, now))
    came = {digest for name, digest in other.items() if name not in one}
    found = became(one, other)

    assert found.before == len(one)
    assert found.rewritten == sum(name in other and other[name] != digest for name, digest in one.items())
    assert found.gone == sum(name not in other and digest not in came for name, digest in one.items())


def test_a_file_costs_sixteen_bytes() -> None:
    rng = random.Random(1)
    files = {f"/{rng.random()}": f"{rng.random()}" for _ in range(1000)}

    assert len(content(files).marks or b"") == 1000 * MARK == 16_000
