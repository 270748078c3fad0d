"""How kinds are found: by the folder's listing, and by the entry points of installed packages."""

from __future__ import annotations

import pkgutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import ValidationError

from backupcheck import registry, seams
from backupcheck.errors import UsageError
from backupcheck.result import Finding
from backupcheck.seams import CHECKS, SEAMS, Box, Check, Facts, Kind, Moment, Seam

PLUG_IN = '''
"""Asks nothing."""
from backupcheck.registry import Kind

class {name}(Kind):
    """A kind."""
'''


@pytest.fixture
def seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Seam[Kind]:
    """A seam of a package that is made for the test, with one kind of its own: `own_kind`."""
    package = tmp_path / "seam_for_a_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "own_kind.py").write_text(PLUG_IN.format(name="OwnKind"))
    (package / "_private.py").write_text("raise AssertionError('nobody may import this')")
    (tmp_path / "alien.py").write_text(PLUG_IN.format(name="Alien"))
    (tmp_path / "broken.py").write_text("raise RuntimeError('no licence key')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "entry_points", lambda group: ())
    for name in [name for name in sys.modules if name.startswith(("seam_for_a_test", "alien", "broken"))]:
        monkeypatch.delitem(sys.modules, name)
    return Seam("thing", "seam_for_a_test")


def plug_in(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Let a package be installed that offers a kind."""
    point = EntryPoint(name, value, "seam_for_a_test")
    monkeypatch.setattr(registry, "entry_points", lambda group: (point,) if group == "seam_for_a_test" else ())


def test_the_listing_of_the_folder_is_the_registry(seam: Seam[Kind]) -> None:
    assert list(seam.kinds) == ["own_kind"]
    assert seam.kinds["own_kind"].kind() == "own_kind"


@pytest.mark.parametrize("seam", SEAMS, ids=lambda seam: seam.name)
def test_every_file_of_a_seam_s_folder_is_a_kind(seam: Seam[Kind]) -> None:
    folder = Path(seams.__file__).parent / seam.package.rpartition(".")[2]
    listed = sorted(name for _, name, _ in pkgutil.iter_modules([str(folder)]) if name[0] != "_")

    assert list(seam.kinds) == listed


def test_an_installed_package_adds_a_kind(seam: Seam[Kind], monkeypatch: pytest.MonkeyPatch) -> None:
    plug_in(monkeypatch, "alien", "alien:Alien")

    assert list(seam.kinds) == ["alien", "own_kind"]


def test_a_plug_in_never_takes_the_place_of_an_own_kind(seam: Seam[Kind], monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(sys.path[0]) / "elsewhere").mkdir()
    (Path(sys.path[0]) / "elsewhere" / "own_kind.py").write_text(PLUG_IN.format(name="OwnKind"))
    plug_in(monkeypatch, "own_kind", "elsewhere.own_kind:OwnKind")

    assert seam.kinds["own_kind"].__module__ == "seam_for_a_test.own_kind"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("broken", "broken:Broken", "cannot be loaded: no licence key"),
        ("gone", "no_such_module_here:Gone", "cannot be loaded: No module named"),
        ("alien", "alien:Nobody", "cannot be loaded"),
        ("number", "sys:maxsize", "is no kind: sys:maxsize"),
        ("other", "alien:Alien", r"calls itself 'alien': name its module other\.py"),
    ],
)
def test_a_plug_in_that_is_none_is_named(
    seam: Seam[Kind], monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    plug_in(monkeypatch, name, value)
    with pytest.raises(UsageError, match=f"the thing kind '{name}' of an installed package {said}"):
        _ = seam.kinds


def test_a_word_that_is_no_kind_brings_the_nearest(seam: Seam[Kind]) -> None:
    with pytest.raises(UsageError, match=r"there is no thing kind 'own_kin'; did you mean 'own_kind'\?"):
        seam.kind("own_kin")


def test_a_word_that_is_a_kind_brings_it(seam: Seam[Kind]) -> None:
    assert seam.kind("own_kind").kind() == "own_kind"


class Asking(Check[Facts]):
    """A check, for tests."""

    def observe(self, box: Box) -> Facts:
        raise NotImplementedError

    def judge(self, facts: Facts, moment: Moment) -> list[Finding]:  # type: ignore[override]
        raise NotImplementedError

    def subject(self) -> str:
        return "/a.db"


def test_a_check_is_called_by_its_name_or_by_what_it_looks_at() -> None:
    assert Asking().title == "test_seams /a.db"
    assert Asking(name="the recipes").title == "the recipes"


def test_a_kind_takes_no_unknown_key_no_other_type_and_no_change() -> None:
    with pytest.raises(ValidationError):
        Asking(nam="x")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Asking.model_validate({"name": 5})
    with pytest.raises(ValidationError):
        Asking().name = "x"  # type: ignore[misc]


def test_kinds_are_loaded_once() -> None:
    assert CHECKS.kinds is CHECKS.kinds
