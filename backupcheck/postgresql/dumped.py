"""What a plain dump is made of, as it was read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Dump(BaseModel):
    """What a dump is made of.

    `starts_with` and `ends_with` are a line before the header, or behind the trailer, that is not pg_dump's.
    `cut` says where it was cut. `hostile` are commands that pg_dump never writes, with their lines. `major` is the
    highest version of server or pg_dump that the header names. What is loaded reaches from the offset `body` to
    `end`; `restricts` are its `\\restrict` and `\\unrestrict` lines, which older clients do not know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    cluster: bool = False
    starts_with: str | None = None
    ends_with: str | None = None
    cut: str | None = None
    nul: int | None = None
    hostile: tuple[str, ...] = ()
    major: int | None = None
    roles: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    body: int = 0
    end: int = 0
    restricts: tuple[tuple[int, int], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether psql may be given it."""
        troubles = (self.cluster, self.starts_with, self.cut, self.hostile, self.nul is not None)
        return self.size > 0 and not any(troubles)
