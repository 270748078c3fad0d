"""The executors that a command line can name beside this machine: a Dask cluster that is there already."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING

from backupcheck.errors import ExecutorError, UsageError
from backupcheck.hands.errands import Errands
from backupcheck.hands.handing import PATIENCE, Hands, Offer
from backupcheck.hands.proving import prove

if TYPE_CHECKING:
    from distributed import Client

DASK = re.compile(r"dask://([^/@\s]+:[0-9]{1,5})/?")
CONNECTING = 20.0
WRITTEN = "write `local`, or dask://HOST:PORT with the address of the cluster's scheduler"


def hands(executor: str, errands: Errands, patience: float = PATIENCE) -> Hands:
    """Who proves. Raises `UsageError` for a word that names nobody, or without Dask."""
    named = DASK.fullmatch(executor)
    if named is None:
        raise UsageError(f"{executor!r} is no executor", advice=WRITTEN)
    try:
        import distributed  # noqa: F401
    except ImportError:
        said = "--executor dask://… needs Dask, which is not installed"
        raise UsageError(said, advice="pip install 'backupcheck[dask]', here and on every worker") from None
    return Hands(executor, lambda: _dask(f"tcp://{named[1]}"), errands, patience)


@contextlib.contextmanager
def _dask(address: str) -> Iterator[Offer]:
    """A cluster, for the time of the block. Raises `ExecutorError`."""
    from distributed import Client, KilledWorker

    try:
        client = Client(address, timeout=CONNECTING, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        said = f"no Dask scheduler answers at {address}: {type(error).__name__}"
        raise ExecutorError(said, id="executor.unreachable", advice="start it, or correct --executor") from None
    with client:
        # pure: the same question is asked again tomorrow; a worker that dies is the scheduler's to replace
        executor: Executor = client.get_executor(pure=False, retries=0)  # type: ignore[no-untyped-call]

        yield Offer(
            lambda asked: executor.submit(prove_for_dask, asked),
            lambda: _trouble(client, address),
            lost=(KilledWorker,),
        )


def _trouble(client: Client, address: str) -> ExecutorError | None:
    """Why nobody can answer just now."""
    if client.status != "running":
        said = f"the Dask scheduler at {address} is gone"
        return ExecutorError(said, id="executor.unreachable", advice="start it, and run again")
    if not client.scheduler_info().get("workers"):
        said = f"the Dask cluster at {address} has no workers"
        return ExecutorError(said, id="executor.no-workers", advice="start workers, and run again")
    return None


def prove_for_dask(asked: str) -> str:
    """`prove` in a Dask worker; it ends early when the scheduler has dropped the task, for whoever asked took it
    back or is gone."""
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled"

    return prove(asked, wanted)
