"""`backupcheck.proc` against real programs: limits, secrets, interruption, and nothing left behind."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backupcheck import proc
from backupcheck.errors import Interrupted, ProcessError, ToolFailed, ToolMissing, ToolTimedOut
from backupcheck.proc import Command, Completed
from backupcheck.proc.command import MOST_STDERR
from backupcheck.proc.live import judge, live
from backupcheck.proc.process import LOST, Process
from backupcheck.proc.talk import _Talk

SECRET = "correct horse's battery"


def sh(script: str, *arguments: str, timeout: float = 20) -> Command:
    """A command that is a line of shell, for tests."""
    return Command(("sh", "-c", script, "sh", *arguments), timeout=timeout)


def python(program: str, *, timeout: float = 20) -> Command:
    """A command that is a Python program, for tests."""
    return Command((sys.executable, "-c", program), timeout=timeout)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def written(file: Path) -> int:
    """The number that a child writes to a file, once it is there."""
    until(lambda: file.is_file() and file.read_text().endswith("\n"))
    return int(file.read_text())


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "it never became so"
        time.sleep(0.01)


def read(command: Command, take: Callable[[bytes], None]) -> None:
    """Give each line of a command to `take`."""
    with proc.lines(command) as said:
        for line in said:
            take(line)


def children() -> set[str]:
    """This process's children, zombies too."""
    ids = {folder.name for folder in Path("/proc").iterdir() if folder.name.isdigit()}
    found = set()
    for id in ids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{id}/stat").read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(id)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    open_before, children_before = len(os.listdir("/proc/self/fd")), children()  # noqa: PTH208
    yield
    proc.resume()
    assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208
    assert children() <= children_before


class TestWhatAProgramGets:
    def test_its_words_arrive_intact(self) -> None:
        words = ("a b", "", "$HOME", "`id`", "ü", "--x=*", "line\nfeed", "; rm -rf /", "\udcff")
        completed = proc.run(sh('for word; do printf "%s\\0" "$word"; done', *words))

        assert completed.stdout == b"".join(os.fsencode(word) + b"\0" for word in words)

    def test_the_environment_is_minimal_and_in_the_c_locale(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LANG", "de_DE.UTF-8")
        monkeypatch.setenv("RESTIC_PASSWORD", "of another program")
        monkeypatch.setenv("LD_PRELOAD", "")
        completed = proc.run(Command(("env", "-0"), timeout=20, env={"EXTRA": "1"}))
        names = {entry.partition("=")[0] for entry in completed.text.split("\0") if entry}

        assert names <= {*proc.PASSED_ON, "LC_ALL", "LANG", "EXTRA"}
        assert "EXTRA=1" in completed.text.split("\0")
        assert "LC_ALL=C.UTF-8" in completed.text.split("\0")
        assert "LANG=C.UTF-8" in completed.text.split("\0")

    def test_it_has_a_session_of_its_own(self) -> None:
        completed = proc.run(python("import os; print(os.getpid() == os.getsid(0) == os.getpgid(0))"))

        assert completed.text == "True\n"

    def test_its_standard_input_is_empty_unless_given(self) -> None:
        assert proc.run(Command(("cat",), timeout=20)).stdout == b""

    def test_standard_input_larger_than_a_pipe_arrives_whole(self) -> None:
        data = os.urandom(3 * 2**20)
        completed = proc.run(Command(("cat",), timeout=20, stdin=data))

        assert completed.stdout == data

    def test_input_that_a_program_does_not_read_does_no_harm(self) -> None:
        completed = proc.run(Command(("true",), timeout=20, stdin=b"x" * 2**20))

        assert completed.code == 0

    def test_input_that_nobody_reads_does_not_outlast_the_time_limit(self) -> None:
        with pytest.raises(ToolTimedOut):
            proc.run(Command(("sleep", "60"), timeout=0.3, stdin=b"x" * 2**20))

    def test_input_that_is_read_in_part_does_not_outlast_the_time_limit(self) -> None:
        reader = (sys.executable, "-c", "import os, time; os.read(0, 5000); time.sleep(60)")
        began = time.monotonic()
        with pytest.raises(ToolTimedOut):
            proc.run(Command(reader, timeout=1.5, stdin=b"x" * 2**20))

        assert time.monotonic() - began < 20

    def test_it_runs_in_the_folder_named(self, tmp_path: Path) -> None:
        completed = proc.run(Command(("pwd", "-P"), timeout=20, cwd=tmp_path))

        assert completed.text.strip() == str(tmp_path.resolve())


class TestWhatAProgramSays:
    def test_both_outputs_are_taken_and_kept_apart(self) -> None:
        completed = proc.run(sh("echo out; echo err >&2; echo; echo last >&2; echo >&2"))

        assert (completed.stdout, completed.stderr) == (b"out\n\n", "err\nlast\n\n")
        assert completed.last_line == "last"

    def test_what_is_no_utf_8_is_shown_escaped(self) -> None:
        completed = proc.run(sh(r"printf 'a\377'; printf 'b\376' >&2"))

        assert (completed.text, completed.stderr) == (r"a\xff", r"b\xfe")

    def test_output_can_go_to_a_file(self) -> None:
        with tempfile.TemporaryFile() as file:
            command = Command(("seq", "3"), timeout=20, stdout=file)
            completed = proc.run(command)
            file.seek(0)

            assert (completed.stdout, file.read()) == (b"", b"1\n2\n3\n")

    def test_too_much_output_stops_it_and_is_a_failure(self) -> None:
        began = time.monotonic()
        with pytest.raises(ToolFailed, match="yes printed more than 1000 bytes and was stopped"):
            proc.run(Command(("yes",), timeout=20, most_output=1000, accept=frozenset({0, -9})))

        assert time.monotonic() - began < 10

    def test_output_of_exactly_the_bound_is_taken(self) -> None:
        completed = proc.run(Command(("printf", "x" * 1000), timeout=20, most_output=1000))

        assert len(completed.stdout) == 1000

    def test_only_the_end_of_standard_error_is_kept(self) -> None:
        completed = proc.run(python("import sys; sys.stderr.write('a' * 3_000_000 + 'the end')"))

        assert len(completed.stderr) == MOST_STDERR
        assert completed.last_line.endswith("the end")

    def test_the_rest_of_standard_error_is_not_even_remembered(self) -> None:
        command = python("import sys; sys.stderr.write('a' * 3_000_000)")
        process = live.start(command, stdin=proc.DEVNULL, stdout=proc.DEVNULL, stderr=proc.PIPE)
        talk = _Talk(process, time.monotonic() + 20)
        talk.to_the_end()
        live.finish(process)

        assert len(talk.stderr) == MOST_STDERR


class TestHowItEnded:
    def test_a_status_that_is_accepted_is_an_answer(self) -> None:
        completed = proc.run(Command(("sh", "-c", "exit 3"), timeout=20, accept=frozenset({0, 3})))

        assert completed.code == 3

    def test_any_other_status_is_a_failure_with_what_it_said(self) -> None:
        with pytest.raises(ToolFailed) as caught:
            proc.run(sh("echo partial; echo no such thing >&2; exit 4"))

        assert caught.value.message == "sh ended with status 4: no such thing"
        assert (caught.value.code, caught.value.stdout) == (4, b"partial\n")

    def test_success_is_a_failure_where_it_is_not_accepted(self) -> None:
        with pytest.raises(ToolFailed, match="ended with status 0: it said nothing"):
            proc.run(Command(("true",), timeout=20, accept=frozenset({1})))

    def test_a_death_by_signal_is_named(self) -> None:
        with pytest.raises(ToolFailed, match="sh was ended by SIGTERM"):
            proc.run(sh("kill -TERM $$"))

    def test_control_characters_of_a_tool_are_escaped_in_the_message(self) -> None:
        with pytest.raises(ToolFailed, match=r"status 1: \\x1b\[2Jforged"):
            proc.run(sh(r"printf '\033[2Jforged' >&2; exit 1"))

    def test_a_missing_tool_is_named(self) -> None:
        with pytest.raises(ToolMissing) as caught:
            proc.run(Command(("no-such-tool-here", "-x"), timeout=20))

        assert caught.value.message == "no-such-tool-here is not installed or not on PATH"
        assert caught.value.id == "tool.missing"

    def test_a_missing_folder_is_not_taken_for_a_missing_tool(self, tmp_path: Path) -> None:
        with pytest.raises(ProcessError, match="no folder that can be entered") as caught:
            proc.run(Command(("true",), timeout=20, cwd=tmp_path / "gone"))

        assert caught.value.id == "process.no-folder"

    @pytest.mark.parametrize(("word", "reason"), [("/etc", "Permission denied"), ("true\0", "embedded null byte")])
    def test_what_cannot_be_started_is_an_error_of_ours(self, word: str, reason: str) -> None:
        with pytest.raises(ProcessError, match=f"cannot be started: {reason}") as caught:
            proc.run(Command((word,), timeout=20))

        assert caught.value.id == "process.not-started"

    def test_a_status_that_the_kernel_did_not_keep_is_never_a_success(self) -> None:
        program = (
            "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
            "from backupcheck import proc\n"
            "from backupcheck.errors import ProcessError\n"
            "try:\n    print(proc.run(proc.Command(('false',), timeout=5)))\n"
            "except ProcessError as error:\n    print(error.id)"
        )
        completed = proc.run(python(program))

        assert completed.text == "process.status-lost\n"

    def test_a_status_that_was_taken_elsewhere_is_never_a_success(self) -> None:
        with proc.started(sh("exit 0")) as process:
            os.waitpid(process.popen.pid, 0)

            assert process.wait(1) == LOST

    def test_a_status_that_was_taken_elsewhere_is_a_failure_that_says_so(self) -> None:
        with pytest.raises(ToolFailed, match="sh ended, but its status was taken"):
            judge(sh("exit 0"), Completed(("sh",), LOST, b"", "", 0.0))


class TestTheTimeLimit:
    def test_a_program_that_does_not_end_is_killed(self) -> None:
        began = time.monotonic()
        with pytest.raises(ToolTimedOut, match=r"sleep did not end within 0\.2 s and was killed"):
            proc.run(Command(("sleep", "60"), timeout=0.2))

        assert time.monotonic() - began < 5

    def test_one_that_talks_all_the_time_is_killed_too(self) -> None:
        with tempfile.TemporaryFile() as file, pytest.raises(ToolTimedOut):
            proc.run(Command(("sh", "-c", "while :; do echo x >&2; done"), timeout=0.3, stdout=file))

    def test_one_that_closed_its_outputs_is_killed_too(self) -> None:
        with pytest.raises(ToolTimedOut):
            proc.run(sh("exec >&- 2>&-; exec sleep 60", timeout=0.3))

    def test_what_it_said_before_is_in_the_error(self) -> None:
        with pytest.raises(ToolTimedOut) as caught:
            proc.run(sh("echo waiting for a lock >&2; sleep 60", timeout=1.5))

        assert caught.value.stderr == "waiting for a lock\n"

    def test_a_child_that_holds_the_pipe_is_killed_and_named_as_the_cause(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        script = 'sleep 60 & echo $! > "$1"; exit 0'
        with pytest.raises(ToolTimedOut, match="sh left a process behind"):
            proc.run(sh(script, str(file), timeout=1.5))

        assert not alive(written(file))

    def test_grandchildren_die_also_in_a_group_of_their_own(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        script = 'set -m; (trap "" TERM; sleep 60; sleep 60) & echo $! > "$1"; wait'
        with pytest.raises(ToolTimedOut):
            proc.run(sh(script, str(file), timeout=1.5))

        assert not alive(written(file))

    def test_a_child_in_a_group_of_its_own_dies_also_after_its_parent(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        with pytest.raises(ToolTimedOut):
            proc.run(sh('set -m; sleep 60 & echo $! > "$1"; exit 0', str(file), timeout=1.5))

        assert not alive(written(file))


class TestSecrets:
    def test_the_command_is_shown_without_them(self) -> None:
        command = Command(("login", f"--password={SECRET}"), timeout=1, secrets=(SECRET,))

        assert command.shown == "login '--password=***'"

    def test_one_that_is_a_part_of_another_leaves_no_rest(self) -> None:
        command = Command(("x", "abcdef"), timeout=1, secrets=("abc", "abcdef", ""))

        assert command.shown == "x '***'"

    def test_of_a_program_in_a_word_only_the_first_line_is_shown(self) -> None:
        command = Command(("python3", "-c", "import os\nprint(1)\n", "y" * 400), 1)

        assert command.shown == f"python3 -c 'import os …' '{'y' * 300} …'"

    def test_no_representation_shows_them(self) -> None:
        command = Command(
            ("sleep", "60", SECRET), timeout=20, stdin=SECRET.encode(), env={"P": SECRET}, secrets=(SECRET,)
        )
        assert SECRET not in repr(command)
        with proc.started(Command(("sh", "-c", "sleep 9", SECRET), timeout=9, secrets=(SECRET,))) as process:
            assert SECRET not in f"{process!r}{process.popen!r}"

    def test_log_lines_are_masked(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "backupcheck.proc")
        proc.run(Command(("echo", SECRET), timeout=20, secrets=(SECRET,)))

        assert caplog.messages == ["echo '***'"]

    @pytest.mark.parametrize(
        ("script", "limit", "most"),
        [
            ('echo "$1" >&2; exit 1', 20.0, 99),
            ('echo "$1" >&2; sleep 60', 1.5, 99),
            ('echo "$1" >&2; yes', 20.0, 99),
        ],
    )
    def test_errors_are_masked_with_all_that_hangs_on_them(self, script: str, limit: float, most: int) -> None:
        command = Command(("sh", "-c", script, "sh", SECRET), limit, secrets=(SECRET,), most_output=most)
        with pytest.raises(ProcessError) as caught:
            proc.run(command)
        error = caught.value

        assert "***" in error.stderr
        assert SECRET not in f"{error}{error.stderr}{error.argv}{error.__cause__}{error.__context__}"

    def test_a_missing_tool_of_a_secret_name_is_masked(self) -> None:
        with pytest.raises(ToolMissing) as caught:
            proc.run(Command(("hunter2-tool",), timeout=20, secrets=("hunter2",)))

        assert "hunter2" not in f"{caught.value}{caught.value.argv}{caught.value.__cause__}"

    def test_one_that_the_bound_would_cut_in_two_is_masked_whole(self) -> None:
        script = f"import sys; sys.stderr.write('hunter2-' * 3 + 'x' * {MOST_STDERR - 4})"
        completed = proc.run(Command((sys.executable, "-c", script), timeout=20, secrets=("hunter2-",)))

        assert "er2-" not in completed.stderr


class TestLines:
    def test_come_as_they_are_written(self) -> None:
        with proc.lines(sh("echo one; sleep 60", timeout=20)) as said:
            first = next(said)

        assert first == b"one\n"

    def test_keep_their_line_feeds_and_the_last_needs_none(self) -> None:
        with proc.lines(sh(r"printf 'a\n\n\r\nb'")) as said:
            assert list(said) == [b"a\n", b"\n", b"\r\n", b"b"]

    def test_of_any_length_and_number_arrive_whole(self) -> None:
        program = "for n in range(3000): print(str(n) * n)"
        with proc.lines(python(program)) as said:
            assert b"".join(said) == "".join(f"{str(n) * n}\n" for n in range(3000)).encode()

    def test_leaving_early_kills_the_command(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        with proc.lines(sh('echo $$ > "$1"; exec yes', str(file))) as said:
            next(said)

        assert not alive(written(file))

    def test_a_failure_at_the_end_raises_there(self) -> None:
        with (
            pytest.raises(ToolFailed, match="status 3: broken off") as caught,
            proc.lines(sh("echo one; echo broken off >&2; exit 3")) as said,
        ):
            list(said)

        assert caught.value.code == 3

    def test_a_line_that_a_failure_cut_is_never_given_out(self) -> None:
        taken: list[bytes] = []
        with pytest.raises(ToolFailed):
            read(sh(r"printf 'whole\nha'; exit 1"), taken.append)

        assert taken == [b"whole\n"]

    def test_the_first_has_a_time_limit_of_its_own(self) -> None:
        began = time.monotonic()
        with (
            pytest.raises(ToolTimedOut, match=r"sh said nothing for 0\.3 s and was killed"),
            proc.lines(sh("sleep 60"), first=0.3) as said,
        ):
            list(said)

        assert time.monotonic() - began < 5

    def test_after_the_first_the_limit_is_the_commands(self) -> None:
        with proc.lines(sh("echo one; sleep 0.6; echo two"), first=0.4) as said:
            assert list(said) == [b"one\n", b"two\n"]

    def test_an_accepted_status_is_none(self) -> None:
        with proc.lines(Command(("sh", "-c", "echo x; exit 3"), 20, accept=frozenset({3}))) as said:
            assert list(said) == [b"x\n"]

    def test_the_time_limit_holds(self) -> None:
        began = time.monotonic()
        with (
            pytest.raises(ToolTimedOut, match=r"sh did not end within 0\.3 s"),
            proc.lines(sh("echo a; sleep 60", timeout=0.3)) as said,
        ):
            list(said)

        assert time.monotonic() - began < 5

    def test_the_time_limit_holds_for_one_who_reads_slowly(self) -> None:
        began = time.monotonic()
        with pytest.raises(ToolTimedOut):
            read(Command(("yes",), timeout=0.3), lambda _: time.sleep(0.001))

        assert time.monotonic() - began < 10

    def test_a_line_without_end_is_stopped(self) -> None:
        command = Command(("sh", "-c", "yes | tr -d '\\n'"), timeout=20, most_output=200_000)
        with pytest.raises(ToolFailed, match="printed more than 200000 bytes"), proc.lines(command) as said:
            list(said)

    def test_an_interruption_is_told_from_a_failure(self) -> None:
        with pytest.raises(Interrupted):
            read(sh("echo a; sleep 60"), lambda _: proc.interrupt())


class TestStarted:
    def test_runs_beside_the_caller_and_is_gone_after(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        with proc.started(sh('sleep 60 & echo $! > "$1"; wait', str(file))) as process:
            grandchild = written(file)
            before = (process.running, alive(grandchild))

        assert (before, process.running, alive(grandchild)) == ((True, True), False, False)

    def test_is_asked_to_end_before_it_is_made_to(self, tmp_path: Path) -> None:
        script = 'trap "echo bye > \'$1\'; exit" TERM; echo > "$1"; while :; do sleep 0.05; done'
        file = tmp_path / "said"
        with proc.started(sh(script, str(file))):
            until(file.exists)

        assert file.read_text() == "bye\n"

    def test_one_that_will_not_end_is_killed(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        with proc.started(sh('trap "" TERM; echo $$ > "$1"; while :; do sleep 1; done', str(file))):
            pid = written(file)

        assert not alive(pid)

    def test_one_that_ended_is_seen_to_and_its_status_waits(self) -> None:
        with proc.started(sh("exit 7")) as process:
            until(lambda: not process.running)

            assert process.wait(5) == 7

    def test_waiting_has_a_limit_and_ends_nothing(self) -> None:
        with proc.started(Command(("sleep", "60"), timeout=60)) as process:
            with pytest.raises(ToolTimedOut, match=r"sleep did not end within 0\.1 s"):
                process.wait(0.1)

            assert process.running

    def test_an_exception_in_the_block_ends_it_too(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        with (
            contextlib.suppress(ZeroDivisionError),
            proc.started(sh('echo $$ > "$1"; exec sleep 60', str(file))),
        ):
            pid = written(file)
            raise ZeroDivisionError

        assert not alive(pid)

    def test_its_standard_error_can_be_read_at_any_time_and_loses_nothing(self) -> None:
        program = "import sys\nfor n in range(20000): print(n, file=sys.stderr, flush=True)"
        with proc.started(python(program)) as process:
            while process.running:
                process.stderr_text()

            assert process.stderr_text() == "".join(f"{n}\n" for n in range(20000))

    def test_takes_input_from_and_gives_output_to_another(self) -> None:
        with proc.started(Command(("seq", "4"), timeout=20), stdout=proc.PIPE) as first:
            assert first.popen.stdout is not None
            with proc.started(Command(("wc", "-l"), 20), stdin=first.popen.stdout, stdout=proc.PIPE) as second:
                assert second.popen.stdout is not None

                assert second.popen.stdout.read().strip() == b"4"

    def test_a_command_with_input_of_its_own_is_refused(self) -> None:
        with pytest.raises(ValueError, match="from the caller"), proc.started(Command(("cat",), 1, stdin=b"x")):
            pass


class TestInterruption:
    def test_ends_what_runs_and_says_so(self) -> None:
        threading.Timer(0.3, proc.interrupt).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            proc.run(Command(("sleep", "60"), timeout=60))

        assert time.monotonic() - began < 10

    def test_refuses_what_is_new_without_starting_it(self, tmp_path: Path) -> None:
        proc.interrupt()
        with pytest.raises(Interrupted):
            proc.run(Command(("touch", str(tmp_path / "touched")), timeout=20))

        assert not (tmp_path / "touched").exists()

    def test_lets_cleanup_run_and_start(self) -> None:
        cleanup = Command(("sleep", "0.5"), timeout=20, cleanup=True)
        threading.Timer(0.2, proc.interrupt).start()

        assert proc.run(cleanup).code == 0
        assert proc.run(cleanup).code == 0

    def test_a_cleanup_that_fails_is_a_failure_not_an_interruption(self) -> None:
        proc.interrupt()
        with pytest.raises(ToolFailed):
            proc.run(Command(("false",), timeout=20, cleanup=True))

    def test_what_ended_well_before_is_kept(self) -> None:
        with proc.started(Command(("true",), timeout=20)) as process:
            until(lambda: not process.running)
            proc.interrupt()

            assert process.wait(1) == 0

    def test_can_be_taken_back(self) -> None:
        proc.interrupt()
        proc.resume()

        assert proc.run(Command(("true",), timeout=20)).code == 0

    def test_ends_many_at_once_and_lets_none_slip_in(self) -> None:
        def one(_: int) -> str:
            try:
                for _ in range(1000):
                    proc.run(Command(("sleep", "0.01"), timeout=60))
            except Interrupted:
                return "interrupted"
            return "went on"

        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(one, range(8))
            time.sleep(0.3)
            proc.interrupt()

            assert set(answers) == {"interrupted"}


class TestNothingIsLeft:
    def test_what_a_program_leaves_in_its_group_dies_with_it(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        proc.run(sh('sleep 60 >/dev/null 2>&1 & echo $! > "$1"', str(file)))

        until(lambda: not alive(written(file)))

    def test_a_daemon_that_made_its_own_session_lives_on(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        daemon_line = 'setsid sh -c \'echo $$ > "$0"; exec sleep 60\' "$1" >/dev/null 2>&1 &'
        proc.run(sh(f'{daemon_line}\nwhile [ ! -s "$1" ]; do sleep 0.05; done', str(file)))
        daemon = written(file)
        lives = alive(daemon)
        os.kill(daemon, signal.SIGKILL)

        assert lives

    def test_a_number_that_was_given_back_is_never_signalled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        process = Process(Command(("true",), 9), stdin=proc.DEVNULL, stdout=proc.DEVNULL, stderr=proc.DEVNULL)
        process.wait()
        signalled: list[int] = []
        monkeypatch.setattr(os, "killpg", lambda pid, number: signalled.append(pid))
        monkeypatch.setattr(os, "kill", lambda pid, number: signalled.append(pid))
        process.kill_all()
        process.ask_to_end()
        process.finish()

        assert signalled == []

    def test_its_group_is_killed_while_the_number_is_still_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        states: list[str] = []

        def note(pid: int, number: int) -> None:
            states.append(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0])

        monkeypatch.setattr(os, "killpg", note)
        proc.run(Command(("true",), timeout=20))

        assert states == ["Z"]

    def test_subprocess_s_own_waiting_is_as_careful(self, tmp_path: Path) -> None:
        file = tmp_path / "pid"
        with proc.started(sh('sleep 60 & echo $! > "$1"', str(file))) as process:
            assert process.popen.wait(10) == 0

            until(lambda: not alive(written(file)))

    def test_waiting_for_a_child_that_goes_on_raises(self) -> None:
        with proc.started(Command(("sh", "-c", "sleep 60", SECRET), 60, secrets=(SECRET,))) as process:
            with pytest.raises(subprocess.TimeoutExpired) as caught:
                process.popen.wait(0.1)

            assert SECRET not in str(caught.value)

    def test_many_in_parallel_do_not_disturb_each_other(self) -> None:
        def one(number: int) -> bytes:
            return proc.run(Command(("cat",), timeout=60, stdin=b"%d" % number * 20_000)).stdout

        with ThreadPoolExecutor(16) as pool:
            said = list(pool.map(one, range(200)))

        assert said == [b"%d" % number * 20_000 for number in range(200)]
