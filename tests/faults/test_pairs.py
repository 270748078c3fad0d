"""Two faults at once are both named: neither hides behind the other."""

from __future__ import annotations

import os

import pytest

from tests.faults.corpus import all_layers
from tests.faults.corpus.rooms import Rooms

BY_NAME = {fault.name: fault for _, faults, _ in all_layers() for fault in faults}
PAIRS = (
    ("two keys in each other's place", "a root that ends this month"),
    ("a certificate that was not renewed for months", "an ACME account without its key"),
    ("a root's key that everybody can read", "a certificate of a key of 1024 bits"),
    ("a storage key that is not the database's", "a signing key of another type"),
    ("everybody's second factor deleted", "a secret of no bytes"),
    ("most of a library deleted by a scan without its disk", "pictures encrypted by an intruder"),
    ("a plugin that a virus scanner took away", "gigabytes of a cache"),
    ("a base of names of another home", "everybody's password emptied"),
    ("an update that broke off", "one upload younger than the uploads' copy"),
    ("all notes deleted by a device", "a server without an administrator"),
    ("a directory older than the user that binds to it", "a service that has moved to another name"),
    ("a bit of a note flipped", "without the shard map"),
    ("a secret made anew, which signed nothing", "a password of another database"),
    ("a bit of a pack flipped", "the last record of evidence removed"),
    ("a test in Python that fails", "a record of evidence edited"),
)
pytestmark = [pytest.mark.lxc, pytest.mark.lab]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_both_are_named(one: str, other: str, rooms: Rooms) -> None:
    if os.environ.get("FAULTS_LAYER") and not {one, other} <= BY_NAME.keys():
        pytest.skip("their layer was not asked for")
    first, second = BY_NAME[one], BY_NAME[other]
    assert first.stand == second.stand
    with first.stand.open(rooms) as subject:
        first.inject(subject)
        second.inject(subject)
        told = subject.said()

    assert told.red == first.expected.red | second.expected.red
