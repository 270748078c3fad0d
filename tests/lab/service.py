"""What the lab's services have in common: a number on the homelab, an address, data made from a seed."""

from __future__ import annotations

import functools
import hashlib
import importlib
import random
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, ClassVar, Protocol, Self, cast

from backupcheck.lxc import Limits, ServiceContainer
from backupcheck.lxc.fixture import Surroundings
from backupcheck.lxc.transfer import unpack
from tests.lab.image import LAB

Owners = Mapping[str, tuple[int, int]]


class Maker(Protocol):
    """A module that makes a service's files: below a root, at the absolute paths that they have there."""

    OWNERS: Owners

    def make(self, root: Path, rng: random.Random) -> None:
        """Write the files; the same state of `rng` gives the same files."""


def maker(name: str) -> Maker:
    """The module in `tests/lab/makers` of that name."""
    return cast(Maker, importlib.import_module(f"tests.lab.makers.{name}"))


class LabService(ServiceContainer):
    """One of the seven: `number` is the container's on the homelab, CT308 has the address 198.18.3.8."""

    image = LAB
    limits = Limits(disk=1024 * 2**20)
    number: ClassVar[int]
    seed: ClassVar[int] = 0

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls, "number"):
            cls.address = f"198.18.{cls.number // 100}.{cls.number % 100}"

    @classmethod
    def of_seed(cls, seed: int) -> type[Self]:
        """This service, with data made from `seed`."""
        return type(cls.__name__, (cls,), {"seed": seed, "__doc__": cls.__doc__})

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__(surroundings)
        self.rng = random.Random()

    def populate(self) -> None:
        self.rng = random.Random(f"{self.seed}:{self.name}")  # anew: a repaired container has the same data
        self.make_data()

    def make_data(self) -> None:
        """Put the service's data in place, made with `self.rng`."""
        raise NotImplementedError

    def recipe(self) -> str:
        return f"{self.seed} {_code_digest()}"

    def load(self, module: Maker) -> None:
        """Make a maker's files and put them in the container, with their owners."""
        with tempfile.TemporaryDirectory(prefix=f"backupcheck-{self.name}-") as folder:
            root = Path(folder)
            module.make(root, self.rng)
            self.load_tree(root, module.OWNERS)

    def load_tree(self, root: Path, owners: Owners) -> None:
        """Put the files below `root` in the container at their absolute paths, with those owners."""
        with tempfile.TemporaryFile() as stream:
            pack(root, owners, stream)
            stream.seek(0)
            unpack(self.container, stream)


def pack(root: Path, owners: Owners, stream: IO[bytes]) -> None:
    """Write the tree below `root` as tar, each entry owned by what the longest prefix of its path says."""

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid, member.gid = owner_of(f"/{member.name}", owners)
        member.uname = member.gname = ""
        return member

    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path in sorted(root.iterdir()):
            archive.add(path, arcname=path.name, filter=owned)


def owner_of(path: str, owners: Owners) -> tuple[int, int]:
    """The owner of the longest prefix that covers `path`; root's if none does."""
    covering = [prefix for prefix in owners if path == prefix or path.startswith(f"{prefix.rstrip('/')}/")]
    return owners[max(covering, key=len)] if covering else (0, 0)


@functools.cache
def _code_digest() -> str:
    """A digest of everything that data is made from: changed code makes changed containers."""
    here = Path(__file__).parent
    files = sorted(
        path for path in here.rglob("*") if path.suffix in (".py", ".sql") or path.name.endswith("Caddyfile")
    )
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files if "test_" not in path.name)).hexdigest()
