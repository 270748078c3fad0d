"""Which suite a pytest session has, and which service one of its items is about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from backupcheck.suite import Suite

SUITE: pytest.StashKey[Suite] = pytest.StashKey()
DRILLED = "service_drill"
"""The fixture that all of ours stand on: a test that uses it is about a service."""


ABSENT: pytest.StashKey[tuple[str, ...]] = pytest.StashKey()
"""The services that a test would be about too, if its site had them."""


WARNED: pytest.StashKey[tuple[str, ...]] = pytest.StashKey()
"""What a test in Python warned of by `warnings.warn`, where it did not fail."""


NOT_VERIFIED = ("backupcheck", "could not verify")
"""The property of a report that failed and says nothing about the backup: pytest's *error*."""


class ServiceItem(pytest.Item):
    """An item of a spec; `service` is whose."""

    service: str


def service_of(item: pytest.Item) -> str | None:
    """The service that an item is about; of several, the one whose proof it is a part of."""
    return next(iter(services_of(item)), None)


def services_of(item: pytest.Item) -> tuple[str, ...]:
    """The services whose boxes an item needs: of its spec, its marker, or its module `test_<service>.py`."""
    if isinstance(item, ServiceItem):
        return (item.service,)
    marker = item.get_closest_marker("service")
    if marker and marker.args:
        absent = item.stash.get(ABSENT, ())
        return tuple(dict.fromkeys(name for name in map(str, marker.args) if name not in absent))
    if DRILLED not in getattr(item, "fixturenames", ()):
        return ()
    return (service_of_module(item.path),)


def service_of_module(path: Path) -> str:
    """The service that the name of a test file means: `test_my_app.py` is about `my-app`."""
    return path.stem.removeprefix("test_").replace("_", "-")
