"""Programs at the source whose output is a file of the backup, over a real sshd, and every way to fail."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue, ValidationError

from backupcheck.capture.command import Command
from backupcheck.errors import PullError, UnsafePath
from tests.names import names_in
from tests.sshd import Sshd

TO = "/var/backups/it's an output.txt"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with Sshd.running(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def sshd(server: Sshd) -> Sshd:
    server.through("")
    return server


def capture(*run: str, **fields: JsonValue) -> Command:
    """The kind as a spec's loader makes it."""
    return Command.model_validate_json(json.dumps({"run": run, "to": TO, **fields}))


def script(text: str, **fields: JsonValue) -> Command:
    return capture("sh", "-c", text, **fields)


def place(mirror: Path) -> Path:
    return mirror / TO.lstrip("/")


def taken(sshd: Sshd, mirror: Path, one: Command) -> bytes:
    """What is in the mirror once the capture was taken; its report agrees with it."""
    report = one.take(sshd.source(), mirror)
    content = place(mirror).read_bytes()
    assert (report.kind, report.path, report.bytes) == ("command", TO, len(content))
    return content


def refusal(sshd: Sshd, mirror: Path, one: Command) -> PullError:
    """Why it was not taken; the output of the last time stays, and nothing beside it."""
    place(mirror).parent.mkdir(parents=True, exist_ok=True)
    place(mirror).write_text("the last good output")
    with pytest.raises(PullError) as caught:
        one.take(sshd.source(), mirror)
    assert place(mirror).read_text() == "the last good output"
    assert names_in(place(mirror).parent) == [place(mirror).name]
    return caught.value


def test_the_output_is_a_file_of_the_backup_word_for_word(sshd: Sshd, tmp_path: Path) -> None:
    words = capture("printf", "%s\n", "$HOME", "a  b", "'", "*")

    assert taken(sshd, tmp_path, words) == b"$HOME\na  b\n'\n*\n"
    assert place(tmp_path).stat().st_mode & 0o7777 == 0o600


def test_bytes_of_any_value_come_as_they_are(sshd: Sshd, tmp_path: Path) -> None:
    every = bytes(range(256)) * 4096
    (tmp_path / "every").write_bytes(every)

    assert taken(sshd, tmp_path / "mirror", capture("cat", str(tmp_path / "every"))) == every


def test_the_program_gets_nothing_to_read_and_what_it_complains_of_is_not_in_the_file(
    sshd: Sshd, tmp_path: Path
) -> None:
    assert taken(sshd, tmp_path, script("cat; echo a warning >&2; echo content")) == b"content\n"


def test_a_mode_can_be_chosen(sshd: Sshd, tmp_path: Path) -> None:
    taken(sshd, tmp_path, capture("echo", "content", mode="0644"))

    assert place(tmp_path).stat().st_mode & 0o7777 == 0o644


def test_the_same_output_leaves_the_file_untouched_and_another_replaces_it(sshd: Sshd, tmp_path: Path) -> None:
    taken(sshd, tmp_path, capture("echo", "content"))
    first = place(tmp_path).stat()
    taken(sshd, tmp_path, capture("echo", "content"))
    second = place(tmp_path).stat()
    other = taken(sshd, tmp_path, capture("echo", "CONTENT"))

    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)
    assert other == b"CONTENT\n"
    assert names_in(place(tmp_path).parent) == [place(tmp_path).name]


def test_the_same_output_with_another_mode_replaces_the_file(sshd: Sshd, tmp_path: Path) -> None:
    taken(sshd, tmp_path, capture("echo", "content"))
    taken(sshd, tmp_path, capture("echo", "content", mode="0640"))

    assert place(tmp_path).stat().st_mode & 0o7777 == 0o640


def test_other_exit_statuses_can_be_accepted(sshd: Sshd, tmp_path: Path) -> None:
    assert taken(sshd, tmp_path, script("echo content; exit 3", accept=[0, 3])) == b"content\n"


def test_an_empty_output_can_be_allowed(sshd: Sshd, tmp_path: Path) -> None:
    assert taken(sshd, tmp_path, capture("true", least=0)) == b""


@pytest.mark.parametrize(
    ("text", "fields", "id", "words"),
    [
        (
            "echo half; echo the disk is full >&2; exit 3",
            {},
            "capture.command-failed",
            "status 3: the disk is full",
        ),
        ("echo half; exit 1", {}, "capture.command-failed", "status 1: it said nothing"),
        ("kill -9 $$", {}, "capture.command-failed", "status 137"),
        ("true", {}, "capture.empty", "printed nothing"),
        ("echo short", {"least": 7}, "capture.incomplete", "6 bytes, fewer than 7"),
        ("echo -- begin; echo rest", {"ends": "-- end"}, "capture.incomplete", "does not end"),
        ("echo other", {"begins": "-- begin"}, "capture.incomplete", "does not begin"),
        ("echo Welcome; echo -- begin", {"begins": "-- begin"}, "sync.dirty-shell", "printed before"),
        ("printf '\\037\\212'", {"begins": "hex:1f8b"}, "capture.incomplete", "does not begin"),
        ("sleep 100", {"timeout": 1}, "sync.timed-out", ""),
    ],
)
def test_what_is_not_whole_is_named_and_the_last_output_kept(
    sshd: Sshd, tmp_path: Path, text: str, fields: dict[str, JsonValue], id: str, words: str
) -> None:
    error = refusal(sshd, tmp_path, script(text, **fields))

    assert error.id == id
    assert words in error.message
    assert error.advice


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("echo -- begin; echo -- end; echo", {"begins": "-- begin", "ends": "-- end"}),
        ("printf 'a--\\n\\n'", {"ends": "--\n\n"}),
        ("printf '\\037\\213\\377\\n'", {"begins": "hex:1f8b", "ends": "hex:ff0A"}),
        ("head -c 300000 /dev/zero; echo end", {"ends": "end"}),
        ("echo é", {"begins": "é", "least": 3}),
    ],
)
def test_what_begins_and_ends_as_it_must_is_taken(
    sshd: Sshd, tmp_path: Path, text: str, fields: dict[str, JsonValue]
) -> None:
    assert taken(sshd, tmp_path, script(text, **fields))


def test_a_missing_program_is_named(sshd: Sshd, tmp_path: Path) -> None:
    error = refusal(sshd, tmp_path, capture("/opt/no such/program"))

    assert (error.id, "program is not installed" in error.message) == ("capture.program-missing", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may run programs as others")
class TestAnotherUser:
    def test_runs_it(self, sshd: Sshd, tmp_path: Path) -> None:
        assert taken(sshd, tmp_path, capture("id", "-un", run_as="nobody")) == b"nobody\n"

    def test_that_is_not_there_is_named(self, sshd: Sshd, tmp_path: Path) -> None:
        assert refusal(sshd, tmp_path, capture("id", run_as="nobody-at-all")).id == "capture.no-user"

    def test_lacks_a_program_that_is_named(self, sshd: Sshd, tmp_path: Path) -> None:
        assert refusal(sshd, tmp_path, capture("/no/program", run_as="nobody")).id == "capture.program-missing"


def test_a_connection_that_breaks_is_a_failure_of_the_connection(sshd: Sshd, tmp_path: Path) -> None:
    sshd.through('echo half; kill -9 "$PPID"')

    assert refusal(sshd, tmp_path, capture("echo", "content")).id.startswith("sync.")


def test_the_key_may_be_allowed_just_what_is_run(sshd: Sshd, tmp_path: Path) -> None:
    one = script(f"{sys.executable} --version", run_as="nobody")

    assert one.commands("/") == one.commands("/srv") == (("runuser", "-u", "nobody", "--", *one.run),)
    assert (one.provides(), one.pulls(), one.replaces()) == ((TO,), (), ())


def test_a_folder_that_the_source_made_a_symlink_leads_no_write_elsewhere(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "mirror/var").mkdir(parents=True)
    (tmp_path / "mirror/var/backups").symlink_to(tmp_path / "victim")
    with pytest.raises(UnsafePath, match="symlink"):
        capture("echo", "content").take(sshd.source(), tmp_path / "mirror")

    assert names_in(tmp_path / "victim") == []


def test_a_symlink_in_the_files_place_is_replaced_and_not_followed(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("content\n")
    place(tmp_path / "mirror").parent.mkdir(parents=True)
    place(tmp_path / "mirror").symlink_to(tmp_path / "victim")
    taken(sshd, tmp_path / "mirror", capture("echo", "content"))

    assert not place(tmp_path / "mirror").is_symlink()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run": []}, "at least 1"),
        ({"run": ["-rf"]}, "no program"),
        ({"run": [""]}, "no program"),
        ({"run": ["a", "b\0"]}, "control character"),
        ({"run": ["env", "PGPASSWORD=geheim", "pg_dumpall"]}, "secret"),
        ({"run": ["dump", "--token=geheim"]}, "secret"),
        ({"run": ["dump", "--password", "geheim"]}, "secret"),
        ({"run": ["curl", "https://user:geheim@host/"]}, "secret"),
        ({"accept": []}, "at least 1"),
        ({"accept": [255]}, "no program's own"),
        ({"begins": ""}, "1 to"),
        ({"ends": "hex:1g"}, "no bytes in hex"),
        ({"mode": "rw"}, "pattern"),
        ({"mode": 600}, "quoted"),
        ({"to": "var/backups/a"}, "absolute"),
        ({"to": "/var/../a"}, r"\.\."),
        ({"to": "/var/backups/"}, "no file"),
        ({"to": "/.backupcheck/seal.jsonl"}, "no file"),
        ({"least": -1}, "greater"),
        ({"shell": True}, "extra"),
    ],
)
def test_what_no_spec_may_say_is_refused(fields: dict[str, JsonValue], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Command.model_validate_json(json.dumps({"run": ["true"], "to": TO, **fields}))

    assert all("geheim" not in one["msg"] for one in caught.value.errors())


@pytest.mark.parametrize("word", ["--password-file=/x", "--no-password", "bypass=1", "https://host:443/a@b"])
def test_what_only_looks_like_a_secret_is_allowed(word: str) -> None:
    assert capture("dump", word).run == ("dump", word)
