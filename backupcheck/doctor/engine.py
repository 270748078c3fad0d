"""The scratch engine: a real box is opened, a program runs in it, and it has no way out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from backupcheck.plan import choose_engine
from backupcheck.result import Finding, Outcome
from backupcheck.seams import BoxRequest
from backupcheck.spec import Site, Spec
from backupcheck.tree import Tree

SECONDS = 60.0
NETWORK = "/proc/net/dev"


def look(site: Site, specs: Sequence[Spec]) -> Iterator[Finding]:
    """Raises `UsageError` where no engine works, `ScratchError` where the box does not."""
    engine = choose_engine(site.scratch.engine)
    folder = site.scratch.folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    engine.prepare(frozenset({"base"}))
    with tempfile.TemporaryDirectory(dir=folder, prefix="doctor-") as restored:
        Path(restored).chmod(0o755)
        request = BoxRequest("doctor", Tree(Path(restored)), folder, ())
        with engine.open(request) as box:
            lines = box.run(("cat", NETWORK), timeout=SECONDS).text.splitlines()[2:]
    ways = sorted(name for name in (line.partition(":")[0].strip() for line in lines) if name != "lo")
    yield Finding(
        id="doctor.box-not-isolated",
        outcome=Outcome.WARN if ways else Outcome.PASS,
        subject=engine.kind(),
        expected="no network",
        actual=", ".join(ways) or "no network",
        message=f"a box of engine {engine.kind()} opens and runs programs, "
        + (f"but with this machine's network ({', '.join(ways)})" if ways else "without any network"),
        advice="install bubblewrap, or allow user namespaces here" if ways else "",
    )
    for sentence in engine.not_exercised():
        yield Finding(
            id="doctor.not-exercised",
            outcome=Outcome.SKIP,
            subject=engine.kind(),
            message=f"not shown: {sentence}",
        )
