"""Engine `lxc` keeps the contract."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.errors import ScratchError
from backupcheck.scratch.lxc import Lxc
from backupcheck.seams import BoxRequest, Engine
from tests.scratch.contract import EngineContract


@pytest.mark.lxc
class TestLxc(EngineContract):
    @pytest.fixture
    def engine(self) -> Engine:
        engine = Lxc()
        engine.prepare(frozenset({"base"}))
        return engine

    @pytest.fixture
    def place(self) -> Iterator[Path]:
        """A folder that a container's users can reach, which pytest's own are not."""
        folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="backupcheck-test-"))
        folder.chmod(0o711)
        yield folder
        shutil.rmtree(folder)

    def test_an_image_that_is_none_is_refused(self, engine: Engine, request_: BoxRequest) -> None:
        with pytest.raises(ScratchError, match="has no image 'no-such-image'"):
            engine.prepare(frozenset({"no-such-image"}))
