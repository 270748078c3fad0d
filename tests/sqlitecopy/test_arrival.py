"""A copy that arrived is opened where it can do no harm."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from backupcheck.errors import PullError
from backupcheck.sqlitecopy import arrival, program
from backupcheck.sqlitecopy.arrival import looked_into

LOOKS_AROUND = """import json, os, socket, sys
found = [path for path in ("/etc/shadow", "/etc/ssh", "{secret}") if os.path.exists(path)]
try:
    socket.create_connection(("127.0.0.1", {port}), 2)
    found.append("network")
except OSError:
    pass
json.dump({{"page_count": 0, "user_version": 0, "application_id": 0, "problems": found, "notes": []}}, sys.stdout)
"""


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """What a pull brought: a database as `work`/copy."""
    (tmp_path / "private/work").mkdir(parents=True)
    with sqlite3.connect(tmp_path / "private/work/copy") as database:
        database.execute("create table t (n)")
        database.execute("insert into t values (1)")
    database.close()
    return tmp_path / "private"


def test_what_it_holds_is_said(private: Path) -> None:
    assert looked_into(private, "raw", "/db", 60, counts=True).rows == {"t": 1}


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="there is no bubblewrap")
def test_the_program_sees_neither_files_nor_network(
    private: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("not yours")
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = LOOKS_AROUND.format(secret=tmp_path / "secret", port=server.getsockname()[1])
        monkeypatch.setattr(arrival, "program", lambda: text)

        assert looked_into(private, "python3", "/db", 60, counts=False).problems == ()


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ("import time; time.sleep(600)", "capture.timed-out"),
        ("bytearray(4 * 2**30)", "capture.damaged"),
        ("open('/dev/null', 'w'); print('no json')", "capture.damaged"),
        ("print('[' * 100000)", "capture.damaged"),
    ],
)
def test_a_program_that_does_not_answer_is_named(
    private: Path, monkeypatch: pytest.MonkeyPatch, text: str, id: str
) -> None:
    monkeypatch.setattr(arrival, "program", lambda: text)
    with pytest.raises(PullError) as caught:
        looked_into(private, "sqlite3", "/db", 3, counts=False)

    assert caught.value.id == id


def test_a_copy_that_was_put_elsewhere_by_a_symlink_is_refused(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = '{"page_count": 0, "user_version": 0, "application_id": 0, "problems": [], "notes": []}'
    monkeypatch.setattr(
        arrival,
        "program",
        lambda: (
            f"import os, sys; os.chdir(sys.argv[2]); os.remove('copy'); os.symlink('/etc/passwd', 'copy')\n"
            f"print({answer!r})"
        ),
    )
    with pytest.raises(PullError):
        looked_into(private, "raw", "/db", 60, counts=False)


def test_without_bubblewrap_it_is_bounded_still(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "confines", lambda private: False)

    assert looked_into(private, "raw", "/db", 60, counts=True).rows == {"t": 1}


def test_the_shell_program_is_one_that_a_plain_shell_understands(tmp_path: Path) -> None:
    subprocess.run(["sh", "-n", "-c", program.SCRIPT], check=True)

    assert len(os.fsencode(program.SCRIPT + program.program())) < 32_000
