"""The group, against the test vectors of RFC 9496, appendix A.1."""

from __future__ import annotations

import pytest

from tests.lab.makers import ristretto

MULTIPLES = {
    1: "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76",
    2: "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
    15: "e0c418f7c8d9c4cdd7395b93ea124f3ad99021bb681dfc3302a9d99a2e53e64e",
}


@pytest.mark.parametrize(("scalar", "encoded"), MULTIPLES.items())
def test_a_multiple_of_the_generator_is_the_one_of_the_standard(scalar: int, encoded: str) -> None:
    assert encoded == ristretto.public_key(scalar).hex()


def test_the_order_times_the_generator_is_the_identity() -> None:
    assert bytes(32) == ristretto.public_key(ristretto.ORDER)
