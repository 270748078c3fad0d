"""A file that only its owner may read can be read by everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.fields import octal
from backupcheck.mutants.cure import line
from backupcheck.mutants.groups import chosen_groups
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class ModeOpened(Mutator):
    """As a copy without permissions, or a `chmod -R`, leaves it: then services refuse their keys, or others read
    them."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each group of keys, secrets and settings that are closed to others: those that the spec names,
        and the largest others."""
        closed = [one for one in origin.holding("key", "config", "other") if not one.mode & 0o7]
        for group in chosen_groups(origin, closed):
            one = group.files[0]
            alone = group.pattern is None or len({file.mode for file in group.files}) > 1

            def harm(root: Path, path: str = one.path, mode: int = one.mode) -> bool:
                below(root, path).chmod(mode | 0o44)
                return True

            yield self.mutant(
                one.path,
                f"its mode became {octal(one.mode | 0o44)}",
                (one.path,),
                line("files", **({"path": one.path} if alone else {"glob": group.pattern}), mode=octal(one.mode)),
                harm,
            )
