"""What befalls a pull: each fault in a real container just after a good pull, named, and nothing else red.

What the transfer itself can lose or pretend (vanished names, hard links, owners, hostile names) is with the tests
of the transfer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.bench import DATA, FILES, HOST, Bench, bench
from tests.lab.lab import Lab
from tests.sshd import make_key

pytestmark = [pytest.mark.lxc, pytest.mark.lab]

Fault = Callable[[Bench], None]
AWAY = f"{DATA}.away"
PROGRAM = "/usr/local/bin/{name}"


def key_revoked(bench: Bench) -> None:
    """N1"""
    bench.changed("mv /root/.ssh/authorized_keys /root/.ssh/away", "mv /root/.ssh/away /root/.ssh/authorized_keys")


def host_key_changed(bench: Bench) -> None:
    """N2"""
    make_key(bench.ssh / "stranger")
    stranger = (bench.ssh / "stranger.pub").read_text().split()[1]
    lines = [line.split() for line in bench.known_hosts.read_text().splitlines()]
    bench.known_hosts.write_text("".join(f"{name} {kind} {stranger}\n" for name, kind, _ in lines))


def host_key_unknown(bench: Bench) -> None:
    """N3"""
    bench.known_hosts.write_text("")


def server_stopped(bench: Bench) -> None:
    """N4"""
    bench.changed("systemctl stop ssh.service", "systemctl start ssh.service")


def rsync_missing(bench: Bench) -> None:
    """N5"""
    bench.changed("mv /usr/bin/rsync /usr/bin/rsync.away", "mv /usr/bin/rsync.away /usr/bin/rsync")


def shell_dirty(bench: Bench) -> None:
    """N6"""
    bench.changed(
        "cp -p /root/.bashrc /root/.bashrc.away; echo 'echo welcome' >> /root/.bashrc",
        "mv /root/.bashrc.away /root/.bashrc",
    )


def source_missing(bench: Bench) -> None:
    """N7"""
    bench.changed(f"mv {DATA} {AWAY}", f"mv {AWAY} {DATA}")


def source_emptied(bench: Bench) -> None:
    """N8: what an unmounted disk leaves."""
    bench.changed(f"mv {DATA} {AWAY}; mkdir {DATA}", f"rmdir {DATA}; mv {AWAY} {DATA}")


def most_deleted(bench: Bench) -> None:
    """N8, of which a little is left."""
    bench.changed(f"mv {DATA}/deep {AWAY}", f"mv {AWAY} {DATA}/deep")


def file_unreadable(bench: Bench) -> None:
    """N9"""
    bench.source["host"] = f"puller@{HOST}"
    file = f"{DATA}/deep/7"
    bench.changed(
        f"mv {file} /srv/transport/7; echo 'other content' > {file}; chmod 000 {file}",
        f"mv /srv/transport/7 {file}",
    )


def target_full(bench: Bench) -> None:
    """N11"""
    bench.site["mirror"] = "../full"


def no_space(bench: Bench) -> None:
    """N11, seen before it happens."""
    bench.site["reserve"] = "9000T"


def target_read_only(bench: Bench) -> None:
    """What a backup container sees that has its storage read-only."""
    bench.site["mirror"] = "../read-only"


def killed(bench: Bench) -> None:
    """N12: the sender, in the middle of the large file."""
    _instead(bench, "rsync", '/usr/bin/rsync "$@" | { dd bs=65536 count=500000 iflag=count_bytes; kill -9 0; }')


def hanging(bench: Bench) -> None:
    """A source that accepts everything and never answers."""
    bench.source["timeout"] = 3
    _instead(bench, "rsync", "exec sleep 600")


def changed_in_silence(bench: Bench) -> None:
    """N13"""
    file = f"{DATA}/deep/7"
    bench.changed(
        f"cp -p {file} /srv/transport/7; echo 'CONTENT 7' > {file}; touch -r /srv/transport/7 {file}",
        f"mv /srv/transport/7 {file}",
    )
    bench.wishes["compare"] = True


def wrong_host(bench: Bench) -> None:
    """N20: another machine under this name, with its own key pinned."""
    config = bench.ssh / "config"
    addresses = bench.lab.fleet.addresses()
    config.write_text(
        config.read_text().replace(f"HostName {addresses[HOST]}\n", f"HostName {addresses['caddy']}\n")
    )
    keys = dict(line.split(" ", 1) for line in bench.known_hosts.read_text().splitlines())
    bench.known_hosts.write_text(f"{HOST} {keys['caddy']}\n")


def before_failed(bench: Bench) -> None:
    """N21"""
    bench.source["before"] = {"run": ["sh", "-c", "echo no room >&2; exit 3"]}


def after_failed(bench: Bench) -> None:
    """N21, at the other end."""
    bench.source["after"] = {"run": ["systemctl", "start", "nosuch.service"]}


def year_ahead(bench: Bench) -> None:
    """N22"""
    _instead(bench, "date", 'exec /usr/bin/date -d "+1 year" "$@"')


def ten_minutes_behind(bench: Bench) -> None:
    """N22, of which a person should know."""
    _instead(bench, "date", 'exec /usr/bin/date -d "-10 minutes" "$@"')


def key_of_something_else(bench: Bench) -> None:
    """A forced command of another purpose."""
    keys = "/root/.ssh/authorized_keys"
    forced = 'restrict,command="echo only snapshots >\\&2; exit 1" '
    bench.changed(f"cp -p {keys} {keys}.away; sed -i 's/^/{forced}/' {keys}", f"mv {keys}.away {keys}")


def too_much(bench: Bench) -> None:
    """More than the quota comes."""
    bench.source["quota"] = "1M"
    bench.changed(f"head -c 2097152 /dev/urandom > {DATA}/larger", f"rm {DATA}/larger")


def _instead(bench: Bench, name: str, script: str) -> None:
    """Another program of this name comes first at the source; there is something to pull."""
    place = PROGRAM.format(name=name)
    bench.changed(f"cat > {place} <<'END'\n#!/bin/sh\n{script}\nEND\nchmod 755 {place}", f"rm {place}")
    bench.inside(f"head -c 2097152 /dev/urandom > {DATA}/large")


FAULTS: list[tuple[Fault, str, str]] = [
    (key_revoked, "sync.auth-denied", "error"),
    (host_key_changed, "sync.host-key-changed", "error"),
    (host_key_unknown, "sync.host-key-unknown", "error"),
    (server_stopped, "sync.unreachable", "error"),
    (rsync_missing, "sync.rsync-missing", "error"),
    (shell_dirty, "sync.dirty-shell", "error"),
    (source_missing, "sync.source-missing", "error"),
    (source_emptied, "sync.source-empty", "error"),
    (most_deleted, "sync.mass-deletion", "error"),
    (file_unreadable, "sync.unreadable", "error"),
    (target_full, "sync.target-full", "error"),
    (no_space, "sync.no-space", "error"),
    (target_read_only, "sync.target-read-only", "error"),
    (killed, "sync.connection-lost", "error"),
    (hanging, "sync.timed-out", "error"),
    (changed_in_silence, "sync.changed-in-silence", "warn"),
    (wrong_host, "sync.wrong-host", "error"),
    (before_failed, "sync.hook-failed", "error"),
    (after_failed, "sync.hook-failed", "error"),
    (year_ahead, "sync.clock-skew", "error"),
    (ten_minutes_behind, "sync.clock-skew", "warn"),
    (key_of_something_else, "sync.key-refuses", "error"),
    (too_much, "sync.quota-exceeded", "error"),
]


@pytest.fixture(scope="module")
def place(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(lab, tmp_path_factory.mktemp("transport")) as made:
        yield made


@pytest.mark.parametrize(("fault", "id", "outcome"), [pytest.param(*row, id=row[0].__name__) for row in FAULTS])
def test_a_fault_of_the_transport_is_named_and_gone_when_it_is_mended(
    place: Bench, fault: Fault, id: str, outcome: str
) -> None:
    try:
        assert place.said() == set()
        fault(place)

        assert place.said() == {(id, outcome)}
        assert place.mirrored("deep/7").exists()
    finally:
        place.mended()


def test_after_all_faults_the_source_is_pulled_as_before(place: Bench) -> None:
    assert place.said() == set()
    assert len(list(place.mirrored("deep").iterdir())) == FILES
