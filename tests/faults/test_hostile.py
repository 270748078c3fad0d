"""What was restored is an attacker's: nothing outside a box is read, written, run or waited for.

`SHOWN` has the catalogue of attacks, and for each the tests that show what becomes of it: here in a whole night,
for the rest where the part is tested that meets it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import struct
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from psycopg.errors import QueryCanceled

from backupcheck import bounds, fixtures, proc, sqlitefile
from backupcheck.checks.sqlite import Sqlite
from backupcheck.errors import ScratchError, ToolTimedOut, UnsafePath
from backupcheck.fixtures import RestoredCouchdb
from backupcheck.postgresql.cluster import cluster, servers
from backupcheck.postgresql.roles import LOADER
from backupcheck.proc import Command
from backupcheck.scratch.lxc import Lxc
from backupcheck.scratch.process import Process
from backupcheck.seams import Box, BoxRequest, Engine
from backupcheck.tree import Tree
from tests.boxes import open_box
from tests.checks.plain import bad, findings, spec
from tests.faults.hostile import CASES, DUMP, DUMP_END, ENDLESS, IN_A_CONTAINER, Outside
from tests.faults.livesync import healthy
from tests.lab.lab import REPOSITORY_ROOT
from tests.mounts import mounted
from tests.night import Report
from tests.reporters.markup import Page
from tests.smallsite import SmallSite, small_site

HERE = "faults/test_hostile.py::test_each_attack_of_a_night_is_named_and_nothing_else_is_red"
REPORTS = "faults/test_hostile.py::test_no_name_forges_anything_in_a_report"
OUTSIDE = "faults/test_hostile.py::test_nothing_outside_was_read_written_or_made"
SHOWN: dict[str, tuple[str, ...]] = {
    "H1 HTML in a name": (
        REPORTS,
        "reporters/test_html.py::test_no_name_becomes_an_element_or_an_attribute",
        "reporters/test_browser.py::test_hostile_names_become_no_element_and_run_no_script",
    ),
    "H2 newlines and escapes in a name": (
        REPORTS,
        "reporters/test_junit.py::test_no_name_becomes_an_element_or_an_illegal_character",
        "reporters/test_junit.py::test_a_name_cannot_forge_a_line",
        "test_face.py::test_a_name_cannot_forge_a_line_or_a_colour",
    ),
    "H4 links out of the tree": (
        HERE,
        OUTSIDE,
        "test_tree.py::test_a_link_in_the_middle_of_a_path_does_not_lead_out",
        "test_tree.py::test_a_folder_that_is_replaced_by_a_link_while_it_is_walked_does_not_lead_out",
        "scratch/contract.py::test_a_declared_path_that_leads_through_a_symlink_is_refused",
        "couchfile/test_hostile.py::test_a_linked_folder_is_not_followed",
        "checks/test_service.py::test_a_hostile_link_in_a_copy_leads_nothing_out",
    ),
    "H6 devices, FIFOs, setuid": (
        HERE,
        "faults/test_hostile.py::test_a_setuid_program_gives_nobody_more_than_he_has",
        "test_tree.py::test_a_device_is_refused_and_not_opened",
    ),
    "H7 bombs": (
        HERE,
        "faults/test_hostile.py::test_a_container_gives_no_more_away",
        "faults/test_hostile.py::test_a_database_that_claims_four_tebibytes_is_not_waited_for",
        "faults/test_hostile.py::test_zeros_that_never_end_are_not_walked_through",
        "faults/test_hostile.py::test_a_dump_that_multiplies_costs_neither_time_nor_memory",
        "faults/test_hostile.py::test_what_does_not_fit_into_the_scratch_is_not_begun",
        "faults/test_vault.py::test_each_way_to_be_unusable_is_named_and_nothing_else",
        "remote/test_hostile.py::test_a_hole_larger_than_the_quota_is_refused_before_it_comes",
        "remote/test_hostile.py::test_too_many_names_are_cut_off",
        "seal/test_manifest.py::test_memory_stays_flat_at_a_hundred_thousand_names",
        "couchfile/test_hostile.py::test_headers_that_claim_much_are_passed_over_quickly",
        "scratch/contract.py::test_limits_bite",
    ),
    "H9 code in a SQLite schema": (
        HERE,
        "faults/test_hostile.py::test_a_view_that_never_ends_is_given_up_in_a_test_in_python",
        "faults/test_hostile.py::test_a_journal_that_names_a_file_of_this_machine_deletes_nothing",
        "checks/test_sqlite.py::test_what_never_ends_is_ended_and_is_no_verdict",
    ),
    "H10 COPY and PROGRAM": (HERE, OUTSIDE, "checks/test_postgres.py::test_names_the_fault_and_only_that"),
    "H11 psql's own commands": (
        HERE,
        "checks/test_postgres.py::test_names_the_fault_and_only_that",
        "postgresql/test_dump.py::test_a_command_that_pg_dump_never_writes_is_found",
    ),
    "H12 another database, a superuser": (
        HERE,
        "checks/test_postgres.py::test_names_the_fault_and_only_that",
        "postgresql/test_cluster.py::test_nobody_else_enters_another_database",
    ),
    "H13 around restrict": (HERE, "checks/test_postgres.py::test_a_dump_ends_with_unrestrict_and_is_whole"),
    "H14 code that runs at load": (
        HERE,
        "checks/test_postgres.py::test_code_in_a_dump_runs_as_nobody_in_particular",
        "faults/test_hostile.py::test_a_view_that_resets_the_time_limit_gains_nothing_in_a_test_in_python",
    ),
    "H16 tags in YAML": (HERE, OUTSIDE, "test_yamlfile.py::test_tags_are_refused"),
    "H17 traps and aliases in YAML": (
        HERE,
        "test_yamlfile.py::test_aliases_that_multiply_are_refused_in_no_time",
        "test_yamlfile.py::test_words_that_are_booleans_for_some_are_refused",
    ),
    "H18 a shell's signs in a spec": (
        "test_fields.py::test_what_is_wrong_is_named",
        "sitekeys/test_restricted.py::test_an_attack_works_with_an_unrestricted_key_and_with_neither_of_ours",
    ),
    "H19 SQL in a table's name": (HERE, "checks/test_postgres.py::test_a_query_that_gives_no_such_value_is_named"),
    "H20 secrets in words and logs": (
        "test_proc.py::test_the_command_is_shown_without_them",
        "test_proc.py::test_errors_are_masked_with_all_that_hangs_on_them",
        "scratch/contract.py::test_a_secret_in_the_environment_is_not_on_any_command_line",
    ),
    "H21 secrets in what differs": (
        "checks/test_secret.py::test_the_secret_is_told_to_nobody",
        "checks/test_config.py::test_secrets_are_compared_and_never_shown",
    ),
    "H22 a source that attacks its puller": (
        "remote/test_hostile.py::test_a_link_that_becomes_a_folder_is_never_written_through",
        "remote/test_confined.py::test_only_the_target_is_writable",
    ),
    "H23 pickles, entities, includes": (
        HERE,
        OUTSIDE,
        "test_configfile.py::test_hostile_content_is_refused_quickly",
    ),
    "H24 formulas": (REPORTS,),
    "H25 a source that lies in its seal": (
        "remote/test_hostile.py::test_names_that_nobody_asked_for_are_refused",
        "faults/test_dead_data.py::test_dead_data_is_named_though_it_was_proven_the_night_before",
    ),
    "H26 a mirror that changes under restic": (
        "seal/test_marker.py::test_a_pull_that_never_ended_fails",
        "checks/test_seal.py::test_each_difference_has_its_own_id",
    ),
}
BAD = ("fail", "error")


def test_every_attack_of_the_catalogue_is_shown_somewhere() -> None:
    for attack, shown in SHOWN.items():
        for place in shown:
            file, _, name = place.partition("::")
            text = (REPOSITORY_ROOT / "tests" / file).read_text()

            assert re.search(rf"def {name}\(", text), f"{attack}: {place}"


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    """A site of hostile services."""
    with small_site() as site:
        for file in site.specs.glob("*.yaml"):
            if file != site.site:
                file.unlink()
        yield site


@pytest.fixture(scope="module")
def outside(site: SmallSite) -> Outside:
    """What lies beside the site, and is nobody's business."""
    (site.folder / "outside").mkdir(mode=0o755)
    return Outside(site.folder / "outside")


@pytest.fixture(scope="module")
def night(site: SmallSite, outside: Outside) -> Report:
    """One night with all of them."""
    for name, case in CASES.items():
        data = site.source / name / "srv/data"
        data.mkdir(parents=True)
        case.make(data, outside)
        checks = [
            {kind: {**fields, "name": title}} if isinstance(fields, dict) else {}
            for title, (check, _) in case.asked(outside).items()
            for kind, fields in check.items()
        ]
        spec = {
            "service": name,
            "source": {"host": "local", "root": f"../source/{name}", "paths": ["/srv/data/"]},
            "box": {"disk": "256M"},
            "checks": checks,
        }
        (site.specs / f"{name}.yaml").write_text(yaml.safe_dump(spec))
    return site.night()


def answers(report: Report) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """What is red in each answer that is red, by service and check."""
    found = {
        (service["service"], check["name"]): {
            (finding["id"], finding["outcome"]) for finding in check["findings"] if finding["outcome"] in BAD
        }
        for service in report.run["services"]
        for check in service["checks"]
    }
    return {place: red for place, red in found.items() if red}


def expected(outside: Outside, *services: str) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """What must be red."""
    return {
        (name, title): red for name in services for title, (_, red) in CASES[name].asked(outside).items() if red
    }


def test_each_attack_of_a_night_is_named_and_nothing_else_is_red(night: Report, outside: Outside) -> None:
    assert answers(night) == expected(outside, *CASES)
    assert night.status == 1


def left(site: SmallSite) -> list[str]:
    """What is still there of a run: mounts and processes of the site, and names in its scratch folder."""
    place = str(site.folder)
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if place in line]
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if place in words or place in str((process / "cwd").readlink()):
                running.append(words)
    return [*mounts, *running, *site.left_in_scratch]


def test_nothing_outside_was_read_written_or_made(night: Report, site: SmallSite, outside: Outside) -> None:
    """The secret that lies outside is in no other file of the site: no report, no mirror, no repository."""
    files = [path for path in site.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    inside = [path for path in files if not path.is_relative_to(outside.folder)]
    telling = [path for path in inside if outside.secret.encode() in path.read_bytes()]

    assert len(inside) > 100
    assert telling == []
    assert outside.secret not in night.completed.text + night.completed.stderr
    assert outside.state() == outside.before
    assert not outside.touched.exists()


def test_nothing_is_left_of_the_night(night: Report, site: SmallSite) -> None:
    assert left(site) == []


@pytest.mark.usefixtures("night")
def test_no_name_forges_anything_in_what_pytest_says(site: SmallSite) -> None:
    junit = site.folder / "pytest.xml"
    ran = site.pytest("-k", "names", f"--junit-xml={junit}")
    suites = ElementTree.parse(junit).getroot()
    told = "".join(element.text or "" for element in suites.iter("failure"))

    assert ran.returncode == 1
    assert all(letter.isprintable() or letter == "\n" for letter in ran.stdout + ran.stderr + told)
    assert not re.search(r"^(ERROR forged|=HYPERLINK)", ran.stdout + told, re.MULTILINE)
    assert all("onerror=alert(1)" in text and r"\x1b[31mred" in text for text in (ran.stdout, told))


def test_no_name_forges_anything_in_a_report(night: Report) -> None:
    """HTML, JUnit, JSON and the terminal: each is parsed, and the names are in it as texts that can be printed."""
    html = (night.folder / "report.html").read_text("utf-8")
    junit = (night.folder / "junit.xml").read_text("utf-8")
    run = (night.folder / "run.json").read_text("utf-8")
    page, suites = Page(html), ElementTree.fromstring(junit)
    told = [element.text or "" for element in suites.iter() if element.tag in ("failure", "error")]
    texts = [html, junit, run, night.completed.text, night.completed.stderr]
    lines = [line for text in (*told, *texts) for line in text.splitlines()]

    assert {name for name, _ in page.elements} & {"img", "script", "iframe", "object"} == set()
    assert [word for _, words in page.elements for word in words if word.startswith("on")] == []
    assert {element.tag for element in suites.iter()} <= {
        *("testsuites", "testsuite", "testcase", "properties", "property"),
        *("failure", "error", "skipped", "system-out", "system-err"),
    }
    said = json.loads(run)
    results = [check for one in said["services"] for check in one["checks"]] + said["policies"]
    assert int(suites.get("tests", "0")) == len(results)
    assert all(letter.isprintable() or letter == "\n" for text in texts for letter in text)
    assert [line for line in lines if line.startswith(("ERROR forged", "=", "\N{RIGHT-TO-LEFT OVERRIDE}"))] == []
    assert all("onerror=alert(1)" in text for text in (page.text, "\n".join(told), run))
    assert all(r"\x1b[31mred" in text for text in (page.text, "\n".join(told)))


@pytest.mark.lxc
def test_a_container_gives_no_more_away(night: Report, site: SmallSite, outside: Outside) -> None:
    """The same, where the box has a root of its own."""
    report = site.run("drill", *IN_A_CONTAINER, "--engine", "lxc")

    assert answers(report) == expected(outside, *IN_A_CONTAINER)
    assert outside.state() == outside.before
    assert outside.secret not in (report.folder / "run.json").read_text()
    assert left(site) == []


@pytest.mark.parametrize("engine", [Process(), pytest.param(Lxc(), marks=pytest.mark.lxc)], ids=["process", "lxc"])
def test_a_setuid_program_gives_nobody_more_than_he_has(engine: Engine, site: SmallSite, night: Report) -> None:
    folder = site.folder / "setuid"
    folder.mkdir(mode=0o711)
    try:
        engine.prepare(frozenset({"base"}))
        tree = Tree(site.source / "special")
        with engine.open(BoxRequest("special", tree, folder, ("/srv/data",))) as box:
            before = box.run(("id", "-u"), timeout=60).text
            whoami = box.run(("/srv/data/whoami", "-u"), timeout=60, accept=frozenset(range(256)))

        assert before.strip() != "0"
        assert whoami.text in (before, "")
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("log", [b"", b"x" * 40], ids=["alone", "with a log"])
def test_a_database_that_claims_four_tebibytes_is_not_waited_for(tmp_path: Path, log: bytes) -> None:
    """Behind its last page is a hole; alone it is not copied, and with a log there is no room for a copy."""
    place = tmp_path / "tree/srv/data/notes.db"
    place.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(place)) as connection:
        connection.execute("create table note (id integer)")
    os.truncate(place, 2**42)
    place.with_name("notes.db-wal").write_bytes(log)
    check = spec(Sqlite, path="/srv/data/notes.db")

    with open_box(tmp_path, tmp_path / "tree") as box:
        if log:
            with pytest.raises(ScratchError, match="no room"):
                check.observe(box)
        else:
            assert bad(findings(check, box)) == {("sqlite.trailing-bytes", "warn")}
        with contextlib.ExitStack() as stack, pytest.raises(ScratchError, match="no room"):
            fixtures._opened(box, "/srv/data/notes.db", stack)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What should take no time may take a minute, on a machine with much to do."""
    monkeypatch.setattr(bounds, "SECONDS", 60)


def empty_log_header() -> bytes:
    """Of a log whose salts are zeros, so that zeros are frames of it."""
    start = struct.pack(">IIIIII", 0x377F0682, 3007000, 4096, 0, 0, 0)
    return start + struct.pack(">II", *sqlitefile._checksum(start, 0x377F0682, (0, 0)))


@pytest.mark.usefixtures("patient")
def test_zeros_that_never_end_are_not_walked_through(tmp_path: Path) -> None:
    """A hole behind a log's header, whose zeros have the right checksum, and one behind a page of zeros."""
    log, database = tmp_path / "a-wal", tmp_path / "notes.db"
    log.write_bytes(empty_log_header())
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("create table note (id integer)")
    with database.open("ab") as file:
        file.write(bytes(8192))
    for path in (log, database):
        os.truncate(path, 2**42)

    with log.open("rb") as frames, database.open("rb") as pages:
        walks = (
            walk() for walk in (lambda: sqlitefile.read_log(frames, 0), lambda: sqlitefile.read_header(pages))
        )
        read, header = bounds.in_time(walks, "the walk")

    assert isinstance(read, sqlitefile.Log)
    assert isinstance(header, sqlitefile.Header)
    assert (read.state, read.frames, header.shape) == ("clean", 0, "reserved")


def hot_journal(folder: Path) -> Path:
    """A database that was left in the middle of a change: its journal has the row as it was, 1."""
    place = folder / "tree/srv/data/notes.db"
    place.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(folder / "live.db", isolation_level=None)) as connection:
        for statement in (
            "create table note (id integer)",
            "insert into note values (1)",
            "pragma cache_size = 1",
        ):
            connection.execute(statement)
        for statement in ("begin", "update note set id = 2", "create table more (x)"):
            connection.execute(statement)
        connection.executemany("insert into more values (zeroblob(?))", [(3000,)] * 200)
        for end in ("", "-journal"):
            shutil.copy(folder / f"live.db{end}", f"{place}{end}")
    return place.with_name("notes.db-journal")


@pytest.mark.parametrize("named", [False, True], ids=["control", "attack"])
def test_a_journal_that_names_a_file_of_this_machine_deletes_nothing(tmp_path: Path, named: bool) -> None:
    """SQLite deletes the super-journal that a journal names, whatever that is."""
    journal, victim = hot_journal(tmp_path), tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o666)
    name = os.fsencode(victim)
    if named:
        ends = struct.pack(">II", len(name), sum(name)) + journal.read_bytes()[:8]
        with journal.open("ab") as file:
            file.write(struct.pack(">I", 2**20) + name + ends)
    check = spec(Sqlite, path="/srv/data/notes.db", queries=[{"sql": "select id from note", "equals": 1}])

    with open_box(tmp_path, tmp_path / "tree") as box, contextlib.ExitStack() as stack:
        # inside there is no such file, and then the change counts as made
        assert (bad(findings(check, box)) == set()) is not named
        if named:
            with pytest.raises(UnsafePath, match="names another file"):
                fixtures._opened(box, "/srv/data/notes.db", stack)
        else:
            assert [row["id"] for row in fixtures._opened(box, "/srv/data/notes.db", stack)["note"].rows] == [1]
    assert victim.read_text() == "precious"


MULTIPLYING = {
    "commands": b"\\!\n" * 2**21,
    "one line": b"COPY " + b"a" * 2**23 + b"\n",
    "one name": b'ALTER TABLE a OWNER TO "' + b"a" * 2**23 + b'";\n',
    "blank": DUMP_END.encode() + b"\n" * 2**23,
}
READ = (
    "import sys; from backupcheck.postgresql.dump import read_dump; print(read_dump(open(sys.argv[1], 'rb')).size)"
)


@pytest.mark.parametrize("name", MULTIPLYING)
def test_a_dump_that_multiplies_costs_neither_time_nor_memory(tmp_path: Path, name: str) -> None:
    """It is read on this machine, not in a box: 8 MiB of it within 512 MiB and a minute."""
    dump = tmp_path / "dump.sql"
    dump.write_bytes(DUMP.format("{}").encode().replace(b"{}", MULTIPLYING[name]))
    limits = ("prlimit", f"--as={2**29}", "--cpu=60", "--")

    said = proc.run(Command((*limits, sys.executable, "-c", READ, str(dump)), timeout=300, cwd=REPOSITORY_ROOT))

    assert int(said.text) == dump.stat().st_size


def test_what_does_not_fit_into_the_scratch_is_not_begun(site: SmallSite, night: Report) -> None:
    with mounted(site.folder / "small"):
        other = site.specs / "small.site.yaml"
        other.write_text(site.site.read_text().replace("../scratch", "../small"))
        report = site.run("drill", "certificates", "--site", str(other))
        red = {(one["id"], one["outcome"]) for _, one in report.findings() if one["outcome"] in BAD}
        said = [one["message"] for _, one in report.findings() if one["id"] == "scratch.no-space"]

    assert red == {("scratch.no-space", "error")}
    assert re.fullmatch(r"certificates restored has \d+ bytes, and the scratch folder has only \d+ free", said[0])


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A box with a vault whose shard claims four tebibytes, and a database with a view that never ends."""
    healthy().write(tmp_path / "tree")
    for shard in (tmp_path / "tree").glob("**/vault.*.couch"):
        os.truncate(shard, 2**42)
    with contextlib.closing(sqlite3.connect(tmp_path / "tree/opt/notes.db")) as connection:
        connection.execute(f"create view forever as {ENDLESS}")
    with open_box(tmp_path, tmp_path / "tree") as box:
        yield box


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test in Python may take half a second."""
    monkeypatch.setattr(bounds, "SECONDS", 0.5)


@pytest.mark.usefixtures("impatient")
def test_a_view_that_never_ends_is_given_up_in_a_test_in_python(box: Box) -> None:
    with contextlib.ExitStack() as stack, pytest.raises(ToolTimedOut, match="a statement did not end within"):
        assert fixtures._opened(box, "/opt/notes.db", stack)["forever"].count


@pytest.mark.usefixtures("impatient")
def test_a_shard_that_never_ends_is_given_up_in_a_test_in_python(box: Box) -> None:
    with contextlib.ExitStack() as stack, pytest.raises(ToolTimedOut, match="reading vault did not end"):
        list(RestoredCouchdb(box, "/opt/couchdb/data", stack).documents("vault"))


RESETS = """
create function reset() returns text language sql as $$ select set_config('statement_timeout', '0', false) $$;
create view lulls as select reset();
"""


@pytest.mark.usefixtures("impatient")
def test_a_view_that_resets_the_time_limit_gains_nothing_in_a_test_in_python(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    with open_box(tmp_path, tmp_path / "tree", image="postgres") as box, contextlib.ExitStack() as stack:
        made = stack.enter_context(cluster(box, servers(box)[-1]))
        with made.connect(LOADER) as loader:
            loader.execute(RESETS)
        connection = fixtures._connected(made, stack)

        assert connection.execute("select * from lulls").fetchall() == [("0",)]
        with pytest.raises(QueryCanceled):
            connection.execute("select pg_sleep(30)")
