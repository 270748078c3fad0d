"""`backupcheck keys`: the lines for each source's authorized_keys, the hosts' keys pinned, and both looked at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from backupcheck.result import Outcome
from backupcheck.sitekeys.destinations import chosen, machines
from backupcheck.sitekeys.lines import as_json, lines
from backupcheck.sitekeys.look import look
from backupcheck.sitekeys.pairs import pairs
from backupcheck.sitekeys.pinning import by_fingerprint, by_nobody, by_terminal, pin
from backupcheck.spec import Site, Spec

LOCAL = "every service is on this machine, which needs no keys"


@dataclass(frozen=True)
class KeysOptions:
    """What was asked for: `pin` are hosts, none of them means all; `confirm` are fingerprints."""

    addresses: tuple[str, ...] = ()
    json: bool = False
    check: bool = False
    pin: tuple[str, ...] | None = None
    confirm: tuple[str, ...] = ()


def keys(site: Site, specs: Sequence[Spec], wanted: Sequence[Spec], options: KeysOptions) -> int:
    """Do it for the services that are wanted, of all of the site's; the exit status."""
    if options.pin is not None:
        hosts = options.pin or tuple(spec.source.host for spec in wanted if spec.source.host != "local")
        if not hosts:
            print(LOCAL)
            return 0
        person = by_terminal if sys.stdin.isatty() else by_nobody
        return pin(site, hosts, by_fingerprint(options.confirm) if options.confirm else person)
    if options.check:
        return _checked(site, specs, wanted)
    return _printed(site, specs, wanted, options)


def _printed(site: Site, specs: Sequence[Spec], wanted: Sequence[Spec], options: KeysOptions) -> int:
    """The lines on standard output, which may be pasted; what is for the person on standard error."""
    addresses = tuple(each for text in options.addresses for each in text.split(",")) or site.ssh.addresses
    public = pairs(site)
    for file in public.made:
        print(f"made the key pair {file} and {file.name}.pub", file=sys.stderr)
    every = [lines(machine, public, addresses) for machine in chosen(machines(site, specs), wanted)]
    if options.json:
        print(as_json(every))
    else:
        print("\n\n".join(one.text for one in every))
    if not every:
        print(LOCAL, file=sys.stderr)
    elif not addresses:
        print(
            "the keys may be used from anywhere: give this machine's address with --from, or set ssh.addresses",
            file=sys.stderr,
        )
    if every and sys.stdout.isatty():
        print(
            "put each host's lines into ~/.ssh/authorized_keys of the user there, in place of older ones of these"
            " keys; then see `backupcheck keys --check`",
            file=sys.stderr,
        )
    return 0


def _checked(site: Site, specs: Sequence[Spec], wanted: Sequence[Spec]) -> int:
    """A line for each key at each host; 2 where a night would fail, else 0."""
    status = 0
    found = tuple(look(site, specs, wanted))
    if not found:
        print(LOCAL)
    for finding in found:
        mark = "ok" if finding.outcome is Outcome.PASS else finding.outcome.name
        print(f"{mark:<5} {finding.message}" + ("" if mark == "ok" else f" [{finding.id}]"))
        if finding.advice:
            print(f"      {finding.advice}")
        status = 2 if finding.outcome in (Outcome.ERROR, Outcome.FAIL) else status
    return status
