"""What fuzzing found in the reader of `.couch` files stays mended, and a few wrong bytes are no match for it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.couchfile.conftest import DATA
from tests.fuzz.couch_oracle import believed_checksums, examine
from tests.fuzz.couch_seeds import seeds
from tests.fuzz.mangling import mangled, overwritten

FOUND = sorted((DATA.parent / "fuzz/couch").iterdir())
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.stem)
def test_what_was_found_is_mended(tmp_path: Path, file: Path) -> None:
    examine(file.read_bytes(), tmp_path)
    with believed_checksums():
        examine(file.read_bytes(), tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Small whole files by name."""
    folder = tmp_path_factory.mktemp("seeds")
    seeds(folder)
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_whole_files_are_examined(whole: dict[str, bytes], tmp_path: Path) -> None:
    for content in whole.values():
        examine(content, tmp_path)

    assert len(whole) > 10


@shared_folder
@pytest.mark.parametrize("checksums", ["real", "believed"])
@given(data=st.data())
def test_a_few_wrong_bytes_are_no_match(
    whole: dict[str, bytes], tmp_path: Path, checksums: str, data: st.DataObject
) -> None:
    """With believed checksums the wrong bytes reach what lies behind them."""
    content = whole[data.draw(st.sampled_from(sorted(whole)))]
    changed = data.draw(overwritten(content) | mangled(content))
    with believed_checksums() if checksums == "believed" else contextlib.nullcontext():
        examine(changed, tmp_path)
