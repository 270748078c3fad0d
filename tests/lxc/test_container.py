"""A box keeps what is in it in, and lets what is asked of it through unchanged."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from backupcheck.errors import ScratchError, ToolFailed, ToolTimedOut
from backupcheck.lxc import BASE, Container, Init, Inside, Mount, Plan
from backupcheck.lxc.cgroups import of_container

pytestmark = pytest.mark.lxc

ECHO = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 53), timeout=2)
except OSError as error:
    print(error.strerror)
"""
MOUNT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"tmpfs", os.fsencode(sys.argv[1]), b"tmpfs", {flags}, None) != 0:
    print(os.strerror(ctypes.get_errno()))
"""
FILL = """
import os
try:
    with open("/var/tmp/big", "wb") as file:
        for _ in range(64):
            file.write(bytes(2**20))
finally:
    os.remove("/var/tmp/big")
"""


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return ("python3", "-c", code, *arguments)


@pytest.mark.parametrize("address", ["8.8.8.8", "192.0.2.1", "198.18.0.1", "169.254.169.254"])
def test_a_box_cannot_connect_anywhere(box: Container, address: str) -> None:
    answer = box.run(Inside(python(CONNECT, address))).text

    assert answer == "Network is unreachable\n"


def test_a_box_has_a_loopback_and_no_other_interface(box: Container) -> None:
    interfaces = box.run(Inside(("ls", "/sys/class/net"))).text.split()

    assert interfaces == ["lo"]


def test_arguments_with_blanks_quotes_and_line_breaks_arrive_intact(box: Container) -> None:
    given = ["two words", "a\nbreak", "$(id)", '"quoted"', "", "ünï\\"]

    arrived, _ = json.loads(box.run(Inside(python(ECHO, *given))).text)

    assert arrived == given


def test_the_environment_is_only_what_was_given(box: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "secret")

    _, environment = json.loads(box.run(Inside(python(ECHO), env={"GIVEN": "a\nb"})).text)

    assert environment.pop("GIVEN") == "a\nb"
    assert set(environment) <= {"PATH", "HOME", "LC_ALL", "LANG", "container", "PWD"}


def test_a_given_variable_is_not_in_the_arguments_that_ps_shows() -> None:
    arguments = Inside(("true",), env={"PGPASSWORD": "hunter2"}).attach_arguments()

    assert not any("hunter2" in argument for argument in arguments)


def test_standard_input_arrives_byte_by_byte(box: Container) -> None:
    sent = bytes(range(256)) * 5000

    assert box.run(Inside(("cat",), stdin=sent)).stdout == sent


def test_commands_run_as_the_user_and_in_the_folder_that_were_asked_for(box: Container) -> None:
    named = box.run(Inside(("sh", "-c", "id -un; pwd"), user="daemon", cwd="/tmp")).text
    numbered = box.run(Inside(("id", "-u"), user=5984)).text

    assert (named, numbered) == ("daemon\n/tmp\n", "5984\n")


def test_an_unexpected_status_is_an_error_that_names_the_program(box: Container) -> None:
    with pytest.raises(ToolFailed, match="sh ended with status 3: too bad") as caught:
        box.run(Inside(("sh", "-c", "echo too bad >&2; exit 3")))

    assert caught.value.code == 3


def test_an_accepted_status_is_an_answer(box: Container) -> None:
    assert box.run(Inside(("false",), accept=frozenset({0, 1}))).code == 1


def test_a_program_that_is_not_there_is_an_error_of_the_box(box: Container) -> None:
    with pytest.raises(ScratchError, match="nosuch cannot run in tried"):
        box.run(Inside(("nosuch",)))


def test_a_command_that_takes_too_long_is_killed_inside_too(box: Container) -> None:
    with pytest.raises(ToolTimedOut):
        box.run(Inside(("sleep", "4711"), timeout=0.5))

    assert not living(box, "4711")


def test_a_started_server_is_gone_after_the_block(box: Container) -> None:
    with box.started(Inside(("sh", "-c", "sleep 4712; true"))) as server:
        time.sleep(0.3)
        assert server.running
        assert living(box, "4712")

    assert not living(box, "4712")


def living(box: Container, word: str) -> bool:
    """Whether a process whose arguments hold `word` lives in the box; those of zombies are empty."""
    script = "import glob, sys\nfor p in glob.glob('/proc/[0-9]*/cmdline'):\n    print(open(p).read())"
    return word in box.run(Inside(python(script))).text


def test_owners_are_the_same_inside_and_outside(box: Container) -> None:
    owner = box.run(Inside(("stat", "-c", "%u:%g", "/srv/read only/of a stranger"))).text

    assert owner == "1234:2345\n"


def test_a_read_only_mount_cannot_be_written(box: Container) -> None:
    with pytest.raises(ToolFailed, match="Read-only file system"):
        box.run(Inside(("touch", "/srv/read only/new")))


def test_a_read_only_mount_cannot_be_made_writable_from_inside(box: Container) -> None:
    remount_writable = "32 | 4096"  # MS_REMOUNT | MS_BIND

    answer = box.run(Inside(python(MOUNT.format(flags=remount_writable), "/srv/read only"))).text

    assert answer == "Operation not permitted\n"


def test_what_a_box_writes_to_a_writable_mount_has_the_same_owner_outside(box: Container) -> None:
    box.run(Inside(("sh", "-c", 'echo x > "$1/new"; chown 77:88 "$1/new"', "sh", "/srv/line\nbreak")))

    status = (box.folder.parent / "data" / "new").stat()
    assert (status.st_uid, status.st_gid) == (77, 88)


def test_every_limit_could_be_applied(box: Container) -> None:
    assert box.unapplied == ()


def test_the_limit_on_memory_bites(box: Container) -> None:
    completed = box.run(Inside(python("b'x' * (512 * 2**20)"), accept=frozenset(range(256))))

    assert completed.code != 0


def test_the_limit_on_processes_bites(box: Container) -> None:
    code = (
        "import os\nfor n in range(100):\n    if os.fork() == 0:\n        import time; time.sleep(2); os._exit(0)"
    )

    with pytest.raises(ToolFailed, match="Resource temporarily unavailable"):
        box.run(Inside(python(code)))


def test_the_limit_on_the_writable_layer_bites(box: Container) -> None:
    completed = box.run(Inside(python(FILL), accept=frozenset(range(256))))

    assert completed.last_line == "OSError: [Errno 28] No space left on device"


def test_the_box_has_no_power_over_mounts(box: Container) -> None:
    answer = box.run(Inside(python(MOUNT.format(flags=0), "/mnt"))).text

    assert answer == "Operation not permitted\n"


def test_the_box_sees_nothing_of_the_host(box: Container) -> None:
    listing = box.run(Inside(("sh", "-c", "ls /var/lib; cat /etc/hostname; true"))).text

    assert "backupcheck" not in listing


def test_nothing_is_left_after_the_block(reachable: Path) -> None:
    with Container(Plan("brief", (BASE.ensure(),), reachable / "boxes")) as box:
        name = box.full_name
        assert of_container(name) != []

    assert of_container(name) == []
    assert list((reachable / "boxes").iterdir()) == []
    assert not any(
        name in path.read_bytes().decode(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline")
    )


def test_it_may_be_destroyed_twice_and_without_having_been_started(reachable: Path) -> None:
    box = Container(Plan("never", (BASE.ensure(),), reachable / "boxes"))

    box.destroy()
    box.destroy()

    assert not box.is_running


def test_a_stopped_box_says_so(reachable: Path) -> None:
    with Container(Plan("stopped", (BASE.ensure(),), reachable / "boxes")) as box:
        box.stop()

        with pytest.raises(ScratchError, match="cannot run in stopped"):
            box.run(Inside(("true",)))


def test_a_box_that_cannot_start_leaves_nothing_and_says_why(reachable: Path) -> None:
    plan = Plan("wrong", (BASE.ensure(),), reachable / "boxes", init=Init.SYSTEMD)  # there is none in `base`

    with pytest.raises(ScratchError, match="the container wrong"):
        Container(plan).start()

    assert list((reachable / "boxes").iterdir()) == []


def test_a_folder_that_containers_cannot_reach_is_refused_with_advice(reachable: Path) -> None:
    reachable.chmod(0o700)

    with pytest.raises(ScratchError, match="cannot be entered") as caught:
        Container(Plan("hidden", (BASE.ensure(),), reachable / "boxes")).start()

    assert "chmod o+x" in caught.value.advice


def test_a_mounted_file_is_a_file(reachable: Path) -> None:
    (reachable / "dump.sql").write_text("select 1;\n")
    mount = Mount(reachable / "dump.sql", "/tmp/mealie backup.sql")

    with Container(Plan("mounted", (BASE.ensure(),), reachable / "boxes", mounts=(mount,))) as box:
        assert box.read("/tmp/mealie backup.sql") == b"select 1;\n"
