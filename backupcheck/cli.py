"""The command line: words, colours, exit status."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from backupcheck.options import (
    EPILOG,
    PLACES,
    Parser,
    add_demo_options,
    add_engine,
    add_evidence_options,
    add_executor,
    add_fresh,
    add_history_options,
    add_keys_options,
    add_mutate_options,
    add_report_options,
    add_restore_options,
    add_services,
    add_snapshot,
    add_sync_options,
    add_wait,
)

if TYPE_CHECKING:
    from backupcheck.errors import BackupcheckError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from backupcheck.errors import BackupcheckError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C
    try:
        status: int = options.do(options)
    except KeyboardInterrupt:
        from backupcheck import proc

        proc.interrupt()  # what still runs, that clean-up did not wait for, ends now
        print("interrupted; everything was cleaned up", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except BackupcheckError as error:
        return _told(error)
    except Exception as error:  # noqa: BLE001  a defect must not look like a bad backup, which has the status 1
        from backupcheck.asking import bug

        return _told(bug(error))
    return status


def _told(error: BackupcheckError) -> int:
    print(error.message, file=sys.stderr)
    if error.advice:
        print(f"  {error.advice}", file=sys.stderr)
    return error.exit_status


def _parser() -> argparse.ArgumentParser:
    from backupcheck import __version__

    parser = Parser(
        prog="backupcheck",
        description="Proves that each self-hosted service would come back from its backup.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"backupcheck {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every command that is run")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_site_commands(commands)
    kinds = commands.add_parser("kinds", help="list every kind, or show one's manual page")
    kinds.add_argument("kind", nargs="?", help="a kind, such as sqlite")
    kinds.set_defaults(do=_kinds)
    schema = commands.add_parser("schema", help="print the JSON Schema of specs, site files or run.json")
    schema.add_argument("of", nargs="?", choices=("spec", "site", "run"), default="spec")
    schema.set_defaults(do=_schema)
    demo = commands.add_parser("demo", help="make a small site, back it up and drill it; needs no root")
    add_demo_options(demo)
    demo.set_defaults(do=_demo)
    return parser


def _add_site_commands(commands: argparse._SubParsersAction[Parser]) -> None:
    def add(name: str, help: str, do: object) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help)
        command.add_argument("--site", metavar="FILE", help=f"the site file; default: {', '.join(PLACES)}")
        command.set_defaults(do=do)
        return command

    nightly = add("nightly", "sync, backup and drill under one lock", _nightly)
    add_engine(nightly)
    add_fresh(nightly)
    add_executor(nightly)
    add_wait(nightly)
    sync = add("sync", "pull every service into the mirror and seal it", _sync)
    add_sync_options(sync)
    add_wait(sync)
    add_services(sync)
    backup = add("backup", "back the mirror up into the repository; 2 if not whole, which a drill shows", _backup)
    add_wait(backup)
    for command in (nightly, backup):
        command.add_argument("--init", action="store_true", help="make the repository if there is none")
    drill = add("drill", "restore the newest snapshot into boxes and ask every check", _drill)
    add_engine(drill)
    add_fresh(drill)
    add_executor(drill)
    add_wait(drill)
    add_snapshot(drill)
    add_services(drill)
    add_restore_options(
        add("restore", "restore one service into a folder or to a host, compare it, say what is next", _restore)
    )
    add_mutate_options(add("mutate", "put faults into restored data, say which the specs miss", _mutate))
    keys = add("keys", "make the site's keys, print what each source must allow, pin host keys", _keys)
    add_keys_options(keys)
    add_services(keys)
    add_history_options(add("history", "when each service was last proven, and what changed since", _history))
    add_report_options(add("report", "show the last run again, or another; its exit status", _report))
    add_evidence_options(
        add("evidence", "verify the signed log of every run, or bundle it for an auditor", _evidence)
    )
    notify = add("notify", "with --test: send a test message by each notifier of the site", _notify)
    notify.add_argument("--test", action="store_true", required=True, help="and say what becomes of it")
    doctor = add("doctor", "look at everything that the night needs, before the night does", _doctor)
    doctor.add_argument("--notify", action="store_true", help="and send a test message by each notifier")
    add("validate", "read the site and all specs, and say what is wrong with them", _validate)


def _validate(options: argparse.Namespace) -> int:
    from backupcheck import testfiles
    from backupcheck.chosen import loaded
    from backupcheck.errors import SpecError
    from backupcheck.units import counted

    site, every = loaded(options)
    found = testfiles.collected(site.specs)
    problems = (*(problem for wrong in every.mistakes for problem in wrong.problems), *found.problems)
    if problems:
        raise SpecError(problems)
    specs = every.specs
    checks = sum(len(spec.checks) for spec in specs)
    policies = len(site.policies) + sum(len(spec.policies) for spec in specs)
    print(
        f"site {site.site}: {counted(len(specs), 'service', 'services')}, {counted(checks, 'check', 'checks')}, "
        f"{counted(policies, 'policy', 'policies')}, {counted(found.tests, 'test', 'tests')} in Python, "
        "no mistakes"
    )
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from backupcheck.chosen import all_right
    from backupcheck.doctor import say

    found = say(*all_right(options))
    return max(found, _notify(options)) if options.notify else found


def _keys(options: argparse.Namespace) -> int:
    from backupcheck.chosen import all_right
    from backupcheck.sitekeys import KeysOptions, keys
    from backupcheck.spec import load_specs

    site, wanted = all_right(options)
    pin = None if options.pin is None else tuple(options.pin)
    asked = KeysOptions(tuple(options.addresses), options.json, options.check, pin, tuple(options.confirm))
    return keys(site, load_specs(site.specs), wanted, asked)


def _history(options: argparse.Namespace) -> int:
    from backupcheck.chosen import site_of
    from backupcheck.retelling import HistoryOptions, history

    asked = HistoryOptions(options.service, options.json, options.accept, options.forget)
    return history(site_of(options), asked)


def _report(options: argparse.Namespace) -> int:
    from backupcheck.chosen import site_of
    from backupcheck.retelling import ReportOptions, report

    asked = ReportOptions(options.run, options.open, options.render, options.path)
    return report(site_of(options), asked)


def _notify(options: argparse.Namespace) -> int:
    from backupcheck.chosen import site_of
    from backupcheck.notifying.sending import test

    return test(site_of(options))


def _evidence(options: argparse.Namespace) -> int:
    from backupcheck.chosen import site_of
    from backupcheck.evidence.commands import answer
    from backupcheck.finishing import evidence_of

    return answer(options, lambda: evidence_of(site_of(options)))


def _sync(options: argparse.Namespace) -> int:
    from backupcheck import sitelock, steps
    from backupcheck.chosen import to_sync
    from backupcheck.face import Face

    site, chosen, wishes = to_sync(options)
    with sitelock.held(site.state, "sync", options.wait), Face(verbose=options.verbose) as face:
        return steps.show_synced(face, steps.pull(site, chosen.specs, face, wishes), chosen.mistakes)


def _backup(options: argparse.Namespace) -> int:
    from backupcheck import sitelock, steps
    from backupcheck.chosen import loaded

    site, every = loaded(options)
    with sitelock.held(site.state, "backup", options.wait):
        snapshot = steps.back_up(site, init=options.init)
        lacking = steps.not_whole(site, every)
    whole, services = len(every.services) - len(lacking), len(every.services)
    print(f"backed up {site.mirror} with {whole} of {services} services whole as snapshot {snapshot[:8]}")
    for service, problem in lacking.items():
        print(f"{service} is not whole: {problem}", file=sys.stderr)
    return 3 if every.mistakes else 2 if lacking else 0


def _drill(options: argparse.Namespace) -> int:
    from backupcheck import sitelock
    from backupcheck.chosen import hands_of, is_of_newest, of_site, site_of
    from backupcheck.plan import listed_early

    site = site_of(options)
    with sitelock.held(site.state, "drill", options.wait), listed_early(site, is_of_newest(options)) as newest:
        from backupcheck.nightly import Job

        job = Job(site, of_site(site, options), options.engine, options.verbose, by=hands_of(options))
        job.newest = newest
        return job.in_turn() if options.in_turn else job.drill(options.snapshot, fresh=options.fresh)


def _restore(options: argparse.Namespace) -> int:
    from backupcheck.chosen import site_of
    from backupcheck.restore.comeback import RestoreOptions, restore

    identity = Path(options.identity) if options.identity else None
    asked = RestoreOptions(options.to, options.snapshot, options.verbose, identity)
    return restore(site_of(options), options.services[0], asked)


def _mutate(options: argparse.Namespace) -> int:
    from backupcheck.chosen import all_right
    from backupcheck.mutate import mutate

    return mutate(*all_right(options), options)


def _nightly(options: argparse.Namespace) -> int:
    from backupcheck import nightly, sitelock
    from backupcheck.chosen import hands_of, loaded

    site, every = loaded(options)
    with sitelock.held(site.state, "nightly", options.wait):
        return nightly.Job(site, every, options.engine, options.verbose, by=hands_of(options)).all(
            init=options.init, fresh=options.fresh
        )


def _demo(options: argparse.Namespace) -> int:
    from backupcheck.demo import DemoOptions, demo

    folder = Path(options.keep) if options.keep else None
    return demo(DemoOptions(folder, options.engine, options.verbose, tuple(options.not_exercised)))


def _kinds(options: argparse.Namespace) -> int:
    from backupcheck import manual

    print(manual.listing() if options.kind is None else manual.pages(options.kind))
    return 0


def _schema(options: argparse.Namespace) -> int:
    from backupcheck.schemas import schema

    print(schema(options.of))
    return 0
