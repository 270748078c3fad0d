"""Engine `process` keeps the contract, and says what it cannot do."""

from __future__ import annotations

import pytest

from backupcheck.errors import ScratchError
from backupcheck.scratch.process import Process
from backupcheck.seams import BoxRequest, Engine
from tests.scratch.contract import EngineContract


class TestProcess(EngineContract):
    @pytest.fixture
    def engine(self) -> Engine:
        return Process()

    @pytest.mark.parametrize("path", ["/", "/usr", "/proc/self", "/run", "/dev"])
    def test_a_path_that_would_hide_the_boxs_own_files_is_refused(
        self, engine: Engine, request_: BoxRequest, path: str
    ) -> None:
        (request_.tree.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        greedy = BoxRequest("notes", request_.tree, request_.folder, (path,))

        with pytest.raises(ScratchError, match="cannot be a path of a box"), engine.open(greedy):
            pass

    def test_an_image_that_this_machine_has_no_program_for_is_missing(self, engine: Engine) -> None:
        with pytest.raises(ScratchError, match="has no no-such-server"):
            engine.prepare(frozenset({"base", "no-such-server"}))
