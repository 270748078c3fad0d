"""Finds the kinds of a seam: the folder's listing is the registry, and installed packages may add to it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
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


KindT = TypeVar("KindT", bound=Kind, covariant=True)


@dataclass(frozen=True)
class Seam(Generic[KindT]):
    """A place where kinds plug in: a folder of this package, and the entry point group of the same name."""

    name: str
    package: str

    @cached_property
    def kinds(self) -> Mapping[str, type[KindT]]:
        """Every kind by its word, in alphabetical order; loads them all. Raises `UsageError` for a plug-in that
        cannot be loaded. A plug-in never takes the place of a kind of this package."""
        found = {name: self._own(name) for name in self._listing()}
        for point in entry_points(group=self.package):
            found.setdefault(point.name, self._installed(point))
        return dict(sorted(found.items()))

    def kind(self, name: str) -> type[KindT]:
        """One kind. Raises `UsageError` for a word that is none."""
        try:
            return self.kinds[name]
        except KeyError:
            raise UsageError(f"there is no {self.name} kind {name!r}; {nearest(name, self.kinds)}") from None

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
