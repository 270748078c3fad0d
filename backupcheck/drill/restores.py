"""The restores of one drill: in memory where all of it surely fits, several services by one call."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from backupcheck.boxes import memory
from backupcheck.drill.phases import Landed, phases, restored_alone, restored_together
from backupcheck.drill.service import ServiceDrill
from backupcheck.drill.turns import Turns
from backupcheck.egress import spend
from backupcheck.errors import BackupcheckError, Interrupted, ScratchError
from backupcheck.plan import Plan, repository_of
from backupcheck.restoring import stored_in
from backupcheck.seams import Engine
from backupcheck.spec import Site, in_bytes


class Restores:
    """Where each service is restored, and by which call. `where` says it for the report."""

    def __init__(self, site: Site, engine: Engine, progress: Callable[[str, str], None], turns: Turns) -> None:
        self._site = site
        self._engine = engine
        self._progress = progress
        self._turns = turns
        self._plan: Plan | None = None
        self._parent = Path()
        self.where = ""

    @property
    def plan(self) -> Plan:
        """What is restored; there is none before `begin`."""
        assert self._plan is not None
        return self._plan

    def begin(self, plan: Plan, folder: Path, stack: contextlib.ExitStack) -> None:
        """Choose where, for all that is planned; `folder` is the drill's own scratch, `stack` ends the choice."""
        self._plan, self._parent = plan, folder
        stored = plan.services.values()
        spend(self._site, plan.bytes, datetime.now(UTC))
        files, size = sum(each.files for each in stored), plan.bytes
        if memory.is_memory(folder):
            self.where = "in memory, where the scratch folder lies"
        elif why_not := self._not_in_memory(files, size):
            self.where = f"on disk: {why_not}"
        elif (mounted := stack.enter_context(memory.mounted(folder, files, size, self._most))) is None:
            self.where = "on disk: no memory could be mounted"
        else:
            self._parent, self.where = mounted, "in memory"

    @property
    def _most(self) -> int | None:
        most = self._site.scratch.memory
        return None if most in ("auto", "never") else in_bytes(most)

    def _not_in_memory(self, files: int, size: int) -> str:
        if self._site.scratch.memory == "never":
            return "the site says so"
        return self._engine.why_not_memory() or memory.why_not(files, size, self._most)

    def folder(self, service: str) -> Path:
        """Below which a service is restored."""
        return self._parent / service

    def together(self, services: Mapping[str, ServiceDrill]) -> None:
        """Restore what fits at once, all phases beside each other; each service learns of it, whatever happens.

        One that learns of nothing must be restored by itself.
        """
        planned = self.plan.services
        stored = {name: planned[name] for name in services if name in planned}
        try:
            size = sum(each.bytes for each in stored.values())
            fits = size <= shutil.disk_usage(self._parent).free
            together = phases(stored) if fits else ()
            with ThreadPoolExecutor(len(together) or 1, thread_name_prefix="restoring") as beside:
                done = [beside.submit(self._phase, services, phase) for phase in together]
            for one in done:
                one.result()
        except BaseException as error:  # noqa: BLE001  each service's thread waits for it
            for service in services.values():
                if not service.landed.done():
                    service.landed.set_exception(error)
        self._landed({name: None for name, one in services.items() if not one.landed.done()}, services)

    def _phase(self, services: Mapping[str, ServiceDrill], names: Sequence[str]) -> None:
        """Restore these by one call; what goes wrong with a single one is its own. Raises `Interrupted`."""
        for name in names:
            self._progress(name, "restoring")
            self.folder(name).mkdir(mode=0o711, exist_ok=True)
        if len(names) > 1:
            stored = {name: self.plan.services[name] for name in names}
            folders = {name: self.folder(name) for name in names}
            landed = restored_together(repository_of(self._site), self.plan.snapshot.id, stored, folders)
            self._landed({name: landed.get(name) for name in names}, services)
            return
        (name,) = names
        try:
            self._landed({name: self.alone(name)}, services)
        except Interrupted:
            raise
        except BackupcheckError as error:
            services[name].landed.set_exception(error)

    def _landed(self, landed: Mapping[str, Landed | None], services: Mapping[str, ServiceDrill]) -> None:
        self._turns.line_up(landed)
        for name, one in landed.items():
            services[name].landed.set_result(one)

    def alone(self, name: str) -> Landed:
        """Restore one service by a call of its own. Raises `BadBackup`, `RepositoryError`, `ScratchError`."""
        stored, folder = stored_in(self.plan, name), self.folder(name)
        if stored.bytes > (free := shutil.disk_usage(folder).free):
            raise ScratchError(
                f"{name} restored has {stored.bytes} bytes, and the scratch folder has only {free} free",
                id="scratch.no-space",
                advice="give `scratch.folder` more room, or see why so much is in this service's backup",
            )
        return restored_alone(repository_of(self._site), self.plan.snapshot.id, stored, folder)
