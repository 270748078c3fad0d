"""What all records share: frozen, no unknown fields, and texts that are printable and bounded."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

LONGEST_TEXT = 1000


def printable(text: str) -> str:
    r"""`text` with every control, unassigned or half character escaped (`\n`, `\x1b`, `\udc80`), and bounded.

    At most `LONGEST_TEXT` characters come back, so a text that went through once stays as it is.
    """
    start = text[:LONGEST_TEXT]
    if not start.isprintable():
        start = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
            for letter in start
        )
    if len(text) <= LONGEST_TEXT and len(start) <= LONGEST_TEXT:
        return start
    ending = f"… ({len(text)} characters)"
    return start[: LONGEST_TEXT - len(ending)] + ending


def _printable_if_text(value: object) -> object:
    return printable(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_printable_if_text)]
Scalar = Annotated[str | int | float | bool | None, BeforeValidator(_printable_if_text)]


class Record(BaseModel):
    """What all records share: frozen, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")
