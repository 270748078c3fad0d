"""The first line of a seal: whose it is, and what the next pull must know of this one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from backupcheck.errors import BadBackup

VERSION = 1


class SealBroken(BadBackup):
    """The seal itself cannot be trusted: it is cut, edited or of an unknown version."""

    id = "seal.broken"


@dataclass(frozen=True)
class Header:
    """Who sealed what, when. `taken` is when the pull was complete.

    `machine` is the source's machine-id (empty: not known), `compared` when every file's content was last compared
    with the source, `captured` how many bytes the captures brought. Seals of older versions have none of these.
    """

    service: str
    taken: datetime
    source: str
    hash: str = "blake3"
    machine: str = ""
    compared: datetime | None = None
    captured: int = 0


def header_line(header: Header) -> str:
    """A header as the seal has it."""
    line: dict[str, str | int] = {
        "seal": VERSION,
        "service": header.service,
        "taken": header.taken.isoformat(),
        "hash": header.hash,
        "source": header.source,
    }
    if header.machine:
        line["machine"] = header.machine
    if header.compared:
        line["compared"] = header.compared.isoformat()
    if header.captured:
        line["captured"] = header.captured
    return json.dumps(line)


def header_of(item: dict[str, object]) -> Header:
    """The header that a seal's first line is. Raises `SealBroken`."""
    if item.get("seal") != VERSION:
        raise SealBroken(f"the seal's version is {item.get('seal')!r}; this program knows {VERSION}")
    compared, captured = item.get("compared"), item.get("captured", 0)
    try:
        return Header(
            str(item["service"]),
            _time(item["taken"]),
            str(item["source"]),
            str(item["hash"]),
            str(item.get("machine", "")),
            None if compared is None else _time(compared),
            captured if isinstance(captured, int) else 0,
        )
    except (KeyError, ValueError) as error:
        raise SealBroken("the seal's header is incomplete") from error


def _time(text: object) -> datetime:
    time = datetime.fromisoformat(str(text))
    if time.tzinfo is None:
        raise ValueError("no time zone")
    return time
