"""Whether a repository can be deleted from: asked of rclone's real server and of a stand-in for B2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from backupcheck.restic.access import Access
from backupcheck.restic.deletion import May, deletion
from backupcheck.restic.repository import Repository
from tests.fakes.b2 import ID, SECRET, b2
from tests.notifiers.listening import closed_port, listening
from tests.restic.serving import PASSWORD, USER, serving

WRITING = ("listBuckets", "readFiles", "writeFiles", "listFiles")
INSIDE = f"{USER}:{quote(PASSWORD, safe='')}@"


@pytest.fixture(scope="module", params=[(), ("--append-only",)], ids=["plain", "append-only"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Access, bool, Path]]:
    """A repository behind a server, whether it is append-only, and the folder that it lies in."""
    words: tuple[str, ...] = request.param
    tmp_path = tmp_path_factory.mktemp("served")
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served", *words) as address:
        opened = Access(f"rest:{address.replace('//', f'//{INSIDE}')}ct300/", tmp_path / "password")
        Repository(opened).init()
        yield opened, bool(words), tmp_path / "served"


def names(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def access(folder: Path, url: str, **variables: str) -> Access:
    (folder / "password").write_text("x")
    (folder / "env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return Access(url, folder / "password", folder / "env")


def test_a_server_refuses_to_delete_only_if_it_is_append_only(served: tuple[Access, bool, Path]) -> None:
    opened, append_only, folder = served
    before = names(folder)
    found = deletion(opened)

    assert found.may is (May.NOT if append_only else May.DELETE), found.why
    assert names(folder) == before
    assert Repository(opened).all_snapshots() == ()


def test_the_user_may_stand_in_the_environments_file(served: tuple[Access, bool, Path], tmp_path: Path) -> None:
    opened, append_only, _ = served
    (tmp_path / "env").write_text(f"RESTIC_REST_USERNAME={USER}\nRESTIC_REST_PASSWORD={PASSWORD}\n")
    url = opened.url.replace(INSIDE, "").rstrip("/")

    assert deletion(replace(opened, url=url, environment_file=tmp_path / "env")).may is (
        May.NOT if append_only else May.DELETE
    )


def test_a_wrong_password_tells_nothing_and_is_not_told(served: tuple[Access, bool, Path]) -> None:
    opened, *_ = served
    found = deletion(replace(opened, url=opened.url.replace("%40ss", "assword")))

    assert (found.may, found.why) == (May.UNKNOWN, "its server answered with status 401 for its configuration")


def test_a_server_that_refuses_all_does_not_seem_to_be_append_only(tmp_path: Path) -> None:
    with listening(status=403) as server:
        found = deletion(access(tmp_path, f"rest:http://127.0.0.1:{server.port}/"))

    assert found.may is May.UNKNOWN
    assert [method for method, *_ in server.asked] == ["HEAD"]


def test_a_server_that_is_not_there_tells_nothing(tmp_path: Path) -> None:
    port = closed_port()
    found = deletion(access(tmp_path, f"rest:http://{INSIDE}127.0.0.1:{port}/"))

    assert (found.may, found.why) == (May.UNKNOWN, "its server cannot be reached: Connection refused")


@pytest.mark.parametrize("address", ["http+unix:///run/rest.sock:/x/", "nonsense", "http://[::1/"])
def test_an_address_that_is_none_tells_nothing(tmp_path: Path, address: str) -> None:
    assert deletion(access(tmp_path, f"rest:{address}")).may is May.UNKNOWN


def test_a_folder_of_this_machine_can_be_deleted_from(tmp_path: Path) -> None:
    assert deletion(Access(str(tmp_path), tmp_path / "password")).may is May.DELETE


@pytest.mark.parametrize("url", ["sftp:me@nas:/restic", "s3:s3.amazonaws.com/bucket", "rclone:x:y", "gs:bucket:/"])
def test_what_could_only_be_learned_by_deleting_is_unknown(tmp_path: Path, url: str) -> None:
    found = deletion(access(tmp_path, url))

    assert found.may is May.UNKNOWN
    assert found.why.endswith("can only be found by deleting")


def test_a_missing_file_of_credentials_tells_nothing(tmp_path: Path) -> None:
    found = deletion(Access("b2:bucket:", tmp_path / "password", tmp_path / "none"))

    assert found.may is May.UNKNOWN


@pytest.mark.parametrize("more", ["deleteFiles", "writeKeys", "writeBuckets"])
def test_a_key_of_b2_that_may_delete_is_named_with_what_lets_it(tmp_path: Path, more: str) -> None:
    with b2(*WRITING, more) as fake:
        opened = access(tmp_path, "b2:homelab-backups:ct300", B2_ACCOUNT_ID=ID, B2_ACCOUNT_KEY=SECRET)
        found = deletion(opened, fake.address)

    assert (found.may, found.why) == (May.DELETE, f"its key has {more}")
    assert fake.asked == [("GET", "b2_authorize_account")]


@pytest.mark.parametrize(
    ("days", "prefix", "may"),
    [
        (None, "", May.NOT),
        (1, "", May.DELETE),
        (1, "ct300/data", May.DELETE),
        (1, "photos/", May.NOT),
        (30, "", May.NOT),
    ],
)
def test_what_a_key_of_b2_hides_must_be_kept(tmp_path: Path, days: int | None, prefix: str, may: May) -> None:
    rule = {"daysFromHidingToDeleting": days, "daysFromUploadingToHiding": None, "fileNamePrefix": prefix}
    with b2(*WRITING, rules=(rule,)) as fake:
        opened = access(tmp_path, "b2:homelab-backups:/ct300/", B2_ACCOUNT_ID=ID, B2_ACCOUNT_KEY=SECRET)
        found = deletion(opened, fake.address)

    assert found.may is may, found.why


def test_a_key_of_b2_that_only_reads_deletes_nothing(tmp_path: Path) -> None:
    with b2("listBuckets", "readFiles", "listFiles") as fake:
        opened = access(tmp_path, "b2:homelab-backups", B2_ACCOUNT_ID=ID, B2_ACCOUNT_KEY=SECRET)

        assert deletion(opened, fake.address).may is May.NOT


@pytest.mark.parametrize(
    "url",
    [
        "s3:https://s3.eu-central-003.backblazeb2.com/homelab-backups/ct300",
        "s3:s3.us-west-001.backblazeb2.com/homelab-backups",
    ],
)
def test_a_key_of_b2_is_asked_for_by_s3_too(tmp_path: Path, url: str) -> None:
    with b2(*WRITING) as fake:
        opened = access(tmp_path, url, AWS_ACCESS_KEY_ID=ID, AWS_SECRET_ACCESS_KEY=SECRET)

        assert deletion(opened, fake.address).may is May.NOT


@pytest.mark.parametrize(
    ("key", "bucket", "body"),
    [
        ("wrong", "homelab-backups", None),
        (SECRET, "another", None),
        (SECRET, "homelab-backups", b"<html>"),
        (SECRET, "homelab-backups", b'{"accountId": 1, "apiInfo": []}'),
        (SECRET, "homelab-backups", b"[" * 100_000),
    ],
)
def test_an_answer_of_b2_that_says_nothing_is_unknown(
    tmp_path: Path, key: str, bucket: str, body: bytes | None
) -> None:
    with b2(*WRITING, body=body) as fake:
        opened = access(tmp_path, f"b2:{bucket}:", B2_ACCOUNT_ID=ID, B2_ACCOUNT_KEY=key)
        found = deletion(opened, fake.address)

    assert found.may is May.UNKNOWN
    assert key not in found.why
