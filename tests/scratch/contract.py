"""What every engine promises; a kind joins by a subclass that gives its `engine`."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backupcheck.errors import ScratchError, ToolFailed, ToolMissing, ToolTimedOut, UnsafePath
from backupcheck.seams import Box, BoxRequest, Engine
from backupcheck.tree import Tree

DATA = "/opt/notes/data/note with\nnewline.txt"
DUMP = "/tmp/notes_backup.sql"
DEEP = "/usr/local/lib/notes/plugin.txt"
PATHS = ("/opt/notes/data/", DUMP, "/usr/local/lib/notes/", "/srv/was-never-there")
ANY = frozenset(range(256))
OWNER = 4321
IMMORTAL = """
import os, signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    while True:
        if os.fork():
            os._exit(0)
        os.setsid()
while True:
    signal.pause()
"""


class EngineContract:
    """Subclass it as `Test…` and give the fixture `engine`."""

    @pytest.fixture
    def engine(self) -> Engine:
        raise NotImplementedError

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """An empty folder in which the engine can work."""
        return tmp_path

    @pytest.fixture
    def request_(self, place: Path) -> BoxRequest:
        """A restored service: a folder, a file that lies in /tmp, something below /usr, and a missing path."""
        tree = place / "tree"
        for path in (DATA, DUMP, DEEP):
            file = tree / path.lstrip("/")
            file.parent.mkdir(parents=True)
            file.write_text(path)
        (tree / DUMP.lstrip("/")).chmod(0o600)
        if os.geteuid() == 0:
            os.chown(tree / DUMP.lstrip("/"), OWNER, OWNER)
        (place / "scratch").mkdir()
        return BoxRequest(service="notes", tree=Tree(tree), folder=place / "scratch", paths=PATHS)

    @pytest.fixture
    def box(self, engine: Engine, request_: BoxRequest) -> Iterator[Box]:
        with engine.open(request_) as box:
            yield box

    def test_restored_data_is_where_it_came_from(self, box: Box) -> None:
        seen = [box.run(("cat", path), timeout=20, root=True).text for path in (DATA, DUMP, DEEP)]

        assert seen == [DATA, DUMP, DEEP]

    @pytest.mark.parametrize("root", [False, True])
    def test_nobody_inside_can_write_to_restored_data(self, box: Box, root: bool) -> None:
        trial = "import sys\nfor p in sys.argv[1:]:\n try: open(p, 'a')\n except OSError: continue\n print(p)"
        words = (box.python, "-I", "-c", trial, DATA, DUMP, DEEP, "/opt/notes/data/new")

        assert box.run(words, timeout=20, root=root).text == ""

    def test_owners_and_modes_are_those_of_the_tree(self, box: Box) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root restores owners")
        words = ("stat", "-c", "%u:%g %a", DUMP)

        assert box.run(words, timeout=20, root=True).text.strip() == f"{OWNER}:{OWNER} 600"

    def test_commands_run_as_an_ordinary_user_unless_root_is_asked_for(self, box: Box) -> None:
        users = [box.run(("id", "-u"), timeout=20, root=root).text.strip() for root in (False, True)]

        assert users[0] != "0"
        assert users[1] == "0"

    def test_the_user_has_a_name(self, box: Box) -> None:
        assert box.run(("id", "-un"), timeout=20).text.strip() != ""

    def test_there_is_no_way_to_any_network(self, box: Box) -> None:
        assert box.isolated
        assert _reach(box, ("192.0.2.1", 9)) == errno.ENETUNREACH
        assert _reach(box, ("2001:db8::1", 9)) in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)

    def test_this_machines_own_services_cannot_be_reached(self, box: Box) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, _abstract() as name:
            assert _reach(box, ("127.0.0.1", server.getsockname()[1])) == errno.ECONNREFUSED
            assert _reach(box, name) == errno.ECONNREFUSED

    def test_the_kernels_settings_cannot_be_changed(self, box: Box) -> None:
        ask = "import os; print(os.access('/proc/sys/kernel/core_pattern', os.W_OK))"

        assert box.run((box.python, "-I", "-c", ask), timeout=20, root=True).text.strip() == "False"

    def test_this_machines_files_are_not_there(self, box: Box, place: Path) -> None:
        secret = place / "secret"
        secret.write_text("of the host")
        secret.chmod(0o644)

        assert box.run(("cat", str(secret)), timeout=20, root=True, accept=ANY).code != 0

    def test_the_environment_is_clean(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOST_TOKEN", "secret")
        monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/secret")
        seen = box.run(("env", "-0"), timeout=20, env={"GIVEN": "a b\nc"}).stdout.split(b"\0")

        assert b"GIVEN=a b\nc" in seen
        assert not [line for line in seen if b"secret" in line]
        assert not [line for line in seen if line.startswith((b"HOST_TOKEN", b"SSH_", b"DBUS_"))]

    def test_a_secret_in_the_environment_is_not_on_any_command_line(self, box: Box) -> None:
        secret = secrets.token_hex(8)
        with box.started(("sleep", "30"), env={"PGPASSWORD": secret}):
            time.sleep(0.3)

            assert _processes_with(secret) == []

    def test_words_arrive_as_they_were_given(self, box: Box) -> None:
        words = ["a b", "new\nline", "quote'\"", "$HOME `id`", "", "--", "ünï", "back\\slash"]
        show = "import json, sys; print(json.dumps(sys.argv[1:]))"

        assert json.loads(box.run((box.python, "-I", "-c", show, *words), timeout=20).stdout) == words

    def test_input_and_output_go_through(self, box: Box, place: Path) -> None:
        with (place / "out").open("w+b") as file:
            box.run(("cat",), timeout=20, stdin=b"\0\xff" * 100_000, stdout=file)
            file.seek(0)

            assert file.read() == b"\0\xff" * 100_000

    def test_a_status_is_reported_with_the_programs_own_name(self, box: Box) -> None:
        with pytest.raises(ToolFailed, match="sh ended with status 7: no luck") as caught:
            box.run(("sh", "-c", "echo no luck >&2; exit 7"), timeout=20)

        assert caught.value.code == 7
        assert box.run(("sh", "-c", "exit 7"), timeout=20, accept=frozenset({7})).code == 7

    def test_a_program_that_is_not_there_is_missing(self, box: Box) -> None:
        with pytest.raises(ToolMissing):
            box.run(("no-such-program",), timeout=20)

    def test_a_program_that_does_not_end_is_ended(self, box: Box) -> None:
        number = f"98765.{secrets.randbelow(10**9)}"
        with pytest.raises(ToolTimedOut):
            box.run(("sleep", number), timeout=0.5)

        assert _gone(number)

    def test_programs_are_found(self, box: Box) -> None:
        assert box.find_program("no-such-program") is None
        assert box.find_program("/usr/nowhere/*/bin/x") is None
        assert (box.find_program("no-such-program", "sh") or "").endswith("/sh")
        assert box.find_program("/usr/bin/e*v") == "/usr/bin/env"

    def test_the_interpreter_has_what_the_probes_use(self, box: Box) -> None:
        ask = "import sqlite3, json, ssl, sys; print(sys.version_info >= (3, 9))"

        assert box.run((box.python, "-I", "-c", ask), timeout=20).text.strip() == "True"

    def test_the_work_folder_is_seen_from_both_sides(self, box: Box) -> None:
        (box.work / "from-here").write_text("here")
        inside = f"{box.work_inside}/from-here"

        assert box.run(("cat", inside), timeout=20).text == "here"

        box.run(("cp", inside, f"{box.work_inside}/from-inside"), timeout=20)

        assert (box.work / "from-inside").read_text() == "here"

    def test_what_one_command_left_in_the_work_folder_the_next_one_finds(self, box: Box) -> None:
        box.run(("mkdir", "-m", "700", f"{box.work_inside}/own"), timeout=20)
        box.run(("touch", f"{box.work_inside}/own/file"), timeout=20)

        assert box.run(("ls", f"{box.work_inside}/own"), timeout=20).text.strip() == "file"

    def test_a_socket_in_the_work_folder_answers_this_machine(self, box: Box) -> None:
        serve = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n"
            "while True: c = s.accept()[0]; c.sendall(b'hello'); c.close()"
        )
        with box.started((box.python, "-I", "-c", serve, f"{box.work_inside}/s")):
            assert _answer(box.work, "s") == b"hello"

    def test_a_started_program_ends_with_its_block(self, box: Box) -> None:
        number = f"98765.{secrets.randbelow(10**9)}"
        with box.started(("sh", "-c", f"sleep {number} & wait")) as process:
            time.sleep(0.3)

            assert process.running
            assert _processes_with(number) != []

        assert _gone(number)

    def test_limits_bite(self, engine: Engine, place: Path, request_: BoxRequest) -> None:
        small = BoxRequest(
            service="small",
            tree=request_.tree,
            folder=request_.folder,
            paths=(),
            memory=300 * 2**20,
            processes=40,
            disk=16 * 2**20,
        )
        greedy = {
            "memory": "x = bytearray(600 * 2**20)",
            "disk": "f = open('/tmp/fat', 'wb')\nfor _ in range(40): f.write(bytes(2**20)); f.flush()",
            "processes": "import subprocess\nfor _ in range(80): subprocess.Popen(['sleep', '2'])",
        }
        with engine.open(small) as box:
            codes = {
                what: box.run((box.python, "-I", "-c", program), timeout=60, accept=ANY).code
                for what, program in greedy.items()
            }

        assert [what for what, code in codes.items() if code == 0] == []

    def test_a_box_is_gone_afterwards_with_all_that_ran_in_it(self, engine: Engine, request_: BoxRequest) -> None:
        number = f"98765.{secrets.randbelow(10**9)}"
        opened = engine.open(request_)
        leaked: list[object] = []
        with pytest.raises(RuntimeError, match="on purpose"):
            _fail_inside(opened, number, leaked)
        opened.__exit__(None, None, None)

        assert _gone(number)
        assert leaked
        assert list(request_.folder.iterdir()) == []

    def test_what_will_not_die_is_gone_with_its_box(self, engine: Engine, request_: BoxRequest) -> None:
        """It hears no signal, and hands over to a child in a session of its own, again and again."""
        number = f"98765.{secrets.randbelow(10**9)}"
        with engine.open(request_) as box:
            immortal = (box.python, "-I", "-c", IMMORTAL, number)
            with pytest.raises(ToolTimedOut):
                box.run(immortal, timeout=1)
            with box.started(immortal) as process:
                time.sleep(0.3)

                assert process.running
                assert _processes_with(number) != []

        assert _gone(number)
        assert [_processes_with(number) for _ in range(5)] == [[]] * 5
        assert list(request_.folder.iterdir()) == []

    def test_two_boxes_do_not_meet(self, engine: Engine, request_: BoxRequest) -> None:
        with engine.open(request_) as one, engine.open(request_) as other:
            one.run(("touch", f"{one.work_inside}/mine", "/tmp/mine"), timeout=20)

            assert list(other.work.iterdir()) == []
            assert "mine" not in other.run(("ls", "/tmp"), timeout=20).text.splitlines()

    def test_what_a_killed_run_left_is_swept_and_what_lives_is_not(
        self, engine: Engine, box: Box, request_: BoxRequest
    ) -> None:
        number = f"98765.{secrets.randbelow(10**9)}"
        with _another_run(engine, request_, number) as owner:
            assert engine.sweep(request_.folder) == 0

            owner.send_signal(signal.SIGKILL)
            owner.wait()

            assert engine.sweep(request_.folder) == 1
            assert engine.sweep(request_.folder) == 0

        assert _gone(number)
        assert [_processes_with(number) for _ in range(5)] == [[]] * 5
        assert box.run(("cat", DATA), timeout=20).text == DATA

    @pytest.mark.parametrize("declared", ["/opt/notes/data", "/opt/notes", "/opt/notes/data/inner"])
    def test_a_declared_path_that_leads_through_a_symlink_is_refused(
        self, engine: Engine, request_: BoxRequest, declared: str
    ) -> None:
        root = request_.tree.root
        (root / "opt").rename(root / "moved")
        (root / "opt").mkdir()
        target = root / declared.lstrip("/") if not declared.endswith("inner") else root / "opt/notes/data"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to("/etc")
        hostile = BoxRequest("notes", request_.tree, request_.folder, (declared,))

        with pytest.raises(UnsafePath), engine.open(hostile):
            pass
        assert list(request_.folder.iterdir()) == []

    @pytest.mark.parametrize("path", ["/", "/usr", "/proc/self", "/run", "/dev"])
    def test_a_path_that_would_hide_the_boxs_own_files_is_refused(
        self, engine: Engine, request_: BoxRequest, path: str
    ) -> None:
        (request_.tree.root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        greedy = BoxRequest("notes", request_.tree, request_.folder, (path,))

        with pytest.raises(ScratchError, match="cannot be a path of a box"), engine.open(greedy):
            pass

    def test_what_it_does_not_show_is_said_in_sentences(self, engine: Engine) -> None:
        assert all(len(sentence.split()) > 3 for sentence in engine.not_exercised())

    def test_the_base_image_can_be_prepared_twice(self, engine: Engine) -> None:
        engine.prepare(frozenset({"base"}))
        engine.prepare(frozenset({"base"}))


def _fail_inside(opened: contextlib.AbstractContextManager[Box], number: str, leaked: list[object]) -> None:
    """Leave a box by an error, with a program that nobody ended and folders that cannot be listed."""
    with opened as box:
        program = box.started(("sleep", number))
        leaked.append(program)
        program.__enter__()
        box.run(("sh", "-c", f"cd {box.work_inside}; mkdir -p a/b; touch a/b/c; chmod 0 a/b a"), timeout=20)
        raise RuntimeError("on purpose")


def _reach(box: Box, address: tuple[str, int] | str) -> int:
    """The errno with which a connection from inside fails; 0 if it does not."""
    program = (
        "import json, socket, sys; a = json.load(sys.stdin)\n"
        "f = socket.AF_UNIX if isinstance(a, str) else socket.AF_INET6 if ':' in a[0] else socket.AF_INET\n"
        "s = socket.socket(f); s.settimeout(5)\n"
        "print(s.connect_ex('\\0' + a if isinstance(a, str) else tuple(a)))"
    )
    words = (box.python, "-I", "-c", program)
    return int(box.run(words, timeout=20, stdin=json.dumps(address).encode(), root=True).text)


@contextlib.contextmanager
def _abstract() -> Iterator[str]:
    """The name of an abstract socket that listens on this machine."""
    name = f"backupcheck-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        yield name


def _answer(folder: Path, name: str) -> bytes:
    """What a socket says; its folder's path may be longer than an address may be."""
    descriptor = os.open(folder, os.O_PATH)
    try:
        for _ in range(100):
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
                client.connect(f"/proc/self/fd/{descriptor}/{name}")
                return client.recv(100)
            time.sleep(0.05)
    finally:
        os.close(descriptor)
    return b""


@contextlib.contextmanager
def _another_run(engine: Engine, request: BoxRequest, number: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process with a box of its own, in which something runs that will not die."""
    kind = type(engine)
    program = (
        f"from {kind.__module__} import {kind.__name__} as Kind\n"
        "import sys, time; from pathlib import Path\n"
        "from backupcheck.seams import BoxRequest; from backupcheck.tree import Tree\n"
        f"request = BoxRequest('killed', Tree(Path({str(request.tree.root)!r})), "
        f"Path({str(request.folder)!r}), {request.paths!r})\n"
        f"words = ('-I', '-c', {IMMORTAL!r}, {number!r})\n"
        "with Kind().open(request) as box, box.started((box.python, *words)):\n"
        "    time.sleep(0.3); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"open\n"
            assert _processes_with(number) != []
            yield owner
        finally:
            owner.kill()


def _processes_with(word: str) -> list[str]:
    """The command lines on this machine, those inside boxes included, that a text occurs in."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = place.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if word in line and place.parent.name != str(os.getpid()):
                found.append(line)
    return found


def _gone(word: str) -> bool:
    """Whether, within three seconds, no process with that text is left."""
    for _ in range(60):
        if not _processes_with(word):
            return True
        time.sleep(0.05)
    return False
