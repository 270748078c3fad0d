"""What only Caddy knows: its configuration names files that must be there."""

from __future__ import annotations

import re

from testinfra.host import Host


def test_the_files_that_the_caddyfile_names_are_there(host: Host) -> None:
    """Every file that the Caddyfile names by its path was restored."""
    caddyfile = host.file("/etc/caddy/Caddyfile").content_string
    named = re.findall(r"^\s*(?:import|acme_ca_root)\s+(/\S+)", caddyfile, re.MULTILINE)

    assert named != []
    assert [path for path in named if not host.file(path).is_file] == []
