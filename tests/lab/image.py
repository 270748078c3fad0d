"""The lab's images: what all seven service containers start from, and the backup container."""

from __future__ import annotations

from backupcheck.lxc import SERVICE, Image
from backupcheck.lxc.images import NO_MAIN_CLUSTER, NOTHING_ENABLED

LAB = Image(
    name="lab",
    parent=SERVICE,
    packages=("postgresql", "postgresql-contrib", "caddy", "python3-apt"),
    before_packages=(NO_MAIN_CLUSTER,),
    after_packages=(NOTHING_ENABLED,),
)
BACKUP = Image(
    name="backup",
    parent=SERVICE,
    packages=(
        "bubblewrap",
        "caddy",
        "openssh-client",
        "python3-apt",
        "python3-packaging",
        "python3-venv",
        "restic",
    ),
)
