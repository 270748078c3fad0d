"""Lines of a spec, as a person would write them."""

from __future__ import annotations

import yaml

WIDE = 2**20


def line(kind: str, **fields: object) -> str:
    """One check as one line of `checks:`, such as `- files: {path: /srv/app/app.key}`."""
    said = yaml.safe_dump(fields, default_flow_style=True, width=WIDE, sort_keys=False, allow_unicode=True)
    return f"- {kind}: {said.strip()}"
