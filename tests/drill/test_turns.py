"""Who is asked next."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from backupcheck.drill.turns import Turns


@pytest.mark.parametrize("at_a_time", [1, 2])
def test_who_has_lined_up_first_is_first_whoever_comes(at_a_time: int) -> None:
    turns, came, let_in = Turns(at_a_time), threading.Barrier(5), []

    def asked(name: str) -> None:
        came.wait(10)
        with turns.turn(name):
            let_in.append(name)

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(asked, name) for name in ("d", "c", "b", "a")]
        turns.line_up(["a", "b"])
        turns.line_up(["c", "d"])
        came.wait(10)
        for one in waiting:
            one.result(10)

    assert let_in == ["a", "b", "c", "d"]


def test_only_so_many_are_let_in_at_a_time() -> None:
    turns = Turns(2)
    turns.line_up(["a", "b", "c"])
    third = threading.Event()

    def asked() -> None:
        with turns.turn("c"):
            third.set()

    with turns.turn("a"):
        with turns.turn("b"):
            threading.Thread(target=asked, daemon=True).start()
            assert not third.wait(0.2)
        assert third.wait(10)
