"""CT307 wishlist: a SQLite database in WAL mode, and a writer that never lets go of it."""

from __future__ import annotations

from pathlib import Path

from tests.lab.service import LabService, maker

WRITER = Path(__file__).with_name("wishlist_writer.py")
LOG = "/opt/wishlist/data/prod.db-wal"
UNIT = b"""\
[Unit]
Description=Wishlist's server, as far as its database can tell

[Service]
ExecStart=setpriv --reuid=997 --regid=994 --clear-groups -- python3 /usr/local/lib/wishlist-writer.py
Restart=always

[Install]
WantedBy=multi-user.target
"""


class Wishlist(LabService):
    """Wishlist, whose newest rows are in a hot write-ahead log at any moment."""

    name = "wishlist"
    number = 307

    def make_data(self) -> None:
        self.load(maker("wishlist"))
        self.container.write("/usr/local/lib/wishlist-writer.py", WRITER.read_bytes())
        self.container.write("/etc/systemd/system/wishlist.service", UNIT)
        self.enable("wishlist.service")
        self.wait_for(LOG)
