"""What a person mistypes or lacks: one clear sentence and the right exit status, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from backupcheck.cli import main
from tests.smallsite import SmallSite, small_site

DROPPED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""root as any other user: it may read only what is its own or everybody's."""
OTHER = 65534


@pytest.fixture(scope="module")
def site() -> Iterator[SmallSite]:
    with small_site() as made:
        assert made.night().status == 0
        yield made


def typed(
    *words: str, prefix: tuple[str, ...] = (), variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    line = [*prefix, sys.executable, "-m", "backupcheck", *words]
    environment = os.environ | dict(variables)
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment, timeout=300)


def status_of(*words: str) -> int:
    """A command in this process."""
    try:
        return main(words)
    except SystemExit as ended:
        return int(ended.code or 0)


def piped(command: str) -> int:
    """The exit status of a command whose reader is gone before it says a word."""
    script = f"{sys.executable} -m backupcheck {command} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=300)
    assert done.stderr == ""
    return done.returncode


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 3, "the following arguments are required: COMMAND"),
        (("drill", "--nosuch"), 3, "unrecognized arguments: --nosuch"),
        (("drill", "--site"), 3, "argument --site: expected one argument"),
        (("validate", "--site", "/nowhere/site.yaml"), 3, "there is no site file (looked for /nowhere/site.yaml)"),
        (("validate", "--site", "/tmp"), 3, "/tmp is a folder, not a site file"),
        (("demo", "--keep", "/etc/passwd"), 3, "the folder /etc/passwd cannot be made: File exists"),
        (
            ("demo", "--keep", "/proc/nosuch"),
            3,
            "the folder /proc/nosuch cannot be made: No such file or directory",
        ),
        (
            ("evidence", "verify", "/nowhere"),
            2,
            "the log /nowhere cannot be read: No such file or directory",
        ),
        (("kinds", "sqlit"), 3, "did you mean 'sqlite'?\n  `backupcheck kinds` lists all"),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, tuple) else "",
)
def test_a_mistyped_command_is_one_sentence(
    words: tuple[str, ...], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = status_of(*words)
    out, told = capsys.readouterr()

    assert (ended, out) == (status, "")
    assert said in told
    assert "Traceback" not in told
    assert "defect" not in told


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"site: [\n", ":2:1: is no YAML"),
        (b"\xff\xfe", ":1:1: is no UTF-8 text"),
        (b"", ":1:1: is empty"),
        (b"- a\n", ":1:1: "),
    ],
)
def test_a_broken_site_file_is_named_with_its_place(
    tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "site.yaml"
    file.write_bytes(content)

    assert status_of("validate", "--site", str(file)) == 3
    assert f"{file}{said}" in capsys.readouterr().err


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_specs_is_said(
    site: SmallSite, tmp_path: Path, there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "specs").mkdir() if there else None
    file = tmp_path / "site.yaml"
    file.write_text(f"{site.site.read_text()}specs: specs\n")

    assert status_of("nightly", "--site", str(file)) == 3
    assert f"{tmp_path}/specs" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user, which only root can")
@pytest.mark.parametrize(
    ("place", "command", "status", "said"),
    [
        ("specs/site.yaml", "drill", 3, "cannot be read: Permission denied"),
        ("specs/notes.yaml", "validate", 3, "notes.yaml:1:1: cannot be read: Permission denied\n"),
        ("specs", "validate", 3, "cannot be read: Permission denied"),
        ("reports", "report", 2, "reports cannot be read: Permission denied"),
        ("state", "history", 2, "history.db cannot be used: Permission denied"),
        ("state", "evidence verify", 2, "state/evidence cannot be read: Permission denied"),
        ("state", "drill", 2, "the site's lock cannot be made"),
        ("password", "backup", 2, "password cannot be read: Permission denied"),
    ],
)
def test_what_may_not_be_read_is_one_sentence(
    site: SmallSite, place: str, command: str, status: int, said: str
) -> None:
    path = site.folder / place
    before = path.stat()
    os.chown(path, OTHER, OTHER)
    path.chmod(before.st_mode & 0o700)
    try:
        done = typed(*command.split(), "--site", str(site.site), prefix=DROPPED)
    finally:
        os.chown(path, before.st_uid, before.st_gid)
        path.chmod(before.st_mode)

    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "[Errno" not in done.stderr
    assert "defect" not in done.stderr


def test_a_reader_that_goes_away_changes_no_verdict_and_no_report(site: SmallSite) -> None:
    before = sorted((site.folder / "reports").iterdir())

    assert piped(f"drill --site {site.site} tasks") == 0
    assert len(sorted((site.folder / "reports").iterdir())) == len(before) + 1
    assert piped(f"report --site {site.site}") == 0
    assert piped(f"history --site {site.site}") == 0
    assert piped("schema") == 141


@pytest.mark.parametrize("command", ["report", "history notes", "evidence verify"])
def test_a_terminal_without_unicode_gets_ascii(site: SmallSite, command: str) -> None:
    variables = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = typed(*command.split(), "--site", str(site.site), variables=variables)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert done.stdout
