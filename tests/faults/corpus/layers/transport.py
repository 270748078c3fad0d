"""The pull: what a network, a host, a key and a disk do to it, each in a real container just after a good pull.

What the transfer itself can lose or pretend (vanished names, hard links, owners, hostile names) is with the tests
of the transfer.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.bench import DATA, HOST, Bench
from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.wire import Pulled, Wire
from tests.sshd import make_key

Harm = Callable[[Bench], None]
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


def come_and_gone(bench: Bench) -> None:
    """Some are deleted, some are new, as every day."""
    bench.changed(
        f"mv {DATA}/deep/1 {DATA}/deep/2 /srv/transport/; touch {DATA}/deep/new",
        f"mv /srv/transport/1 /srv/transport/2 {DATA}/deep/; rm {DATA}/deep/new",
    )


def odd_names(bench: Bench) -> None:
    """What is no plain file, and a name that no terminal likes."""
    made = f"{DATA}/odd"
    bench.changed(
        f"mkdir {made}; ln -s ../deep {made}/link; mkfifo {made}/pipe; truncate -s 5M {made}/holes; "
        f"touch {made}/$(printf 'a\\nb\\033[31m')",
        f"rm -r {made}",
    )


def half_anew(bench: Bench) -> None:
    """Written again by a program that keeps no time."""
    bench.changed(f"for n in $(seq 1 2 40); do echo new > {DATA}/deep/$n; done", "true")


def on(harm: Harm) -> Callable[[Pulled], None]:
    return lambda pulled: harm(pulled.bench)


WIRE = Wire()
FAULTS = (
    Fault("the pull's key is revoked", WIRE, on(key_revoked), unable="sync.auth-denied"),
    Fault("the host's key changed", WIRE, on(host_key_changed), unable="sync.host-key-changed"),
    Fault("the host's key is unknown", WIRE, on(host_key_unknown), unable="sync.host-key-unknown"),
    Fault("no ssh server answers", WIRE, on(server_stopped), unable="sync.unreachable"),
    Fault("rsync is gone at the source", WIRE, on(rsync_missing), unable="sync.rsync-missing"),
    Fault("the login shell says something", WIRE, on(shell_dirty), unable="sync.dirty-shell"),
    Fault("a declared folder is gone", WIRE, on(source_missing), unable="sync.source-missing"),
    Fault("a source's disk is not mounted", WIRE, on(source_emptied), unable="sync.source-empty"),
    Fault("most files are deleted at the source", WIRE, on(most_deleted), unable="sync.mass-deletion"),
    Fault("a file may not be read", WIRE, on(file_unreadable), unable="sync.unreadable"),
    Fault("the mirror's disk fills up", WIRE, on(target_full), unable="sync.target-full"),
    Fault("the mirror's disk has no room left", WIRE, on(no_space), unable="sync.no-space"),
    Fault("the mirror is mounted read-only", WIRE, on(target_read_only), unable="sync.target-read-only"),
    Fault("the sender is killed in the middle", WIRE, on(killed), unable="sync.connection-lost"),
    Fault("the source accepts and never answers", WIRE, on(hanging), unable="sync.timed-out"),
    Fault("another machine answers under the name", WIRE, on(wrong_host), unable="sync.wrong-host"),
    Fault("the hook before the pull fails", WIRE, on(before_failed), unable="sync.hook-failed"),
    Fault("the hook after the pull fails", WIRE, on(after_failed), unable="sync.hook-failed"),
    Fault("the source's clock is a year ahead", WIRE, on(year_ahead), unable="sync.clock-skew"),
    Fault("the key is forced to another command", WIRE, on(key_of_something_else), unable="sync.key-refuses"),
    Fault("more comes than the quota allows", WIRE, on(too_much), unable="sync.quota-exceeded"),
)
HEALTHY = (
    Healthy(
        "a file changes under the same size and time",
        WIRE,
        on(changed_in_silence),
        warned="sync.changed-in-silence",
    ),
    Healthy("the source's clock is ten minutes behind", WIRE, on(ten_minutes_behind), warned="sync.clock-skew"),
    Healthy("nothing changed since the last pull", WIRE, on(lambda bench: None)),
    Healthy("files come and go", WIRE, on(come_and_gone)),
    Healthy("a link, a pipe and a file with holes", WIRE, on(odd_names)),
    Healthy("half of the small files are new", WIRE, on(half_anew)),
)
