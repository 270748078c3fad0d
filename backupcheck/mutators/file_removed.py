"""A file is not there any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants.cure import line
from backupcheck.mutants.groups import chosen_groups
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class FileRemoved(Mutator):
    """As somebody's hand, a clean-up or an `exclude` too many leaves it."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each group of files of a like that the spec names, and the largest others: the last of it."""
        for group in chosen_groups(origin, origin.artefacts):
            path = group.files[-1].path

            def harm(root: Path, path: str = path) -> bool:
                below(root, path).unlink()
                return True

            did, cure = "it was removed", line("files", path=path)
            if group.pattern:
                did = f"it was removed, one of {len(group.files)} files {group.pattern}"
                cure = line("files", glob=group.pattern, count={"gte": len(group.files)})
            yield self.mutant(path, did, (path,), cure, harm)
