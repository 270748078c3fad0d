"""How long a test in Python may wait for one statement of a database that a hostile dump was loaded into."""

from __future__ import annotations

from typing import Any, Self

import psycopg
from psycopg.abc import Params

from backupcheck import bounds


class BoundedCursor(psycopg.Cursor[Any]):
    """A cursor that sets the limit anew before each statement.

    A view may call a function that resets it (`set_config`), which holds from the next statement on.
    """

    def execute(
        self,
        query: Any,
        params: Params | None = None,
        *,
        prepare: bool | None = None,
        binary: bool | None = None,
    ) -> Self:
        super().execute(f"set statement_timeout = {int(bounds.SECONDS * 1000)}".encode())
        return super().execute(query, params, prepare=prepare, binary=binary)
