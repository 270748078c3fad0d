"""What a box sees of this machine."""

from __future__ import annotations

import os
from pathlib import Path

from backupcheck.boxes.namespaces import accounts


def test_the_boxs_user_can_look_itself_up_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        accounts(tmp_path / "etc", 60_800)
    finally:
        os.umask(before)

    assert (tmp_path / "etc").stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "etc").iterdir()} == {0o644}
    assert "box:x:60800:60800:" in (tmp_path / "etc" / "passwd").read_text()
