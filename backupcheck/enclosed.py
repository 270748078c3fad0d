"""Whether a key lies in what it opens, so that both are lost together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from backupcheck.spec import Site, Spec


def backed_up_around(file: Path, site: Site, specs: Sequence[Spec]) -> Path | None:
    """The folder around a file of this machine that is backed up: the mirror, or a path of a service here; None
    where none is."""
    real = file.resolve()
    local = [
        Path(spec.source.root) / path.lstrip("/")
        for spec in specs
        if spec.source.host == "local"
        for path in spec.source.paths
    ]
    places = (site.mirror.resolve(), *local)
    return next((place for place in places if place == real or place in real.parents), None)
