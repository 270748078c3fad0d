"""A private key is a sound one of the same type, but another one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backupcheck.mutants import pairs
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import MOST, Mutant, Mutator, Where
from backupcheck.mutants.origin import Artefact, Origin, below


class KeySwapped(Mutator):
    """As a service leaves it that made itself a new key, or a file of another installation."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each key that has its certificate in the service: of others nothing tells which is right."""
        found = ((one, _partner(origin, one)) for one in origin.holding("key"))
        for one, certificate in [(one, other) for one, other in found if other][:MOST]:

            def harm(root: Path, one: Artefact = one) -> bool:
                key = pairs.private(origin, one)
                fresh = key and pairs.another(key)
                if not fresh:
                    return False
                below(root, one.path).write_bytes(pairs.as_text(fresh))
                return True

            yield self.mutant(
                one.path,
                "another key of the same type was put in its place",
                (one.path,),
                line("keypair", private=one.path, fits=[certificate]),
                harm,
            )


def _partner(origin: Origin, artefact: Artefact) -> str | None:
    key = pairs.private(origin, artefact)
    return pairs.partner(origin, key) if key else None
