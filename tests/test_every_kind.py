"""What holds for every kind of every seam, also for those that are written tomorrow. No kind is named here."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pytest
from pydantic import BaseModel

from backupcheck import manual, schemas, yamlfile
from backupcheck.seams import CAPTURES, CHECKS, ENGINES, NOTIFIERS, POLICIES, REPORTERS, SEAMS, Facts, Kind, Seam
from backupcheck.validate import validated

TESTS = Path(__file__).parent
SHOWN = {"pass": r"pass", "fail": r"fail|fault|broken|\.", "missing": r"missing"}
"""What a check's test must show, and how it is seen: in a test's name, or by the finding's id that is expected."""


class Found(NamedTuple):
    """A kind, its seam and its word."""

    seam: Seam[Kind]
    name: str
    kind: type[Kind]

    @property
    def folder(self) -> str:
        return self.seam.package.rpartition(".")[2]

    @property
    def test(self) -> Path:
        return TESTS / self.folder / f"test_{self.name}.py"


def kinds(*seams: Seam[Kind]) -> list[object]:
    """Every kind of some seams, as parameters of a test."""
    found = [Found(seam, name, kind) for seam in seams for name, kind in seam.kinds.items()]
    return [pytest.param(one, id=f"{one.folder}-{one.name}") for one in found]


every = pytest.mark.parametrize("found", kinds(*SEAMS))
in_specs = pytest.mark.parametrize("found", kinds(CHECKS, CAPTURES, POLICIES, NOTIFIERS))
judging = pytest.mark.parametrize("found", kinds(CHECKS, POLICIES))
checks = pytest.mark.parametrize("found", kinds(CHECKS))


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.name)
def test_a_seam_has_kinds(seam: Seam[Kind]) -> None:
    assert seam.kinds


@every
def test_one_word_in_five_places(found: Found) -> None:
    module = importlib.import_module(found.kind.__module__)

    assert found.kind.kind() == found.name == module.__name__.rpartition(".")[2]
    assert found.kind.__name__ == "".join(word.capitalize() for word in found.name.split("_"))
    assert found.test.is_file()


@every
def test_a_kind_refuses_what_it_does_not_know_and_does_not_change(found: Found) -> None:
    assert found.kind.model_config.get("extra") == "forbid"
    assert found.kind.model_config.get("frozen") is True
    assert found.kind.model_config.get("strict") is True


@every
def test_every_key_is_described(found: Found) -> None:
    silent = [
        f"{model.__name__}.{name}"
        for model in {found.kind, *models_below(found.kind)}
        for name, field in model.model_fields.items()
        if not field.description
    ]

    assert not silent


@every
def test_a_kind_has_a_caption_and_a_manual_page(found: Found) -> None:
    page = manual.page(found.seam.name, found.kind)

    assert re.fullmatch(r"[A-Z].*[.]", found.kind.caption())
    assert len(inspect.getdoc(found.kind) or "") > 40
    assert all(f"  {name} (" in page for name in found.kind.model_fields)


@in_specs
def test_the_manual_page_has_an_example_that_a_spec_takes(found: Found) -> None:
    examples = list(examples_of(found))

    assert examples
    for document, value in examples:
        assert isinstance(validated(found.kind, value, document, ()), found.kind)


@in_specs
def test_the_json_schema_has_it_and_takes_its_example(found: Found) -> None:
    schema = json.loads(schemas.schema("site" if found.seam in (POLICIES, NOTIFIERS) else "spec"))
    keys = {CHECKS: "checks", CAPTURES: "capture", POLICIES: "policies", NOTIFIERS: "notifiers"}
    key = next(key for seam, key in keys.items() if seam is found.seam)
    validator = jsonschema.Draft202012Validator({**schema["properties"][key], "$defs": schema["$defs"]})

    assert found.name in schema["properties"][key]["items"]["properties"]
    for _, value in examples_of(found):
        assert [error.message for error in validator.iter_errors([{found.name: value}])] == []


@judging
def test_the_findings_that_a_check_makes_are_in_its_manual(found: Found) -> None:
    """What is looked for under a name, a person must be able to look up."""
    module = inspect.getsource(importlib.import_module(found.kind.__module__))
    made = set(re.findall(rf'"({found.name}\.[a-z-]+)"', module))
    made |= {f"{found.name}.{end}" for end in re.findall(r'[.]finding\(\s*"([a-z-]+)"', module)}
    told = set(re.findall(r"`([a-z_-]+\.[a-z-]+)`", (inspect.getdoc(found.kind) or "").replace("\n", " ")))

    assert made - told == set()


@judging
def test_its_test_shows_a_check_pass_fail_and_fail_when_its_subject_is_missing(found: Found) -> None:
    nodes = list(ast.walk(ast.parse(found.test.read_text())))
    tests = [node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    shown = tests + [text for text in texts if re.fullmatch(rf"{found.name}\.[a-z-]+", text)]

    assert [what for what, words in SHOWN.items() if not any(re.search(words, name) for name in shown)] == []


@judging
def test_what_a_check_observes_can_be_kept_and_judged_again(found: Found) -> None:
    facts = inspect.signature(found.kind.observe).return_annotation  # type: ignore[attr-defined]
    kept = getattr(
        importlib.import_module(found.kind.__module__), facts if isinstance(facts, str) else facts.__name__
    )

    assert issubclass(kept, Facts)
    assert kept.model_config.get("frozen") is True


@pytest.mark.parametrize("found", kinds(REPORTERS))
def test_a_reporter_names_its_file(found: Found) -> None:
    file_name = found.kind.file_name  # type: ignore[attr-defined]

    assert file_name
    assert Path(file_name).name == file_name


def test_reporters_write_different_files() -> None:
    names = [kind.file_name for kind in REPORTERS.kinds.values()]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("found", kinds(ENGINES))
def test_an_engine_says_whether_it_works_here_and_what_it_does_not_show(found: Found) -> None:
    engine = ENGINES.kind(found.name)()

    assert engine.why_not() is None or re.search(r"\w", engine.why_not() or "")
    assert engine.not_exercised()


def test_engines_are_ranked_without_a_tie() -> None:
    ranks = [kind.rank for kind in ENGINES.kinds.values()]

    assert len(set(ranks)) == len(ranks)


def examples_of(found: Found) -> Iterator[tuple[yamlfile.Document, yamlfile.Value]]:
    """The examples in a kind's docstring, each a `- kind: …` at the beginning of a line."""
    lines = (inspect.getdoc(found.kind) or "").splitlines()
    for number, line in enumerate(lines):
        if line.strip().startswith(f"- {found.name}:"):
            indent = len(line) - len(line.lstrip())
            block = [line]
            for later in lines[number + 1 :]:
                if len(later) - len(later.lstrip()) <= indent:
                    break
                block.append(later)
            document = yamlfile.parse(textwrap.dedent("\n".join(block)), f"the manual of {found.name}")
            assert document.problems == []
            assert isinstance(document.value, list)
            (item,) = document.value
            assert isinstance(item, dict)
            yield document, {} if item[found.name] is None else item[found.name]


def models_below(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The models that a model's keys are made of, at any depth."""
    found: set[type[BaseModel]] = set()
    waiting: list[object] = [field.annotation for field in model.model_fields.values()]
    while waiting:
        annotation = waiting.pop()
        waiting += getattr(annotation, "__args__", ())
        if inspect.isclass(annotation) and issubclass(annotation, BaseModel) and annotation not in found:
            found.add(annotation)
            waiting += [field.annotation for field in annotation.model_fields.values()]
    return found
