"""CT305 jellyfin: a library in SQLite, its pictures and settings, and a fat cache that is no one's backup."""

from __future__ import annotations

from backupcheck.lxc import Inside
from tests.lab.service import LabService, maker

CACHE_FILES = 12
CACHE_FILE_SIZE = 5 * 2**20


class Jellyfin(LabService):
    """Jellyfin, with 60 MB in /var/cache/jellyfin that must not be backed up."""

    name = "jellyfin"
    number = 305

    def make_data(self) -> None:
        self.load(maker("jellyfin"))
        self.container.run(Inside(("mkdir", "-p", "/var/cache/jellyfin/transcodes", "/var/cache/jellyfin/images")))
        for number in range(CACHE_FILES):
            self.container.write(
                f"/var/cache/jellyfin/transcodes/{number:04}.ts", self.rng.randbytes(CACHE_FILE_SIZE)
            )
