"""The values that a spec or site file may have, each with what is wrong about another."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from backupcheck.duration import Duration
from backupcheck.mistakes import nearest
from backupcheck.seams import ENGINES

MOST_CARRIED = timedelta(days=31)


def _absolute(path: str) -> str:
    if not path.startswith("/") or path.strip("/") == "":
        raise ValueError(f"{path!r} is no absolute path below /: write it like /opt/app/data/")
    if ".." in path.split("/") or "//" in path or "`" in path or not path.isprintable():
        # rsync before 3.3 does not quote a backtick for the source's shell
        raise ValueError(f"{path!r} has a `..`, a double slash, a backtick or an unprintable character in it")
    return path


def _host(host: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@:-]{0,253}", host):
        raise ValueError(f"{host!r} is no ssh host: letters, digits and . _ @ : - only, not beginning with -")
    return host


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,6}[KMGT]", text):
        raise ValueError(f'{text!r} is no size: write it like "512M" or "4G"')
    return text


def _deletions(bound: str | int) -> str | int:
    if isinstance(bound, str) and not re.fullmatch(r"([0-9]|[1-9][0-9]|100)%", bound):
        raise ValueError(f'{bound!r} is no bound: write a share like "50%", or a number of names')
    return bound


def _word(word: str) -> str:
    if not word or not word.isprintable():
        raise ValueError(f"{word!r} is empty or has an unprintable character in it")
    return word


def _place(path: Path) -> Path:
    text = str(path)
    if not text.isprintable():
        raise ValueError(f"{text!r} has an unprintable character in it")
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{text!r}: there is no such user's home") from None


def _named(path: Path) -> Path:
    if path == Path():
        raise ValueError("must name a file or folder; the site file's own folder is not meant to be it")
    return path


def _engine(name: str) -> str:
    known = ["auto", *ENGINES.kinds]
    if name not in known:
        raise ValueError(f"{name!r} is no engine; {nearest(name, known)}")
    return name


def _carried(bound: timedelta) -> timedelta:
    if not timedelta(hours=1) <= bound <= MOST_CARRIED:
        raise ValueError("a proof is carried for 1h to 31d: by then the service is restored anew")
    return bound


def _prom(path: Path) -> Path:
    if path.suffix != ".prom":
        raise ValueError(f"{str(path)!r} does not end with .prom, and node_exporter reads no other file")
    return path


def _text(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


AbsolutePath = Annotated[str, AfterValidator(_absolute), _text(r"^/(?!/*$)(?!.*//)(?!.*`)(?!(.*/)?\.\.(/|$))")]
Host = Annotated[str, AfterValidator(_host), _text(r"^[A-Za-z0-9][A-Za-z0-9._@:-]{0,253}$")]
Size = Annotated[str, AfterValidator(_size), _text(r"^[1-9][0-9]{0,6}[KMGT]$")]
Bound = Annotated[
    Annotated[int, Field(ge=0)] | Annotated[str, _text(r"^([0-9]|[1-9][0-9]|100)%$")], AfterValidator(_deletions)
]
Word = Annotated[str, AfterValidator(_word), _text(r"^[^\x00-\x1f]+$")]
Folder = Annotated[Path, AfterValidator(_place), WithJsonSchema({"type": "string"})]
Place = Annotated[Path, AfterValidator(_named), AfterValidator(_place), _text(r"^(?!(\./*)*$)")]
Textfile = Annotated[Path, AfterValidator(_place), AfterValidator(_prom), _text(r".\.prom$")]
CarryFor = Annotated[Duration, AfterValidator(_carried)]
EngineName = Annotated[str, AfterValidator(_engine), WithJsonSchema({"type": "string"})]
