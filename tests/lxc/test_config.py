"""What is written for LXC means what was meant, for any path."""

from __future__ import annotations

from pathlib import Path

import pytest

from backupcheck.lxc.config import Init, Mount, Settings, entry, escaped, overlay, written
from backupcheck.lxc.network import LabNetwork, Port

BOX = Settings("box", (Path("/images/base"),), Path("/boxes/box/delta"), Init.SLEEP)


def test_a_path_with_blanks_and_line_breaks_is_escaped_as_in_fstab() -> None:
    assert escaped("/a b\tc\nd\\e#f") == r"/a\040b\011c\012d\134e\043f"


def test_a_mount_is_read_only_and_keeps_owners_unless_told_otherwise(tmp_path: Path) -> None:
    assert entry(Mount(tmp_path, "/srv/x")) == f"{tmp_path} srv/x none bind,create=dir,ro,idmap=container 0 0"


def test_a_writable_mount_of_a_file_is_written_so(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")

    line = entry(Mount(tmp_path / "f", "/srv/f", read_only=False, true_owners=False))

    assert line == f"{tmp_path}/f srv/f none bind,create=file 0 0"


def test_layers_stand_uppermost_first_and_the_writable_one_last() -> None:
    assert overlay((Path("/a"), Path("/b")), Path("/c")) == "overlay:/a:/b:/c"


@pytest.mark.parametrize("path", ["/a:b", "/a,b", "/a\nb", "/a\\b"])
def test_a_layer_whose_path_would_mean_something_else_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        overlay((Path(path),), Path("/c"))


def test_a_value_with_a_line_break_cannot_add_a_line() -> None:
    with pytest.raises(ValueError, match="line break"):
        written(Settings("box\nlxc.idmap =", BOX.layers, BOX.delta, Init.SLEEP))


def test_a_box_may_gain_no_privilege_and_a_systemd_may_as_it_must() -> None:
    assert "lxc.no_new_privs = 1\n" in written(BOX)
    assert "no_new_privs" not in written(Settings("s", BOX.layers, BOX.delta, Init.SYSTEMD))


def test_without_a_port_there_is_no_interface() -> None:
    assert "lxc.net.0.type = empty\n" in written(BOX)


def test_an_address_outside_the_network_is_refused() -> None:
    with pytest.raises(ValueError, match="not within"):
        Port(LabNetwork("lab"), "192.168.1.2")
