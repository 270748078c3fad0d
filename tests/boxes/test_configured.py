"""What a service is configured with: templates, variables and units as restored files have them, also hostile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backupcheck.boxes.configured import Configured, Naming, configured, environment
from backupcheck.errors import BackupcheckError
from backupcheck.tree import Tree

CONFIG = "/etc/app/app.yml"
UNIT = "/etc/systemd/system/app.service"
DROP_IN = "/etc/systemd/system/app.service.d/a.conf"


def put(root: Path, path: str, text: str) -> Path:
    place = root / path[1:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, errors="surrogateescape")
    return place


def of(root: Path, text: str, joint: str = "_") -> Configured:
    put(root, CONFIG, text)
    return configured(Tree(root), CONFIG, "yaml", Naming("app", joint))


def trouble(root: Path, text: str, key: str = "a.b") -> str:
    with pytest.raises(BackupcheckError) as caught:
        of(root, text).text(key)
    return caught.value.id


def test_a_value_stands_in_the_file_in_a_variable_or_in_a_file_that_one_names(tmp_path: Path) -> None:
    put(tmp_path, "/etc/app/secret", "of a file\n")
    plain = of(tmp_path, "a: {b: 1, d: }")
    put(tmp_path, "/etc/default/app", "APP_A_B_FILE=/etc/app/secret\n")
    named = of(tmp_path, "a: {b: 1}")
    put(tmp_path, "/etc/app/x.env", "APP_A_B='of a variable'\n# APP_A_B=no\n")
    both = of(tmp_path, "a: {b: 1}")

    assert (plain.text("a.b"), plain.text("a.c"), plain.text("a.d")) == ("1", None, None)
    assert named.text("a.b") == "of a file"
    assert both.text("a.b") == "of a variable"
    assert of(tmp_path, "a: {b: 1}", joint="__").text("a.b") == "1"


def test_a_template_is_filled_in_from_files_and_variables(tmp_path: Path) -> None:
    put(tmp_path, "/etc/app/secret", "sésame\n")
    put(tmp_path, "/etc/default/app", "export ONE=1\nTWO=\n")
    text = 'a:\n  b: \'x{{ env "ONE" }}-{{- fileContent "/etc/app/secret" | squote -}}\'\n  c: {{ env "TWO" }}\n'

    found = of(tmp_path, text)

    assert found.text("a.b") == "x1-sésame"
    assert found.text("a.c") == ""
    assert [name for _, name in found.expressions] == ["ONE", "/etc/app/secret", "TWO"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: {b: '{{ secret \"/etc/app/lost\" }}'}", "app.secret-missing"),
        ("a: {b: '{{ mustEnv \"LOST\" }}'}", "app.variable-missing"),
        ("a: {b: '{{ .Something }}'}", "app.expression-unknown"),
        ("a: {b: expression-7-of-backupcheck-template-expression}", "app.expression-unknown"),
        ("a: {b: [", "config.unparsable"),
        ("a: \udcff", "config.unparsable"),
        ("a: \0", "config.unparsable"),
        ("a: {b: '{{ secret \"/etc/app\" }}'}", "restored.unsafe-path"),
    ],
)
def test_what_cannot_be_filled_in_is_named(tmp_path: Path, text: str, expected: str) -> None:
    assert trouble(tmp_path, text) == expected


def test_a_configuration_that_is_not_there_is_named_and_one_that_does_not_parse_with_its_path(
    tmp_path: Path,
) -> None:
    with pytest.raises(BackupcheckError, match=f"{CONFIG} was not restored"):
        configured(Tree(tmp_path), CONFIG, "yaml", Naming("app"))
    with pytest.raises(BackupcheckError, match=f"^{CONFIG} is no YAML.*line"):
        of(tmp_path, "a: [")


def test_units_are_read_as_systemd_reads_them(tmp_path: Path) -> None:
    put(tmp_path, "/etc/default/app", "A=usual\nB=usual\nC=usual\nD=usual\n")
    put(tmp_path, UNIT, '[Service]\nEnvironment="B=of unit" C=of-unit \\\n  E=more\nEnvironment=F="never closed\n')
    put(
        tmp_path, DROP_IN, "[Service]\nEnvironmentFile=-/etc/variables\nEnvironmentFile=/lost\nEnvironmentFile=x\n"
    )
    put(tmp_path, "/etc/variables", "C=of-file\n")

    found = environment(Tree(tmp_path), "app")

    assert found == {"A": "usual", "B": "of unit", "C": "of-file", "D": "usual", "E": "more"}


def test_what_is_no_file_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "etc/default").mkdir(parents=True)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / UNIT[1:]).symlink_to("/dev/null")
    os.mkfifo(tmp_path / "etc/default/app")

    assert environment(Tree(tmp_path), "app") == {}
