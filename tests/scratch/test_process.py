"""Engine `process` keeps the contract, and says what it cannot do."""

from __future__ import annotations

import pytest

from backupcheck.errors import ScratchError
from backupcheck.scratch.process import Process
from backupcheck.seams import Engine
from tests.scratch.contract import EngineContract


class TestProcess(EngineContract):
    @pytest.fixture
    def engine(self) -> Engine:
        return Process()

    def test_an_image_that_this_machine_has_no_program_for_is_missing(self, engine: Engine) -> None:
        with pytest.raises(ScratchError, match="has no no-such-server"):
            engine.prepare(frozenset({"base", "no-such-server"}))
