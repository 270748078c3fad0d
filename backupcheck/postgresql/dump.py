r"""A plain PostgreSQL dump, read as its client would read it, without loading it; pure.

psql cannot tell a dump that was cut at a line's end inside COPY from a whole one, and it obeys `\!` and its like
wherever they stand outside of quotes. So every token of the dump is looked at before psql is: the header, the
trailer, the rows of each COPY up to its `\.`, and every backslash.
"""

from __future__ import annotations

import mmap
import re
from typing import IO

from backupcheck.postgresql.dumped import Dump as Dump
from backupcheck.postgresql.names import DATABASE, EXTENSION, ROLES, names_in

HEADER = b"-- PostgreSQL database dump"
CLUSTER = b"-- PostgreSQL database cluster dump"
TRAILER = b"-- PostgreSQL database dump complete"
START = 8192
MOST_NAMES = 200
SHOWN = 200
MOST_COPIES = 20_000
PIECE, MOST_HELD = 2**20, 2**24
MARK = 4
"""The bytes of the longest mark behind rows, `\\.` at a line's end."""

TOKEN = re.compile(
    rb"""(?x)
    (?P<comment>--[^\n]*)
    | (?P<block>/\*)
    | (?P<escaped>[eE](?<![\w$\x80-\xff].)'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+(?P<escaped_end>')?)
    | (?P<text>'[^']*+(?:''[^']*+)*+(?P<text_end>')?)
    | (?P<name>"[^"]*+(?:""[^"]*+)*+(?P<name_end>")?)
    | (?P<copy>C(?<![^\n].)OPY(?=\ )(?:"[^"]*+"|[^"'\\;\n\ ]++|\ (?!FROM\ stdin;))*+\ FROM\ stdin;\r?\n)
    | (?P<dollar>\$(?<![\w$\x80-\xff].)(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$)
    | (?P<meta>\\[^\n]*)
    """,
    re.DOTALL,
)
INK = re.compile(rb"\S")
MARKS_OF_BLOCK = re.compile(rb"/\*|\*/")
END_OF_COPY = re.compile(rb"(?<=\n)\\\.\r?(?:\n|\Z)")
ROWS = re.compile(rb"(?:[^\\]++|\\[bfnrtvN\\])*+")
"""What pg_dump writes between COPY and its end; whatever else follows a backslash could be a command."""
ALLOWED = re.compile(rb"\\(?:restrict|unrestrict) [A-Za-z0-9]+\s*")
CONNECT = re.compile(rb'\\connect (?:-reuse-previous=on )?"?([\w-]+)"?\s*')
BEHIND = re.compile(rb"(?:\s++|--[ \t\r]*+\n|--[ \t\r]*+\Z|\\unrestrict [A-Za-z0-9]++)*+")
BACKSLASHES_QUOTE = re.compile(rb"standard_conforming_strings(?! = on[;\"])")  # the second in pg_dump's own words
VERSION = re.compile(rb"^-- Dumped (?:from database|by pg_dump) version (\d{1,4})(?!\d)", re.MULTILINE)


def read_dump(file: IO[bytes]) -> Dump:
    """Read an open plain dump, from its beginning to its end; memory stays flat."""
    if file.seek(0, 2) == 0:
        return Dump(size=0)
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if INK.search(data) is None:
            return Dump(size=0)
        return Reader(data).read()


class Reader:
    """A walk over the tokens of a dump; `copies` are each COPY's heading and where its rows begin and end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.cut: str | None = None
        self.hostile: list[str] = []
        self.trailers: list[int] = []
        self.roles: dict[str, None] = {}
        self.extensions: dict[str, None] = {}
        self.databases: set[bytes] = set()
        self.body = 0
        self.nul: int | None = None
        self.restricts: list[tuple[int, int]] = []
        self.copies: list[tuple[bytes, int, int]] = []
        self._sql_from = 0
        self._forgotten = 0

    def read(self) -> Dump:
        at, start = 0, self.data[:START]
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            return Dump(size=len(self.data), starts_with="a text in UTF-16, as PowerShell's > writes it")
        while (token := TOKEN.search(self.data, at)) and self.cut is None:
            at = self._take(token)
            if at - self._forgotten > MOST_HELD:
                self._forget(at)
        self._note_names(self._sql_from, len(self.data))
        if self.cut is None and not self.trailers:
            self.cut = "it ends without pg_dump's last line"
        behind = self._behind()
        self._search_nul()
        return Dump(
            size=len(self.data),
            cluster=CLUSTER in start,
            starts_with=_before(start),
            ends_with=behind,
            cut=self.cut,
            nul=self.nul,
            hostile=tuple(self.hostile),
            major=max((int(version) for version in VERSION.findall(start)), default=None),
            roles=tuple(self.roles)[:MOST_NAMES],
            extensions=tuple(self.extensions)[:MOST_NAMES],
            body=self.body,
            end=self.trailers[0] if behind is not None else len(self.data),
            restricts=tuple(self.restricts),
        )

    def _take(self, token: re.Match[bytes]) -> int:
        """Judge one token; the offset at which the next one is looked for."""
        kind, end = token.lastgroup, token.end()
        if kind == "comment" and token.group().rstrip() == TRAILER:
            self.trailers.append(end)
        elif kind == "copy":
            return self._rows(token)
        elif kind == "dollar":
            return self._end_of(token, self.data.find(token.group(), end))
        elif kind == "block":
            return self._end_of(token, self._end_of_block(end))
        elif kind == "meta":
            self._command(token)
        elif kind in ("escaped", "text", "name"):
            self._closed(token)
        return end

    def _closed(self, token: re.Match[bytes]) -> None:
        if not (token["escaped_end"] or token["text_end"] or token["name_end"]):
            self.cut = f"it ends within the quotes that line {self._line(token.start())} opens"

    def _end_of(self, token: re.Match[bytes], closing: int) -> int:
        """The offset behind what a token opens, given where its closing mark is, or -1."""
        if closing < 0:
            self.cut = f"it ends within what line {self._line(token.start())} opens"
        return closing + (2 if token.lastgroup == "block" else len(token.group()))

    def _end_of_block(self, at: int) -> int:
        """Where a comment's closing mark is; comments may lie within comments."""
        depth = 1
        for mark in MARKS_OF_BLOCK.finditer(self.data, at):
            depth += 1 if mark.group() == b"/*" else -1
            if depth == 0:
                return mark.start()
        return -1

    def _rows(self, token: re.Match[bytes]) -> int:
        """The rows of a COPY."""
        self._note_names(self._sql_from, token.end())
        table = token.group().split(b" ")[1].decode("utf-8", "backslashreplace")
        end, behind, odd = self._end_of_rows(token.end())
        if len(self.copies) < MOST_COPIES:
            self.copies.append((token.group(), token.end(), end))
        if behind is None:
            self.cut = f"it ends within the rows of {table}"
        elif odd is not None:
            self._note_hostile(odd)
        self._sql_from = end if behind is None else behind
        return self._sql_from

    def _end_of_rows(self, start: int) -> tuple[int, int | None, int | None]:
        """Where the rows end that begin at an offset, where their mark ends, None if there is no mark, and where
        the first backslash in them stands that pg_dump never writes, if there is one.
        """
        at, size, harmless, odd = start, len(self.data), start, None
        while True:
            until = min(at + PIECE, size)
            piece = self.data[at - 1 : until + MARK]
            self._note_nul(piece, at - 1)
            backslash = b"\\" in piece
            found = self._mark(at - 1, until + MARK) if backslash and b"\n\\." in piece else None
            end = found.start() if found else until
            self._note_nul(self.data[until:end], until)
            if odd is None:
                harmless = self._harmless(harmless, end) if backslash else end
                split = found is None and end < size and harmless == end - 1
                odd = None if harmless == end or split else harmless
            if found or until == size:
                return end, found.end() if found else None, odd
            at = until
            self._forget(at - 1)

    def _mark(self, start: int, until: int) -> re.Match[bytes] | None:
        """The mark at the end of rows, if it begins between two offsets."""
        while (found := END_OF_COPY.search(self.data, start, until)) and found.end() == until < len(self.data):
            until += MARK  # to a regular expression its last offset is the end of the text
        return found

    def _harmless(self, start: int, end: int) -> int:
        """How far the rows have no backslash but those that pg_dump writes."""
        if self.data[start:end].find(b"\\") < 0:
            return end
        matching = ROWS.match(self.data, start, end)
        return matching.end() if matching else start

    def _forget(self, until: int) -> None:
        """Let go of the pages before an offset, so that memory stays flat."""
        page = until - until % mmap.PAGESIZE
        if page > self._forgotten:
            self.data.madvise(mmap.MADV_DONTNEED, self._forgotten, page - self._forgotten)
            self._forgotten = page

    def _command(self, token: re.Match[bytes]) -> None:
        connect = CONNECT.fullmatch(token.group())
        if connect is not None:
            self._note_names(self._sql_from, token.start())
            self._sql_from = token.start()
            if connect[1] in self.databases and self.body == 0:
                self.body = token.end()
                return
        if ALLOWED.fullmatch(token.group()):
            if len(self.restricts) < MOST_NAMES:
                self.restricts.append(token.span())
        else:
            self._note_hostile(token.start())

    def _note_hostile(self, at: int) -> None:
        if len(self.hostile) < MOST_NAMES:  # the number of a line costs a walk
            line = self.data[at : at + SHOWN].split(b"\n")[0].decode("utf-8", "backslashreplace")
            self.hostile.append(f"line {self._line(at)}: {line}")

    def _note_names(self, start: int, end: int) -> None:
        """Collect the roles, extensions and databases that a stretch of SQL names."""
        if start >= end:
            return
        text = memoryview(self.data)[start:end]
        try:
            for pattern in ROLES:
                self.roles.update(dict.fromkeys(names_in(pattern, text)))
            self.extensions.update(dict.fromkeys(names_in(EXTENSION, text)))
            self.databases.update(name.encode() for name in names_in(DATABASE, text))
            odd = BACKSLASHES_QUOTE.search(text)
            found = None if odd is None else start + odd.start()
            odd = None
        finally:
            text.release()
        if found is not None:
            self._note_hostile(found)

    def _behind(self) -> str | None:
        """What follows the trailer and is not pg_dump's; a second dump, for instance."""
        if not self.trailers:
            return None
        allowed = BEHIND.match(self.data, self.trailers[0])
        at = allowed.end() if allowed else self.trailers[0]
        rest = self.data[at : at + SHOWN]
        return rest.split(b"\n")[0].decode("utf-8", "backslashreplace") if rest else None

    def _note_nul(self, piece: bytes, at: int) -> None:
        if (found := piece.find(b"\0")) >= 0:
            self.nul = at + found if self.nul is None else min(self.nul, at + found)

    def _search_nul(self) -> None:
        """Look for the first zero byte where that was not done with the rows, either."""
        self._forgotten = at = 0
        for _, start, end in [*self.copies, (b"", len(self.data), 0)]:
            for place in range(at, start, PIECE):
                self._note_nul(self.data[place : min(place + PIECE, start)], place)
                self._forget(place)
            at = end

    def _line(self, at: int) -> int:
        """The number of the line that an offset is on."""
        return 1 + sum(self.data[start : min(at, start + 2**20)].count(b"\n") for start in range(0, at, 2**20))


def _before(start: bytes) -> str | None:
    """The first line that is not blank, if it is no comment; or if no header is there at all."""
    lines = start.removeprefix(b"\xef\xbb\xbf").split(b"\n")  # psql passes over this mark of Windows' programs
    first = next((line for line in lines if line.strip()), b"(blanks)")
    if first.startswith(b"--") and (HEADER in start or CLUSTER in start):
        return None
    return first[:SHOWN].decode("utf-8", "backslashreplace")
