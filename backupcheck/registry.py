"""Finds the kinds of a seam: the folder's listing is the registry, and installed packages may add to it."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from backupcheck.errors import UsageError
from backupcheck.mistakes import nearest


class Kind(BaseModel):
    """One variant of a seam. Frozen; unknown keys and coerced types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def kind(cls) -> str:
        """The word that a spec uses for it: the name of its module."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def caption(cls) -> str:
        """What it is, in a line: the first of its module's docstring."""
        documented = (sys.modules[cls.__module__].__doc__ or "").strip()
        return documented.splitlines()[0] if documented else ""


KindT = TypeVar("KindT", bound=Kind, covariant=True)


class _Kinds(Mapping[str, type[KindT]]):
    """Kinds by their word, in alphabetical order, each loaded when it is first asked for."""

    def __init__(self, names: list[str], load: Callable[[str], type[KindT]], more: dict[str, type[KindT]]) -> None:
        self._load = load
        self._found: dict[str, type[KindT] | None] = dict(sorted({**more, **dict.fromkeys(names)}.items()))

    def __getitem__(self, name: str) -> type[KindT]:
        if (kind := self._found[name]) is None:
            kind = self._found[name] = self._load(name)
        return kind

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


@dataclass(frozen=True)
class Seam(Generic[KindT]):
    """A place where kinds plug in: a folder of this package, and the entry point group of the same name."""

    name: str
    package: str

    @cached_property
    def kinds(self) -> Mapping[str, type[KindT]]:
        """Every kind by its word, in alphabetical order; one of this package is loaded when it is asked for.

        Raises `UsageError` for a plug-in that cannot be loaded; none takes the place of a kind of this package.
        """
        more = {point.name: self._installed(point) for point in entry_points(group=self.package)}
        return _Kinds(self._listing(), self._own, more)

    def kind(self, name: str) -> type[KindT]:
        """One kind. Raises `UsageError` for a word that is none."""
        try:
            return self.kinds[name]
        except KeyError:
            raise UsageError(f"there is no {self.name} kind {name!r}; {nearest(name, self.kinds)}") from None

    def captions(self) -> dict[str, str]:
        """What each kind is, in a line; loads none of this package, whose captions stand in their files."""
        folder, own = Path(importlib.import_module(self.package).__path__[0]), set(self._listing())
        return {
            name: _caption(folder / f"{name}.py") if name in own else self.kinds[name].caption()
            for name in self.kinds
        }

    def _listing(self) -> list[str]:
        folder = importlib.import_module(self.package)
        return [module.name for module in pkgutil.iter_modules(folder.__path__) if module.name[0] != "_"]

    def _own(self, name: str) -> type[KindT]:
        module = importlib.import_module(f"{self.package}.{name}")
        class_name = "".join(word.capitalize() for word in name.split("_"))
        kind: type[KindT] = getattr(module, class_name)
        return kind

    def _installed(self, point: EntryPoint) -> type[KindT]:
        try:
            kind: object = point.load()
        except Exception as error:
            raise self._unusable(point, f"cannot be loaded: {error}") from error
        if not (isinstance(kind, type) and issubclass(kind, Kind)):
            raise self._unusable(point, f"is no kind: {point.value}")
        if kind.kind() != point.name:
            raise self._unusable(point, f"calls itself {kind.kind()!r}: name its module {point.name}.py")
        return cast("type[KindT]", kind)

    def _unusable(self, point: EntryPoint, why: str) -> UsageError:
        package = point.dist.name if point.dist else "an installed package"
        return UsageError(f"the {self.name} kind {point.name!r} of {package} {why}", id="plug-in.unusable")


def _caption(file: Path) -> str:
    """The first line of the docstring that a file begins with."""
    with file.open(encoding="utf-8") as source:
        return source.readline().strip().strip('"')
