"""A file has no content any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants.cure import line
from backupcheck.mutants.groups import chosen_groups
from backupcheck.mutants.mutant import Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class FileEmptied(Mutator):
    """As a crash or a full disk leaves one that was just being written."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each group of files of a like that the spec names, and the largest others: the first of it."""
        for group in chosen_groups(origin, origin.artefacts):
            path = group.files[0].path

            def harm(root: Path, path: str = path) -> bool:
                os.truncate(below(root, path), 0)
                return True

            did, cure = "it was emptied", line("files", path=path, size={"gte": 1})
            if group.pattern:
                did = f"it was emptied, one of {len(group.files)} files {group.pattern}"
                cure = line("files", glob=group.pattern, size={"gte": 1})
            yield self.mutant(path, did, (path,), cure, harm)
