"""The names in a folder, in order."""

from __future__ import annotations

from pathlib import Path


def names_in(folder: Path) -> list[str]:
    """The names of what lies right in `folder`, sorted."""
    return sorted(place.name for place in folder.iterdir())
