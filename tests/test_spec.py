"""Spec and site files: what is good is read as written, what is wrong is said all at once and in words.

`golden_specs/NAME.yaml` is a wrong file, `NAME.txt` beside it all that is said of it; UPDATE_GOLDEN=1 writes
what is said now.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backupcheck.errors import SpecError, UsageError
from backupcheck.result import Finding
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.spec import (
    BoxSpec,
    Outline,
    Site,
    SourceSpec,
    Spec,
    is_spec_file,
    load_site,
    load_spec,
    load_specs,
    spec_files,
)
from backupcheck.spec.reading import _sense
from backupcheck.yamlfile import Document

GOLDEN = Path(__file__).parent / "golden_specs"
WRONG = sorted(GOLDEN.glob("*.yaml"))
GOOD = sorted((GOLDEN / "good").glob("*.y*ml"))
LEAST = "service: {0}\nsource: {{host: local, paths: [/a/]}}\nchecks: [seal: {{}}]\n"


def load(file: Path) -> Site | Spec:
    """The site or spec in a file, by its name."""
    return load_spec(file) if is_spec_file(file) else load_site(file)


def said_of(file: Path) -> str:
    """Every mistake in a file, a line each, without the folder's name."""
    with pytest.raises(SpecError) as caught:
        load(file)
    return "".join(f"{problem}\n" for problem in caught.value.problems).replace(f"{file.parent}/", "")


def a_site(folder: Path, **changed: str) -> Path:
    """A site file whose values are what was given, or good."""
    values = {
        "site": "homelab",
        "mirror": "mirror",
        "repository": "{url: repository, password_file: password}",
        "scratch": "{folder: scratch}",
        "reports": "reports",
        "state": "state",
    } | changed
    file = folder / "site.yaml"
    file.write_text("".join(f"{key}: {value}\n" for key, value in values.items()))
    return file


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.stem)
def test_of_a_wrong_file_all_is_said(file: Path) -> None:
    said, golden = said_of(file), file.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN") == "1":
        golden.write_text(said, encoding="utf-8")

    assert said == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.stem)
def test_every_mistake_has_a_place_in_the_file_and_none_speaks_of_pydantic(file: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load(file)
    lines = file.read_bytes().split(b"\n")

    for problem in caught.value.problems:
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert "nput should" not in problem.message
        assert problem.message.isprintable()


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_good_file_is_read(file: Path) -> None:
    assert isinstance(load(file), Spec if is_spec_file(file) else Site)


def test_nothing_of_a_good_spec_is_lost() -> None:
    spec = load_spec(GOLDEN / "good" / "everything.yaml")

    assert (spec.service, spec.about) == ("mealie", "Recipes: with 'quotes' and ümlauts")
    assert spec.source.host == "root@198.18.0.14"
    assert spec.source.exclude == ("/opt/mealie/data/backups/", "/opt/mealie/data/*.log")
    assert [capture.kind() for capture in spec.capture] == ["postgres", "sqlite"]
    assert [check.title for check in spec.checks][2::2] == ["the key's mode", "secret /opt/mealie/data/.secret"]
    assert spec.checks[3].only_warns == "the pictures can be fetched anew"
    assert spec.checks[4].why == "without it, every API token is void"
    assert [waiver.reason for waiver in spec.waivers] == [
        "the container's umask is wrong until the image of April is out"
    ]
    assert spec.image == "postgres"


def test_what_is_declared_is_pulled_or_captured_and_named_once() -> None:
    spec = load_spec(GOLDEN / "good" / "everything.yaml")

    assert spec.declared == (
        "/opt/mealie/data",
        "/opt/mealie/.env",
        "/tmp/mealie_backup.sql",
        "/tmp/mealie_backup-globals.sql",
        "/opt/mealie/data/mealie.db",
    )


def test_a_relative_root_here_is_taken_from_the_spec_s_own_folder() -> None:
    spec = load_spec(GOLDEN / "good" / "least.yml")

    assert spec.source.root == str(GOLDEN / "good" / "data")


def test_relative_paths_of_a_site_are_taken_from_its_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    site = load_site(GOLDEN / "good" / "good.site.yaml")

    assert site.mirror == GOLDEN / "good" / "mirror"
    assert site.specs == GOLDEN / "good"
    assert site.repository.password_file == GOLDEN / "password"
    assert site.repository.url == str(GOLDEN / "good" / "repository")
    assert site.ssh.identity == Path("/etc/backupcheck/key")
    assert site.ssh.known_hosts == GOLDEN / "good" / "known_hosts"


@pytest.mark.parametrize(
    "url", ["sftp:backup@host:/repo", "b2:bucket:folder", "rest:https://host/", "s3:s3.host/b"]
)
def test_a_repository_elsewhere_keeps_its_address(tmp_path: Path, url: str) -> None:
    site = load_site(a_site(tmp_path, repository=f"{{url: '{url}', password_file: password}}"))

    assert site.repository.url == url


def test_home_folders_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    site = load_site(a_site(tmp_path, mirror="~/mirror", repository="{url: ~/repo, password_file: ~/password}"))

    assert site.mirror == Path("/home/someone/mirror")
    assert site.repository.url == "/home/someone/repo"


def test_the_mistakes_of_all_files_are_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("service: b\n")
    (tmp_path / "a.yaml").write_text("servise: a\n")
    (tmp_path / "c.yaml").write_text(LEAST.format("c"))
    with pytest.raises(SpecError) as caught:
        load_specs(tmp_path)
    files = [Path(problem.file).name for problem in caught.value.problems]

    assert files == ["a.yaml"] * 3 + ["b.yaml"] * 2
    assert caught.value.exit_status == 3


def test_the_same_service_in_two_files_is_said_where_it_stands_again(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(LEAST.format("wiki"))
    (tmp_path / "b.yaml").write_text("about: again\n" + LEAST.format("wiki"))
    with pytest.raises(SpecError) as caught:
        load_specs(tmp_path)

    assert str(caught.value) == f"{tmp_path}/b.yaml:2:10: the service 'wiki' is already in a.yaml"


def test_specs_come_in_the_order_of_their_files(tmp_path: Path) -> None:
    for name in "cab":
        (tmp_path / f"{name}.yaml").write_text(LEAST.format(name))

    assert [spec.service for spec in load_specs(tmp_path)] == ["a", "b", "c"]


def test_site_files_hidden_files_and_others_are_no_specs(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yml", "site.yaml", "lab.site.yaml", ".c.yaml", "d.yaml~", "e.yamll", "site-a.yaml"):
        (tmp_path / name).touch()

    assert [file.name for file in spec_files(tmp_path)] == ["a.yaml", "b.yml", "site-a.yaml"]


@pytest.mark.parametrize("name", ["empty", "gone"])
def test_a_folder_without_specs_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="there are no spec files"):
        load_specs(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"there is no file {tmp_path}/site.yaml"):
        load_site(tmp_path / "site.yaml")


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_what_is_no_regular_file_is_never_opened(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a.yaml"
    match kind:
        case "folder":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case _:
            file.symlink_to(file)
    with pytest.raises((SpecError, UsageError)):
        load_spec(file)


class Needs(Check[Facts]):
    """A check that needs an image, for tests."""

    image: str

    def observe(self, box: Box) -> Facts:
        raise NotImplementedError

    def judge(self, facts: Facts, moment: Moment) -> Iterator[Finding]:
        raise NotImplementedError

    def subject(self) -> str:
        return self.image

    def needs(self) -> str:
        return self.image


@pytest.mark.parametrize(
    ("image", "images", "said"),
    [
        (
            None,
            ("postgres", "caddy"),
            ["the checks need the images caddy and postgres, and a box has one: name it"],
        ),
        ("base", ("postgres", "caddy"), []),
        (None, ("postgres", "postgres"), []),
    ],
)
def test_checks_that_need_different_images_are_a_mistake_unless_one_is_named(
    image: str | None, images: tuple[str, ...], said: list[str]
) -> None:
    source = SourceSpec(host="local", paths=("/a/",))
    outline = Outline(service="a", source=source, box=BoxSpec(image=image))
    problems = _sense(outline, (), tuple(Needs(image=needed) for needed in images), Document("a.yaml"))

    assert [problem.message.partition(", or make")[0] for problem in problems] == said


@pytest.mark.parametrize("size", ["0", "2", "2g", "1.5G", "G", "-1G", "12345678G", "2G\n"])
def test_a_size_that_is_none_is_refused(tmp_path: Path, size: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(LEAST.format("a") + f"box: {{memory: {size!r}}}\n")
    with pytest.raises(SpecError, match="is no size"):
        load_spec(file)


PIECES = (
    *("service: ", "checks:", "source: ", "host", "paths", "rows", "tables", "{gte: ", "name: ", "seal", "sqlite"),
    *("{", "}", "[", "]", ": ", "- ", "\n", "  ", "? ", "|\n", '"', "'", "\\", "#", "---", "...", "\t", "~"),
    *("&a ", "*a", "!!map ", "<<: ", "%YAML", "no", "0600", "22:30", "1.10", "1e999", "9" * 30),
    *("\\ud800", "\ufeff", "\x00"),
)
TEXT = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=30).map("".join).map(str.encode), st.binary(max_size=300)
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=TEXT)
def test_whatever_the_bytes_are_only_errors_of_ours_are_raised(tmp_path: Path, content: bytes) -> None:
    for name in ("a.yaml", "site.yaml"):
        (tmp_path / name).write_bytes(content)
        with contextlib.suppress(SpecError, UsageError):
            load(tmp_path / name)


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.sampled_from(["sql", "gte"]), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(["service", "source", "box", "capture", "checks", "waivers"]), value=NESTED)
def test_whatever_a_key_is_only_errors_of_ours_are_raised(tmp_path: Path, key: str, value: object) -> None:
    good = {"service": "a", "source": {"host": "local", "paths": ["/a/"]}, "checks": [{"seal": {}}]}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(good | {key: value}), encoding="utf-8")
    with contextlib.suppress(SpecError):
        load_spec(tmp_path / "a.yaml")


@pytest.mark.parametrize("kind", ["sqlite", "seal", "files", "secret", "config", "certificate"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=NESTED, key=st.sampled_from(["path", "tables", "queries", "name", "count", "values", "glob"]))
def test_whatever_a_kind_is_given_only_errors_of_ours_are_raised(
    tmp_path: Path, kind: str, key: str, value: object
) -> None:
    checks = [{kind: {key: value}}, {kind: value}]
    good = {"service": "a", "source": {"host": "local", "paths": ["/a/"]}, "checks": checks}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(good), encoding="utf-8")
    with contextlib.suppress(SpecError):
        load_spec(tmp_path / "a.yaml")
