"""Classic LXC as a small library: images, unprivileged throw-away containers, a network of their own.

    plan = Plan("notes", layers=(BASE.ensure(),), folder=Path("/var/lib/backupcheck/boxes"))
    with Container(plan) as box:
        print(box.run(Inside(("sqlite3", "--version"))).text)

Boxes of a drill, and the fixtures with which services are tested, are both made of this. Everything
here needs root and LXC 4 or newer; `why_not()` says in one sentence when it cannot be used.
"""

from __future__ import annotations

from backupcheck.lxc.available import why_not
from backupcheck.lxc.config import Init, Limits, Mount
from backupcheck.lxc.container import Container, Plan
from backupcheck.lxc.fixture import ServiceContainer
from backupcheck.lxc.fleet import Fleet
from backupcheck.lxc.image import Image
from backupcheck.lxc.images import BASE, CADDY, POSTGRES, SERVICE
from backupcheck.lxc.inside import Inside
from backupcheck.lxc.network import LabNetwork, Port
from backupcheck.lxc.sweep import sweep

__all__ = [
    "BASE",
    "CADDY",
    "POSTGRES",
    "SERVICE",
    "Container",
    "Fleet",
    "Image",
    "Init",
    "Inside",
    "LabNetwork",
    "Limits",
    "Mount",
    "Plan",
    "Port",
    "ServiceContainer",
    "sweep",
    "why_not",
]
