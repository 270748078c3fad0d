r"""What rsync says that it does, name by name, in lines that nobody else can write.

A source may print whatever it likes, and rsync passes it on. So each line of ours begins and ends with a word that
is drawn anew for each run and that the source never sees. With `-8` rsync escapes exactly the control characters,
and a backslash that would read as an escape, as `\#ooo` (rsync(1), --8-bit-output), so that every name comes back
as its bytes.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from backupcheck.errors import PullError

DELETED = "*deleting"
CREATED = "+++++++++"
ESCAPED = re.compile(rb"\\#([0-3][0-7]{2})")


class Garbled(PullError):
    """A line of rsync's that was cut by something else that was printed."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line: the letters of `--itemize-changes`, the file's size, and its absolute path at the source."""

    change: str
    size: int
    path: bytes
    folder: bool

    @property
    def deleted(self) -> bool:
        """Whether the name goes from the mirror."""
        return self.change.startswith(DELETED)

    @property
    def created(self) -> bool:
        """Whether the name was not in the mirror before."""
        return self.change.endswith(CREATED)

    @property
    def written(self) -> bool:
        """Whether a file, hard link or symlink got other content (or another target)."""
        return self.change[0] in ">ch" and self.change[1] in "fL"

    @property
    def silent(self) -> bool:
        """Whether its content differed while its size and time did not."""
        return self.change.startswith(">fc") and self.change[3:5] == ".."


@dataclass(frozen=True)
class Lines:
    """The form of the lines of one run."""

    word: str = field(default_factory=lambda: secrets.token_hex(12))

    @property
    def options(self) -> tuple[str, ...]:
        """rsync's options that make it write them."""
        return "-8", f"--out-format={self.word} %i %l %n/{self.word}"

    def read(self, line: bytes) -> Item | None:
        """The item of a line; None for what rsync or the source said besides. Raises `Garbled`."""
        word = self.word.encode()
        _, begun, rest = line.partition(word + b" ")
        if not begun:
            return None
        said, ended, after = rest.rpartition(b"/" + word)
        change, size, name = said[:11], *said[12:].partition(b" ")[::2]
        if not ended or after.strip() or word in said or not size.isdigit():
            raise Garbled("a line of rsync's was cut by something else that was printed")
        path = b"/" + ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), name)
        return Item(change.decode("latin-1"), int(size), path.rstrip(b"/"), path.endswith(b"/"))
