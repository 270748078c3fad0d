"""A shard of a CouchDB database is not there, and CouchDB serves what is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import MOST, Mutant, Mutator, Where
from backupcheck.mutants.origin import Artefact, Origin, below


class ShardRemoved(Mutator):
    """As a copy leaves it that was taken while a compaction renamed the file."""

    where = Where.WAY

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each database: its largest shard is gone."""
        largest: dict[str, Artefact] = {}
        for one in origin.holding("couch"):
            if "/shards/" not in one.path or "/.shards/" in one.path:
                continue
            database = PurePosixPath(one.path).name.partition(".")[0]
            if database not in largest or one.size > largest[database].size:
                largest[database] = one
        for database, one in sorted(largest.items())[:MOST]:

            def harm(root: Path, path: str = one.path) -> bool:
                below(root, path).unlink()
                return True

            data = one.path.partition("/shards/")[0]
            yield self.mutant(
                one.path,
                f"this shard of the database {database} was removed",
                (one.path,),
                line("couchdb", **origin.like("couchdb", "data", data)),
                harm,
            )
