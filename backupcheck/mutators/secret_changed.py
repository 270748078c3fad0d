"""A secret has one character that is not its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from backupcheck.fields import octal
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import MOST, Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below
from backupcheck.mutants.pairs import content

LARGEST = 4096
LEAST = 16
HEX = re.compile(rb"(?:[0-9a-f]{2}){8,}|(?:[0-9A-F]{2}){8,}")
NAMED = re.compile(r"secret|password|passwd|token|(^|[._-])key($|[._-])|_key", re.IGNORECASE)


class SecretChanged(Mutator):
    """As an editor, a shell or a hand that copies spoils it. Which digit is right only its user knows, so a digit
    becomes a letter that is none, and of other texts the last character is lost."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each file that is one long word, is named like a secret or open to nobody else."""
        found = 0
        for one in origin.holding("other", "config"):
            if one.size > LARGEST or not (NAMED.search(one.path.rpartition("/")[2]) or not one.mode & 0o7):
                continue
            whole = content(origin, one)
            word = whole.strip()
            if len(word) < LEAST or not word.isascii() or not word.decode("ascii", "replace").isprintable():
                continue
            if len(word.split()) > 1 or len(set(word)) < LEAST // 4 or found == MOST:
                continue
            found += 1
            at = whole.index(word) + len(word) // 2
            is_hex = HEX.fullmatch(word) is not None
            changed = whole[:at] + b"x" + whole[at + 1 :] if is_hex else whole.replace(word, word[:-1])

            def harm(root: Path, path: str = one.path, changed: bytes = changed) -> bool:
                below(root, path).write_bytes(changed)
                return True

            asked: dict[str, object] = {"format": "hex"} if is_hex else {"length": len(word)}
            yield self.mutant(
                one.path,
                "one of its digits became a letter" if is_hex else "its last character was lost",
                (one.path,),
                line("secret", path=one.path, **asked, mode=octal(one.mode)),
                harm,
            )
