"""The lab's one image: what all seven service containers start from."""

from __future__ import annotations

from backupcheck.lxc import SERVICE, Image
from backupcheck.lxc.images import NO_MAIN_CLUSTER, NOTHING_ENABLED

LAB = Image(
    name="lab",
    parent=SERVICE,
    packages=("postgresql", "postgresql-contrib", "caddy"),
    before_packages=(NO_MAIN_CLUSTER,),
    after_packages=(NOTHING_ENABLED,),
)
