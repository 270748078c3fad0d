"""The fence: what may import what. It reads every module's source, imports inside functions too.

Imports go only to a smaller number and never between siblings. A package that is named as one (`lxc/`) is one
module to the others; inside it there is no circle. The reason: what stands low can be understood, tested and
replaced without what stands above it, and a kind can be added or removed without touching another.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import backupcheck

ROOT = Path(backupcheck.__file__).parent

HOUSE = """
 0  errors patterns duration mistakes record outcome      # words that all use
 0  provenance spread                                    # where a proof is from; whose turn it is
 0  couchfile/ sqlitefile probes/ demo_sources filetypes  # know nothing of this project
 0  content                                              # what the files of a service are, as marks
 1  units result tree registry yamlfile configfile/
 2  rereading                                            # a run, out of its run.json
 2  unchanged                                            # which names of a mirror are as they were when sealed
 2  proc/ matchers validate wording troubles sitelock waivers bounds
 3  source                                               # a machine that a service runs on
 3  notifier                                             # what notifiers are made of
 3  lines measures subkeys                                       # a run in plain lines, in plain values
 3  amounts ransom                                       # what changed since a service was good
 4  seams fields questions                                # what kinds are made of
 4  trends                                               # what was measured, as lines to draw
 4  metrics                                              # what is told to Prometheus
 4  keys/ restic/ lxc/ disks                              # instruments
 5  seal/ boxes/ remote/                                  # instruments for kinds
 6  couch/ postgresql/ sqlitecopy/ mirror staging identity canary/ lookout
 6  inspecting                                           # the restored files, by their first bytes
 7  checks/* capture/* scratch/* reporters/* notifiers/*  # kinds: none knows another
 7  evidence/                                             # the signed log of runs
 8  spec/ history/
 9  plan asking allowed runbook sources enclosed
 9  telling                                              # the history in plain rows
 9  turns                                                # older snapshots, and whose turn it is
 9  testfiles                                            # the tests in Python beside the specs
 9  schemas                                              # what the models say, for editors
 9  policy                                               # what policies are made of
 9  replicas                                             # the copies of a site's data
10  manual restoring policies/*
10  mutants/                                             # what mutators are made of
10  egress                                               # what may be read from the repository
11  mutators/*                                           # ways to make mutants: none knows another
11  drill/ sitekeys/
11  sync/                                                # the pull of every service
11  carrying/                                            # proofs carried to a later drill of the same data
11  policing/                                            # the policies put to a run
12  suite doctor/ mutating/
13  textfile
13  notifying/                                           # whom a run is told
14  face finishing
14  pytesting/                                           # the suite inside pytest
15  fixtures dueness                                      # what a night restores
15  steps                                                # of a night, before its drill
16  pytest_plugin
16  hands/                                               # who drills: this machine, or others
17  inturn
18  nightly
18  restore/                                             # a service brought back for its owner
19  demo options retelling mutate
20  chosen                                               # what a command line asks for
21  cli
22  __main__
"""
"""Each row: a number, then modules; `name/` is a package that counts as one, `name/*` a folder of siblings."""

ALONE = ("couchfile", "probes", "sqlitefile", "filetypes", "patterns", "demo_sources")
"""May be taken out of this project as they are: they import nothing of it."""

STARTING = re.compile(r"os\.(system|popen|fork\w*|exec\w+|spawn\w+|posix_spawn\w*)|pty\.\w+|ProcessPoolExecutor")
PROCESS_MODULES = {"subprocess", "multiprocessing", "pty", "popen2", "commands"}
NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "misc", "shared", "core", "lib"}
LONGEST_MODULE = 300
HOMELESS = -1


@dataclass(frozen=True)
class Import:
    """One import of one of our modules by another; `for_types` if it is never run."""

    by: str
    of: str
    line: int
    for_types: bool

    def __str__(self) -> str:
        return f"{self.by} imports {self.of} (line {self.line})"


@cache
def modules() -> Mapping[str, Path]:
    """Every module by its name below `backupcheck`; the package itself is the empty name."""
    files = [file for file in sorted(ROOT.rglob("*.py")) if "_templates" not in file.parts]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return dict(zip((re.sub(r"\.?__init__$", "", name) for name in names), files, strict=True))


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


@cache
def levels() -> Mapping[str, int]:
    """The number of each unit of the house: a module, a package, or a kind's folder."""
    found: dict[str, int] = {}
    for row in HOUSE.strip().splitlines():
        number, *names = row.partition("#")[0].split()
        for name in names:
            assert name not in found, f"{name} stands in the house twice"
            found[name] = int(number)
    return found


def unit(name: str) -> str:
    """The unit of the house that a module belongs to."""
    first, _, rest = name.partition(".")
    for candidate in (first, f"{first}/", f"{first}/*"):
        if candidate in levels():
            return candidate if not candidate.endswith("*") or not rest else f"{first}/{rest.partition('.')[0]}"
    return name


def level(of: str) -> int:
    """The number of a unit."""
    folder = f"{of.partition('/')[0]}/*"
    return levels().get(of, levels().get(folder, HOMELESS))


def imports(name: str) -> Iterator[Import]:
    """What a module imports of ours, wherever in it."""
    types = {
        id(inner)
        for node in ast.walk(tree(name))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree(name)):
        for target in _targets(name, node):
            yield Import(name, target, getattr(node, "lineno", 0), id(node) in types)


def _targets(name: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (_ours(alias.name) for alias in node.names if alias.name.split(".")[0] == "backupcheck")
    elif isinstance(node, ast.ImportFrom):
        source = node.module or ""
        if node.level:
            package = name.split(".") if modules()[name].name == "__init__.py" else name.split(".")[:-1]
            around = package[: len(package) - node.level + 1]
            source = ".".join(["backupcheck", *around, *([source] if source else [])])
        if source.split(".")[0] == "backupcheck":
            for alias in node.names:
                inner = _ours(f"{source}.{alias.name}")
                yield inner if inner in modules() else _ours(source)


def _ours(dotted: str) -> str:
    return dotted.removeprefix("backupcheck").removeprefix(".")


def crossings(*, for_types: bool) -> list[str]:
    """Every import that goes up, or to a sibling."""
    return [
        str(found)
        for name in modules()
        for found in imports(name)
        if found.for_types is for_types and found.of and unit(found.of) != unit(name)
        if level(unit(found.of)) >= level(unit(name))
    ]


def packages() -> list[str]:
    """The packages that are one module to the others."""
    return sorted(name.rstrip("/") for name in levels() if name.endswith("/"))


def circle(package: str, *, for_types: bool) -> list[str]:
    """Modules of a package that import each other in a circle; imports for types too if asked for."""
    inside = [name for name in modules() if name == package or name.startswith(f"{package}.")]
    graph = {
        name: {found.of for found in imports(name) if found.of in inside and (for_types or not found.for_types)}
        for name in inside
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_has_a_place_in_the_house() -> None:
    homeless = [name for name in modules() if name and unit(name) not in levels() and "/" not in unit(name)]

    assert homeless == []


def test_every_place_in_the_house_is_a_module() -> None:
    there = {unit(name) for name in modules()}

    assert [name for name in levels() if name not in there] == []


def test_imports_go_only_down() -> None:
    assert crossings(for_types=False) == []


def test_imports_for_types_go_only_down_too() -> None:
    assert crossings(for_types=True) == []


@pytest.mark.parametrize("package", packages())
def test_no_package_imports_itself_in_a_circle(package: str) -> None:
    assert circle(package, for_types=False) == []


@pytest.mark.parametrize("package", packages())
def test_no_package_needs_a_circle_for_its_types(package: str) -> None:
    assert circle(package, for_types=True) == []


@pytest.mark.parametrize("name", ALONE)
def test_what_can_stand_alone_does(name: str) -> None:
    own = [module for module in modules() if module.partition(".")[0] == name]

    assert own
    assert [str(found) for one in own for found in imports(one) if found.of.partition(".")[0] != name] == []


def test_nobody_imports_a_probe() -> None:
    assert [
        str(found) for name in modules() for found in imports(name) if unit(found.of) == "probes/" != unit(name)
    ] == []


def imported_by(name: str) -> set[str]:
    """The first names of everything that a module imports."""
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found


def test_only_proc_starts_processes() -> None:
    """Probes are programs of their own that a box runs; this process never imports them."""
    others = [name for name in modules() if unit(name) not in ("proc/", "probes/")]
    importing = {name for name in others if imported_by(name) & PROCESS_MODULES}
    calling = {
        name
        for name in others
        for node in ast.walk(tree(name))
        if isinstance(node, (ast.Attribute, ast.Name)) and STARTING.fullmatch(ast.unparse(node))
    }

    assert importing | calling == set()


def test_only_the_face_and_the_command_line_know_of_colours() -> None:
    assert {name for name in modules() if "rich" in imported_by(name)} <= {"face", "cli"}


def test_only_the_registry_imports_by_name() -> None:
    calls = {
        name
        for name in modules()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call)
        and re.fullmatch(r"(importlib\.)?import_module|__import__", ast.unparse(node.func))
    }

    assert calls == {"registry"}


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_module_is_longer_than_a_module(name: str) -> None:
    assert len(modules()[name].read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name for name in modules() if NAMELESS & set(name.split("."))] == []


@pytest.mark.parametrize("name", sorted(modules()))
def test_the_first_line_of_a_module_is_its_caption(name: str) -> None:
    first = (ast.get_docstring(tree(name), clean=False) or "").partition("\n")[0]

    assert re.fullmatch(r"\S.*[.:?]", first)


@pytest.mark.parametrize("name", sorted(modules()))
def test_whoever_catches_everything_raises_it_again_or_says_why(name: str) -> None:
    lines = modules()[name].read_text(encoding="utf-8").splitlines()
    broad = [
        node
        for node in ast.walk(tree(name))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or re.search(r"\b(Base)?Exception\b", ast.unparse(node.type)))
    ]
    silent = [
        node.lineno
        for node in broad
        if not isinstance(node.body[-1], ast.Raise)
        and not re.search(r"# noqa: BLE001  \S", lines[node.lineno - 1])
    ]

    assert silent == []
