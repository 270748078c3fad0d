"""A certificate is a valid one, but another's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from backupcheck.mutants import pairs
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import MOST, Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class CertificateForeign(Mutator):
    """As a file of another installation, or one that a program made for itself."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each certificate of which its names, or a key beside it, tell which is right."""
        now = datetime.now(UTC)
        found = ((one, pairs.leaf(origin, one)) for one in origin.holding("certificate"))
        for one, certificate in [(one, leaf) for one, leaf in found if leaf and pairs.is_lasting(leaf)][:MOST]:
            key = str(PurePosixPath(one.path).with_suffix(".key"))
            asked: dict[str, object] = {"key": "sibling"} if origin.tree.entry(key) else {}
            if names := pairs.hosts(certificate):
                asked["names"] = list(names[:1])
            if not asked:
                continue

            def harm(root: Path, path: str = one.path) -> bool:
                other = pairs.issued((pairs.OTHER,), now - timedelta(days=1), now + timedelta(days=89))
                below(root, path).write_bytes(other)
                return True

            yield self.mutant(
                one.path,
                "a valid certificate of another key and for another name was put in its place",
                (one.path,),
                line("certificate", path=one.path, **asked),
                harm,
            )
