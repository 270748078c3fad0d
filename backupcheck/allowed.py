"""What a sync runs and pulls at a service's source: all that the keys there must allow, and nothing else."""

from __future__ import annotations

from backupcheck.identity import question
from backupcheck.spec import Spec


def commands(spec: Spec) -> tuple[tuple[str, ...], ...]:
    """Every command line that a sync of the service may run at its source, each once."""
    source = spec.source
    hooks = [hook.run for hook in (source.before, source.after) if hook]
    taken = [words for capture in spec.capture for words in capture.commands(source.root)]
    return tuple(dict.fromkeys([question(source.root), *hooks, *taken]))


def pulls(spec: Spec) -> tuple[tuple[str, ...], ...]:
    """The paths of each rsync that a sync of the service may make, each set once."""
    taken = [paths for capture in spec.capture for paths in capture.pulls()]
    own = [spec.source.paths] if spec.source.paths else []
    return tuple(dict.fromkeys([*taken, *own]))
