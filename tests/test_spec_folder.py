"""A folder of specs of which some are wrong: the others are read, and what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from backupcheck.errors import SpecError, UsageError
from backupcheck.result import Outcome
from backupcheck.spec import load_each, load_specs

GOOD = "service: {name}\nsource: {{host: local, paths: [/srv/{name}]}}\nchecks:\n  - seal: {{}}\n"


def folder_of(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def good(name: str) -> str:
    return GOOD.format(name=name)


def test_one_mistake_leaves_the_other_specs_alone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=good("a"), b="service: b\nchekcs: []\n", c=good("c"))

    loaded = load_each(folder)

    assert [spec.service for spec in loaded.specs] == ["a", "c"]
    assert loaded.files == (folder / "a.yaml", folder / "c.yaml")
    assert [mistaken.service for mistaken in loaded.mistakes] == ["b"]
    assert loaded.services == ("a", "c", "b")


def test_a_mistake_is_a_finding_with_the_sentence_of_validate(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=good("a"), b="service: b\nchekcs: []\n")
    with pytest.raises(SpecError) as said:
        load_specs(folder)

    result = load_each(folder).mistakes[0].result

    assert result.outcome is Outcome.ERROR
    assert [(finding.id, finding.message) for finding in result.findings] == [
        ("spec.invalid", line) for line in said.value.message.splitlines()
    ]
    assert f"{folder}/b.yaml:2:1: the key 'chekcs' is not known; did you mean 'checks'?" in said.value.message


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("service: notes\nchecks: []\n", "notes"),
        ('service: "notes"   # ours\nchecks: [\n', "notes"),
        ("service: 'notes'\r\nchecks: [\r\n", "notes"),
        ("\tservice: notes\n", "my-file"),
        ("service: No Name\n", "my-file"),
        ("service: [notes]\n", "my-file"),
        ("", "my-file"),
        ("service: good\nchecks: []\n", "my-file"),
        ("service: notes\n\xff".encode("latin-1").decode("latin-1"), "notes"),
    ],
)
def test_a_wrong_file_is_called_by_the_service_that_it_names_or_by_its_own_name(
    text: str, service: str, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, good=good("good"))
    (folder / "my-file.yaml").write_bytes(text.encode("latin-1"))

    assert [mistaken.service for mistaken in load_each(folder).mistakes] == [service]


def test_the_second_spec_of_a_service_is_the_wrong_one_and_no_name_is_there_twice(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=good("notes"), b=good("notes"), notes=good("notes"))

    loaded = load_each(folder)

    assert [spec.service for spec in loaded.specs] == ["notes"]
    assert [mistaken.service for mistaken in loaded.mistakes] == ["b", str(folder / "notes.yaml")]
    assert "is already in a.yaml" in str(loaded.mistakes[0].problems[0])


def test_named_services_are_taken_in_their_order_and_once(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=good("a"), b=good("b"), c="service: c\n")

    only = load_each(folder).only(["b", "a", "b"])

    assert [spec.service for spec in only.specs] == ["b", "a"]
    assert only.files == (folder / "b.yaml", folder / "a.yaml")
    assert only.mistakes == ()


def test_a_service_that_is_named_must_have_a_right_spec(tmp_path: Path) -> None:
    loaded = load_each(folder_of(tmp_path, a=good("a"), b=good("b"), c="service: c\n", d="service: d\n"))

    with pytest.raises(SpecError, match=r"c\.yaml:1:1: the key 'checks' is missing") as said:
        loaded.only(["a", "c"])

    assert "d.yaml" not in said.value.message


def test_a_service_that_is_not_there_is_asked_for_by_the_nearest_name(tmp_path: Path) -> None:
    loaded = load_each(folder_of(tmp_path, notes=good("notes"), tasks=good("tasks")))

    with pytest.raises(UsageError, match="there is no service 'nots'; there are notes, tasks") as near:
        loaded.only(["nots"])
    with pytest.raises(UsageError) as far:
        loaded.only(["vault"])

    assert near.value.advice == "did you mean 'notes'?"
    assert far.value.advice == ""
