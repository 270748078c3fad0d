"""What is generated from the models: schemas that judge as the reader does, and pages; and that both are new."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import TypeAdapter

from backupcheck import manual, schemas
from backupcheck.matchers import Expected, Match
from backupcheck.reporters import json as run_json
from backupcheck.seams import CAPTURES, CHECKS, POLICIES, SEAMS
from backupcheck.spec import is_spec_file
from backupcheck.subkeys import Key, keys

GOLDEN = Path(__file__).parent / "golden_specs"
SPECS = Path(__file__).parent.parent / "specs"
GOOD = sorted([*(GOLDEN / "good").glob("*.y*ml"), *SPECS.glob("*.yaml")])
SAID_BY_THE_SCHEMA = (
    "a_list", "badly_indented", "empty_checks", "empty", "no_checks", "null_checks", "unknown_keys", "wrong_types",
    "wrong.site",
)  # fmt: skip


def mistakes(file: Path) -> list[str]:
    """What the schema says of a file, as an editor would."""
    schema = json.loads(schemas.schema("spec" if is_spec_file(file) else "site"))
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(yaml.safe_load(file.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("of", ["spec", "site", "run"])
def test_a_schema_is_one(of: str) -> None:
    schema = json.loads(schemas.schema(of))
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == schemas.DIALECT
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("of", ["spec", "site"])
def test_every_reference_of_a_schema_leads_somewhere(of: str) -> None:
    text = schemas.schema(of)
    named = {part.partition('"')[0] for part in text.split('"#/$defs/')[1:]}

    assert named == set(json.loads(text)["$defs"])


@pytest.mark.parametrize("of", ["spec", "site"])
def test_every_key_of_a_schema_is_described(of: str) -> None:
    schema = json.loads(schemas.schema(of))
    silent = [
        f"{name}.{key}"
        for name, model in {"top": schema, **schema["$defs"]}.items()
        for key, value in model.get("properties", {}).items()
        if not value.get("description")
    ]

    assert silent == []


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_good_file_is_good_to_the_schema(file: Path) -> None:
    assert mistakes(file) == []


@pytest.mark.parametrize("file", GOOD, ids=lambda file: file.name)
def test_a_good_file_points_its_editor_at_the_schema(file: Path) -> None:
    comment, _, place = file.read_text(encoding="utf-8").partition("\n")[0].partition("$schema=")
    schema = (file.parent / place).resolve()

    assert comment == "# yaml-language-server: "
    assert schema.parent == SPECS.parent / "docs"
    assert schema.name == schemas.FILES["spec" if is_spec_file(file) else "site"]


@pytest.mark.parametrize("name", SAID_BY_THE_SCHEMA)
def test_a_wrong_file_is_wrong_to_the_schema_where_it_can_say_it(name: str) -> None:
    assert mistakes(GOLDEN / f"{name}.yaml") != []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"source": {"host": "-oProxyCommand=x"}}, {"source": {"host": "root@host:22"}}),
        ({"source": {"host": "a", "paths": ["/"]}}, {"source": {"host": "a", "paths": ["/a"]}}),
        ({"source": {"host": "a", "paths": ["/a/../b"]}}, {"source": {"host": "a", "paths": ["/a/..b/"]}}),
        ({"source": {"host": "a", "paths": ["/a//b"]}}, {"source": {"host": "a", "paths": ["/.a/b."]}}),
        ({"box": {"memory": "2GB"}}, {"box": {"memory": "2G"}}),
        (
            {"checks": [{"seal": {}, "files": {"path": "/a"}}]},
            {"checks": [{"seal": {}}, {"files": {"path": "/a"}}]},
        ),
        ({"checks": [{}]}, {"checks": [{"seal": None}]}),
        ({"checks": [{"sqlite": None}]}, {"checks": [{"sqlite": {"path": "/a.db"}}]}),
        ({"capture": [{"seal": {}}]}, {"capture": []}),
    ],
)
def test_the_schema_knows_the_difference(wrong: dict[str, object], right: dict[str, object]) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(schemas.schema("spec")))
    good = {"service": "a", "source": {"host": "a", "paths": ["/a"]}, "checks": [{"seal": {}}]}

    assert list(validator.iter_errors(good | right)) == []
    assert list(validator.iter_errors(good | wrong)) != []


def test_the_schema_of_sites_knows_the_engines() -> None:
    engine = json.loads(schemas.schema("site"))["$defs"]["ScratchSpec"]["properties"]["engine"]

    assert {"auto", "lxc", "process"} <= set(engine["enum"])


def test_the_schema_of_runs_has_one_source() -> None:
    assert schemas.schema("run") + "\n" == run_json.schema()


def test_a_page_says_what_the_class_and_its_keys_say() -> None:
    page = manual.page("check", CHECKS.kind("sqlite"))

    assert page.startswith("sqlite (check)\n\nA SQLite database")
    assert "- sqlite:" in page
    assert "  path (required)\n      " in page
    assert page == page.rstrip()


def test_defaults_are_shown_as_a_spec_would_write_them() -> None:
    page = manual.page("capture", CAPTURES.kind("postgres"))

    assert '  format (default: "plain")' in page
    assert "  database (required)" in page
    assert "  name (default: none)" in manual.page("check", CHECKS.kind("seal"))


def test_a_page_explains_the_keys_within_keys() -> None:
    page = manual.page("check", CHECKS.kind("postgres"))
    copies = manual.page("policy", POLICIES.kind("copies"))

    assert "      keys of each:\n        rows (default: none; may be a matcher)\n            how many rows" in page
    assert "        sql (required)\n            one SELECT" in page
    assert "        url (required)\n            restic's own URL" in copies
    assert page.endswith(manual.MATCHED)
    assert manual.MATCHED not in copies


def test_a_mapping_of_matchers_says_that_each_may_be_one() -> None:
    assert "  values (default: {}; each may be a matcher)" in manual.page("check", CHECKS.kind("config"))
    assert '  count (default: {"gte": 1}; may be a matcher)' in manual.page("check", CHECKS.kind("files"))


def test_every_key_within_a_key_is_described() -> None:
    def silent(found: tuple[Key, ...], above: str) -> list[str]:
        inner = [name for key in found for name in silent(key.inner, f"{above}.{key.name}")]
        return [f"{above}.{key.name}" for key in found if not key.description] + inner

    kinds = [kind for seam in SEAMS for kind in seam.kinds.values()]
    assert [name for kind in kinds for name in silent(keys(kind), kind.kind())] == []


def test_matchers_have_a_page_with_every_condition() -> None:
    page = manual.pages("matchers")

    assert [name for name in Match.model_fields if f"  {name}\n      " not in page] == []
    assert "`backupcheck kinds matchers`" in manual.listing()


def test_the_examples_of_matchers_are_some() -> None:
    lines = [line for line in manual.MATCHERS.splitlines() if line.startswith("    ")]
    values = [next(iter(yaml.safe_load(line).values())) for line in lines]

    assert [TypeAdapter[Expected](Expected).validate_python(value) for value in values]
    assert len(lines) == 5


def test_the_manual_has_the_keys_within_keys_and_links_to_matchers() -> None:
    text = manual.markdown()

    assert "| `tables: … rows` | default: none; may be a [matcher](#matchers) | how many rows" in text
    assert "## Matchers" in text


def test_the_manual_has_every_kind_of_every_seam_once() -> None:
    headings = [line for line in manual.markdown().splitlines() if line.startswith("### ")]

    assert headings == [f"### {name}" for seam in SEAMS for name in seam.kinds]


def test_what_was_written_is_not_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert manual.main(["write", str(tmp_path / "docs")]) == 0
    assert manual.main(["check", str(tmp_path / "docs")]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_file_that_is_stale_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manual.write(tmp_path)
    (tmp_path / "site.schema.json").write_text("{}")
    (tmp_path / "kinds.md").unlink()

    assert manual.main(["check", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert [line.partition(" is stale")[0] for line in said.splitlines()] == [
        f"{tmp_path}/site.schema.json",
        f"{tmp_path}/kinds.md",
    ]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    again = [sys.executable, "-m", "backupcheck.manual", "check", str(tmp_path)]
    manual.write(tmp_path)

    assert subprocess.run(again, env={"PYTHONHASHSEED": "77"}, check=False).returncode == 0


@pytest.mark.parametrize("words", [[], ["write"], ["chek", "docs"]])
def test_other_words_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert manual.main(words) == 3
    assert "write|check DIR" in capsys.readouterr().err


@pytest.mark.parametrize("name", [*schemas.FILES.values(), manual.KINDS_FILE])
def test_the_documents_of_the_repository_are_what_the_code_says(name: str) -> None:
    file = Path(__file__).parent.parent / "docs" / name

    assert file.read_text(encoding="utf-8") == dict(manual.documents())[name]
