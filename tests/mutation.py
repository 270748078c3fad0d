"""Mutation testing: which small changes of the code does no test notice? `make mutation`; the tree itself stays.

Matchers, outcomes and the exit status are mutated by cosmic-ray, which also changes properties and what stands
outside of functions; the reader of `.couch` files by mutmut, which asks of each mutant only the tests that reach
it (see `[tool.mutmut]`). `python -m tests.mutation NAME` does one: matchers, outcome, result or couchfile.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.equivalent import why_equivalent

ROOT = Path(__file__).parent.parent
TESTS = {"matchers": "tests/test_matchers.py", "outcome": "tests/test_result.py", "result": "tests/test_result.py"}
COUCHFILE = "couchfile"
CONFIG = """
[cosmic-ray]
module-path = "backupcheck/{name}.py"
timeout = 120.0
excluded-modules = []
test-command = "{python} -m pytest -q -x -p no:backupcheck --noconftest -p tests.profiles {tests}"
[cosmic-ray.distributor]
name = "local"
[cosmic-ray.filters.operators-filter]
exclude-operators = ["core/ReplaceBinaryOperator_BitOr_.*"]  # `|` stands only in types there
"""


@dataclass
class Score:
    """What became of a module's mutants; `lived` are those that no test noticed, `equivalent` no test can."""

    name: str
    killed: int = 0
    equivalent: int = 0
    lived: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        total = self.killed + self.equivalent + len(self.lived)
        return f"{self.name}: {self.killed} of {total} mutants noticed, {self.equivalent} equivalent"

    def survived(self, diff: str) -> None:
        """Note a mutant that no test noticed."""
        if why_equivalent(self.name, diff):
            self.equivalent += 1
        else:
            self.lived.append("\n".join(line for line in diff.splitlines() if line[:1] in "+-@"))


def copied(folder: Path) -> None:
    """A copy of the tree as it stands, without what git ignores."""
    listed = subprocess.run(
        ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"),
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def tool(at: Path, name: str, *arguments: str) -> str:
    """Run a program of this environment in the copy; what it said."""
    program = Path(sys.executable).with_name(name)
    paths = os.pathsep.join(filter(None, (str(at), os.environ.get("PYTHONPATH"))))
    env = {**os.environ, "CI": "true", "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run((program, *arguments), cwd=at, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return ran.stdout


def by_cosmic_ray(at: Path, name: str) -> Score:
    """Mutate one module."""
    config, session = f"{name}.toml", f"{name}.sqlite"
    (at / config).write_text(CONFIG.format(name=name, python=sys.executable, tests=TESTS[name]))
    tool(at, "cosmic-ray", "init", config, session)
    tool(at, "cr-filter-operators", session, config)
    tool(at, "cosmic-ray", "exec", config, session)
    score = Score(name)
    for line in tool(at, "cosmic-ray", "dump", session).splitlines():
        _, result = json.loads(line)
        if result and result["test_outcome"] == "survived":
            score.survived(result["diff"])
        elif result and result["test_outcome"]:
            score.killed += 1
    return score


def by_mutmut(at: Path) -> Score:
    """Mutate the reader of `.couch` files."""
    tool(at, "mutmut", "run")
    score = Score(COUCHFILE)
    for file in sorted((at / "mutants").rglob("*.meta")):
        for mutant, status in json.loads(file.read_text())["exit_code_by_key"].items():
            if status == 0:
                score.survived(tool(at, "mutmut", "show", mutant))
            else:
                score.killed += status is not None
    return score


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join((*TESTS, COUCHFILE))}; all by default"
    )
    lived = 0
    for name in parser.parse_args().names or (*TESTS, COUCHFILE):
        with tempfile.TemporaryDirectory(prefix="backupcheck-mutation-") as folder:
            copied(Path(folder))
            score = by_mutmut(Path(folder)) if name == COUCHFILE else by_cosmic_ray(Path(folder), name)
        print(score, *score.lived, sep="\n", flush=True)
        lived += len(score.lived)
    return int(lived > 0)


if __name__ == "__main__":
    sys.exit(main())
