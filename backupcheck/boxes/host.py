"""A box as a testinfra backend, so that testinfra's modules ask the restored service."""

from __future__ import annotations

from testinfra.backend.base import BaseBackend, CommandResult

from backupcheck.seams import Box

SECONDS = 120.0
ANY_STATUS = frozenset(range(256))


class BoxBackend(BaseBackend):  # type: ignore[misc]
    """Runs testinfra's shell commands in a box, as the box's root."""

    NAME = "backupcheck"

    def __init__(self, box: Box) -> None:
        super().__init__(box.service)
        self.box = box

    def run(self, command: str, *args: str, **kwargs: object) -> CommandResult:
        """Run testinfra's command line; any exit status is an answer."""
        line = self.get_command(command, *args)
        done = self.box.run(("sh", "-c", line), timeout=SECONDS, root=True, accept=ANY_STATUS)
        return self.result(done.code, line, done.stdout, done.stderr.encode("utf-8", "surrogateescape"))
