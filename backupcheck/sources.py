"""How each service's machine is reached."""

from __future__ import annotations

from dataclasses import replace

from backupcheck.remote import Connections, Local, Ssh, SshAccess
from backupcheck.spec import Site, Spec


def source_of(site: Site, spec: Spec, connections: Connections | None = None) -> Ssh | Local:
    """The machine that a service runs on, perhaps by connections that are shared."""
    if spec.source.host == "local":
        return Local(spec.source.root)
    ssh = site.ssh
    access = SshAccess(ssh.user, ssh.identity, ssh.known_hosts, ssh.config)
    programs = replace(access, identity=ssh.capture_identity or ssh.identity)
    return Ssh(spec.source.host, access, spec.source.root, programs, connections)
