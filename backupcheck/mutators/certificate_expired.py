"""A certificate is one that has ended, for the same names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from backupcheck.mutants import pairs
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import MOST, Mutant, Mutator, Where
from backupcheck.mutants.origin import Origin, below


class CertificateExpired(Mutator):
    """As a service leaves it whose renewal fails, or a copy that nobody writes to any more."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each certificate that is valid today, and lives longer than a week."""
        now = datetime.now(UTC)
        found = ((one, pairs.leaf(origin, one)) for one in origin.holding("certificate"))
        for one, certificate in [(one, leaf) for one, leaf in found if leaf and pairs.is_lasting(leaf)][:MOST]:
            names = pairs.hosts(certificate)

            def harm(root: Path, path: str = one.path, names: tuple[str, ...] = names) -> bool:
                old = pairs.issued(names, now - timedelta(days=120), now - timedelta(days=30))
                below(root, path).write_bytes(old)
                return True

            yield self.mutant(
                one.path,
                "a certificate for the same names that ended a month ago was put in its place",
                (one.path,),
                line("certificate", path=one.path),
                harm,
            )
