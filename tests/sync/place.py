"""A site whose sources are folders behind a real sshd, one a service."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from backupcheck.checks.files import Files
from backupcheck.result import Finding
from backupcheck.seal.manifest import PULL
from backupcheck.seams import Capture, Check, Facts
from backupcheck.spec import Site, SourceSpec, Spec
from backupcheck.sync.services import Synced, Wishes, sync
from tests.sshd import HOST

DATA, DATABASE = "/opt/app/data", "/opt/app/data/app.db"
AT_ONCE = (0.0, 0.0)
"""No pauses between three attempts."""


@dataclass(frozen=True)
class Place:
    """A site with its mirror, and the sources' root folders, one a service."""

    site: Site
    roots: Path
    wishes: Wishes = field(default_factory=lambda: Wishes(pauses=AT_ONCE))

    def spec(self, service: str, capture: tuple[Capture, ...] = (), **source: object) -> Spec:
        usual = {"host": HOST, "paths": (f"{DATA}/",), "root": str(self.roots / service)}
        whence = SourceSpec.model_validate({**usual, **source})
        checks = (cast("Check[Facts]", Files(glob=DATA)),)
        return Spec(service=service, source=whence, capture=capture, checks=checks)

    def pull(self, *specs: Spec) -> dict[str, Finding]:
        return {item.service: item.result.findings[0] for item in self.synced(*specs)}

    def synced(self, *specs: Spec) -> tuple[Synced, ...]:
        return sync(self.site, specs, lambda service, text: None, self.wishes)

    def findings(self, *specs: Spec) -> list[Finding]:
        """All findings of a pull."""
        return [finding for item in self.synced(*specs) for finding in item.result.findings]

    def asking(self, wishes: Wishes) -> Place:
        """The same place, with a person's wishes."""
        return replace(self, wishes=replace(wishes, pauses=AT_ONCE))

    def within(self, **limits: object) -> Place:
        """The same place, with other fields of the site."""
        return replace(self, site=self.site.model_copy(update=limits))

    def data(self, service: str) -> Path:
        return self.roots / service / DATA.lstrip("/")

    def mirrored(self, service: str) -> Path:
        return self.site.mirror / service / DATA.lstrip("/")

    def marker(self, service: str) -> dict[str, object]:
        state: dict[str, object] = json.loads((self.site.mirror / service / PULL.lstrip("/")).read_bytes())
        return state
