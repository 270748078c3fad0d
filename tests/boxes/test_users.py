"""A box's user is nobody else, and one that the kernel can give."""

from __future__ import annotations

from backupcheck.boxes.users import LARGE, SMALL, new_user

MACHINE = "         0          0 4294967295\n"
UNPRIVILEGED_CONTAINER = "         0     100000      65536\n"
WITH_A_MEMBER = "0 100000 1000\n1000 1000 1\n1001 101001 64535\n"


def test_the_machine_itself_gives_a_uid_that_no_container_has() -> None:
    assert new_user(MACHINE) in LARGE


def test_an_unprivileged_container_gives_one_that_it_has_mapped() -> None:
    assert new_user(UNPRIVILEGED_CONTAINER) in SMALL
    assert new_user(WITH_A_MEMBER) in SMALL


def test_two_boxes_have_two_users() -> None:
    assert len({new_user(MACHINE) for _ in range(9)}) > 1
    assert len({new_user(UNPRIVILEGED_CONTAINER) for _ in range(9)}) > 1


def test_this_machines_own_map_is_read() -> None:
    user = new_user()

    assert user in SMALL or user in LARGE
