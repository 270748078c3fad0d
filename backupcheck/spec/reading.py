"""Reads spec and site files; every mistake of every file is found before anything runs."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from backupcheck import yamlfile
from backupcheck.errors import Problem, SpecError, UsageError
from backupcheck.mistakes import unknown_key
from backupcheck.seams import CAPTURES, CHECKS, NOTIFIERS, POLICIES, Capture, Check, Facts, Kind, Notifier, Seam
from backupcheck.spec.models import Model, Outline, RepositorySpec, Site, SiteOutline, Spec
from backupcheck.validate import validated
from backupcheck.waivers import senseless
from backupcheck.yamlfile import Document, Value

SITE_FILE = "site.yaml"
READING = "read_data"
NOTHING = "a spec that asks nothing proves nothing"
NOTHING_REQUIRED = "a spec that requires nothing proves nothing"
ModelT = TypeVar("ModelT", bound=BaseModel)
KindT = TypeVar("KindT", bound=Kind)


def load_site(file: Path) -> Site:
    """The site in a file, its relative paths made absolute from the file's folder. Raises `SpecError`."""
    document = _document(file)
    problems: list[Problem] = []
    rest = document.value
    policies: tuple[Kind, ...] = ()
    notifiers: tuple[Notifier, ...] = ()
    if isinstance(rest, dict):
        rest = dict(rest)
        policies = _kinds(POLICIES, rest.pop("policies", []), document, "policies", problems)
        notifiers = _kinds(NOTIFIERS, rest.pop("notifiers", []), document, "notifiers", problems)
    site = validated(SiteOutline, rest, document, (), beside=("policies", "notifiers"))
    problems += _same_twice(policies, document)
    problems += _told_twice(notifiers, document)
    if isinstance(site, tuple) or document.problems or problems:
        raise SpecError(_in_order(document, (*(site if isinstance(site, tuple) else ()), *problems)))
    if site.drill.carry and not any(policy.kind() == READING for policy in policies):
        text = f"proofs are carried only where the policy {READING} reads every pack in turn: add `{READING}`"
        raise SpecError((document.problem(("drill", "carry"), text, at_key=True),))
    folder = file.resolve().parent
    anchored = tuple(_anchored(notifier, folder) for notifier in notifiers)
    return Site(**dict(_anchored(site, folder)), policies=policies, notifiers=anchored)


def _anchored(model: ModelT, folder: Path) -> ModelT:
    """A copy in which every path is absolute; relative ones are taken from `folder`."""
    changed: dict[str, object] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Path):
            changed[name] = Path(os.path.normpath(folder / value))
        elif isinstance(value, Model):
            changed[name] = _anchored(value, folder)
    if isinstance(model, RepositorySpec) and model.is_folder:
        changed["url"] = os.path.normpath(folder / Path(model.url).expanduser())
    return model.model_copy(update=changed)


def spec_files(folder: Path) -> tuple[Path, ...]:
    """The spec files of a folder, by name. Raises `UsageError` where there are none."""
    try:
        files = [folder / name for name in sorted(os.listdir(folder)) if is_spec_file(Path(name))]  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        files = []
    except OSError as error:
        said = f"the folder of specs {folder} cannot be read: {error.strerror}"
        raise UsageError(said, advice="correct `specs` in the site file, or run as its owner") from None
    if not files:
        raise UsageError(f"there are no spec files (*.yaml) in {folder}", advice="write one, see README")
    return tuple(files)


def is_spec_file(file: Path) -> bool:
    """Whether a file's name makes it a spec: YAML, not a site file (`site.yaml`, `*.site.yaml`), not hidden."""
    site = file.stem == "site" or file.stem.endswith(".site")
    return file.suffix in (".yaml", ".yml") and not site and not file.name.startswith(".")


def load_spec(file: Path) -> Spec:
    """The spec in a file. Raises `SpecError` with every mistake in it."""
    _, spec = read_spec(file)
    return spec


def read_spec(file: Path) -> tuple[Document, Spec]:
    """The spec in a file, with the document for what else is wrong about it. Raises `SpecError`."""
    document = _document(file)
    return document, _spec(document, file)


def spec_of(text: str, file: Path) -> Spec:
    """The spec in a text that stands in this file of another machine. Raises `SpecError`."""
    return _spec(yamlfile.parse(text, str(file)), file)


def _spec(document: Document, file: Path) -> Spec:
    if not isinstance(document.value, dict):
        nothing = document.problem((), "a spec is a mapping that begins with `service:`")
        raise SpecError(_in_order(document, (nothing,)))
    problems: list[Problem] = []
    rest = dict(document.value)
    captures = _kinds(CAPTURES, rest.pop("capture", []), document, "capture", problems)
    if "checks" not in rest:
        problems.append(document.problem((), f"the key 'checks' is missing: {NOTHING}"))
    checks = _kinds(CHECKS, rest.pop("checks", []), document, "checks", problems)
    if document.value.get("checks") == []:
        problems.append(document.problem(("checks",), f"'checks' is empty: {NOTHING}"))
    policies = _kinds(POLICIES, rest.pop("policies", []), document, "policies", problems)
    problems += _same_twice(policies, document)
    problems += _of_the_site(policies, document)
    outline = validated(Outline, rest, document, (), beside=("capture", "checks", "policies"))
    if isinstance(outline, tuple):
        raise SpecError(_in_order(document, (*problems, *outline)))
    if not problems:
        problems += _sense(outline, captures, checks, document)
    if problems or document.problems:
        raise SpecError(_in_order(document, tuple(problems)))
    kinds = {"capture": captures, "checks": checks, "policies": policies}
    return Spec(**_rooted(outline, file), **kinds)  # type: ignore[arg-type]


def _same_twice(policies: tuple[Kind, ...], document: Document) -> Iterator[Problem]:
    for word, times in Counter(policy.kind() for policy in policies).items():
        if times > 1:
            text = f"{times} policies of the kind {word!r}: only one can hold"
            yield document.problem(("policies",), text, at_key=True)


def _told_twice(notifiers: tuple[Notifier, ...], document: Document) -> Iterator[Problem]:
    """What was told is remembered by kind and file."""
    seen: set[tuple[str, Path]] = set()
    for index, notifier in enumerate(notifiers):
        name = (notifier.kind(), notifier.url_file)
        if name in seen:
            text = f"there is another notifier of the kind {name[0]!r} with the file {str(name[1])!r}"
            yield document.problem(("notifiers", index), text)
        seen.add(name)


def _of_the_site(policies: tuple[Kind, ...], document: Document) -> Iterator[Problem]:
    for index, policy in enumerate(policies):
        if getattr(policy, "of_the_site", False):
            text = f"{policy.kind()!r} is a policy of the whole site: put it into the site file"
            yield document.problem(("policies", index), text)


def _in_order(document: Document, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """All problems by their place; of a value that is one of YAML's traps, only that is said."""
    trapped = {(problem.line, problem.column) for problem in document.problems}
    others = [problem for problem in problems if (problem.line, problem.column) not in trapped]
    return tuple(sorted((*document.problems, *others), key=lambda problem: (problem.line, problem.column)))


def _rooted(outline: Outline, file: Path) -> dict[str, object]:
    """The outline's fields; a relative root on this machine is taken from the spec's own folder."""
    source = outline.source
    root = os.path.normpath(file.resolve().parent / source.root)
    return {**dict(outline), "source": source.model_copy(update={"root": root})}


def _sense(
    outline: Outline, captures: tuple[Capture, ...], checks: tuple[Check[Facts], ...], document: Document
) -> Iterator[Problem]:
    """What no single key can say."""
    source = outline.source
    if not source.paths and not captures:
        yield document.problem(("source",), "neither paths nor captures: nothing would be backed up", at_key=True)
    if not source.root.startswith("/") and source.host != "local":
        yield document.problem(("source", "root"), f"{source.root!r} is no absolute path")
    for index, excluded in enumerate(source.exclude):
        if not any(_may_meet(excluded, path) for path in source.paths):
            text = f"{excluded!r} is below none of the paths, so it excludes nothing"
            yield document.problem(("source", "exclude", index), text)
    for path, times in Counter(path for capture in captures for path in capture.provides()).items():
        if times > 1:
            yield document.problem(
                ("capture",), f"{times} captures write {path!r}: only one would last", at_key=True
            )
    for index, capture in enumerate(captures):
        for path in capture.expects():
            if not any(path == top.rstrip("/") or _is_below(path, top) for top in source.paths):
                text = f"{path!r} is below none of the paths, so the pull would not bring it"
                yield document.problem(("capture", index), text)
    for index, text in senseless(outline.waivers, [check.title for check in checks]):
        yield document.problem(("waivers", index, "check"), text)
    if all(check.only_warns for check in checks):
        yield document.problem(("checks",), f"every check only warns: {NOTHING_REQUIRED}", at_key=True)
    images = sorted({need for check in checks if (need := check.needs())})
    if len(images) > 1 and outline.box.image is None:
        text = f"the checks need the images {' and '.join(images)}, and a box has one: name it, or make two specs"
        yield document.problem(("checks",), text, at_key=True)


def _is_below(path: str, top: str) -> bool:
    return path.startswith(top.rstrip("/") + "/")


def _may_meet(pattern: str, path: str) -> bool:
    """Whether a pattern, as far as it has no wildcard, leads to or below a path."""
    literal = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    below = path.rstrip("/") + "/"
    return literal.startswith(below) or (literal != pattern and below.startswith(literal))


def _kinds(
    seam: Seam[KindT], raw: Value, document: Document, key: str, problems: list[Problem]
) -> tuple[KindT, ...]:
    """A list of one-key mappings `- kind: {…}` as kinds; mistakes go into `problems`."""
    if not isinstance(raw, list):
        problems.append(document.problem((key,), f"{key!r} must be a list of `- kind: {{…}}`"))
        return ()
    found: list[KindT] = []
    for index, item in enumerate(raw):
        at: yamlfile.Path = (key, index)
        if not isinstance(item, dict) or len(item) != 1:
            problems.append(document.problem(at, _one_kind(item, seam)))
            continue
        ((name, value),) = item.items()
        if name not in seam.kinds:
            problems.append(document.problem((*at, name), unknown_key(name, seam.kinds), at_key=True))
            continue
        kind = validated(seam.kinds[name], {} if value is None else value, document, (*at, name))
        if isinstance(kind, tuple):
            problems += kind
        else:
            found.append(kind)
    return tuple(found)


def _one_kind(item: Value, seam: Seam[KindT]) -> str:
    """What is wrong with an item that is not one kind; most often its keys are not indented below it."""
    example = next(iter(seam.kinds), "kind")
    if isinstance(item, str) and item in seam.kinds:
        return f"a colon is missing after the kind: write `- {item}: {{…}}`"
    if isinstance(item, dict) and (kinds := [name for name in item if name in seam.kinds]):
        if len(kinds) == 1:
            return f"the keys of {kinds[0]!r} must be indented deeper than it, or be in braces after it"
        return f"here are several kinds ({', '.join(kinds)}): begin each with a dash of its own"
    return f"one kind is expected here, as in `- {example}: {{…}}`; known here: {', '.join(seam.kinds)}"


def _said(error: OSError | ValueError) -> str:
    """What is wrong, without the file's name, which is said already."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _document(file: Path) -> Document:
    try:
        if file.exists() and not file.is_file():
            raise SpecError((Problem(str(file), 1, 1, "is no regular file"),))
        data = file.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"there is no file {file}") from None
    except (OSError, ValueError) as error:
        raise SpecError((Problem(str(file), 1, 1, f"cannot be read: {_said(error)}"),)) from None
    try:
        return yamlfile.parse(data.decode("utf-8-sig"), str(file))
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        said = f"is no UTF-8 text: the byte 0x{error.object[error.start]:02x} is here"
        raise SpecError((Problem(str(file), line, column, said),)) from None
