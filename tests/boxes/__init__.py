"""A real box of the process engine on a restored tree that a test has made."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from backupcheck.scratch.process import Process
from backupcheck.seams import Box, BoxRequest
from backupcheck.tree import Tree


def declared(tree: Path) -> tuple[str, ...]:
    """What a spec would declare of this tree: every name on its top's second level, or on its top."""
    tops = [name for name in sorted(tree.iterdir()) if name.name != ".backupcheck"]
    places = [inner for top in tops if top.is_dir() for inner in sorted(top.iterdir())]
    files = [top for top in tops if not top.is_dir()]
    return tuple(f"/{place.relative_to(tree)}" for place in (*files, *places))


@contextlib.contextmanager
def open_box(
    tmp_path: Path, tree: Path, image: str = "base", paths: tuple[str, ...] | None = None
) -> Iterator[Box]:
    """A box whose scratch lies below `tmp_path`, on what was restored into `tree`."""
    folder = tmp_path / "scratch"
    folder.mkdir(exist_ok=True)
    wanted = declared(tree) if paths is None else paths
    request = BoxRequest(service="test", tree=Tree(tree), folder=folder, paths=wanted, image=image)
    with Process().open(request) as box:
        yield box
