"""Syncs one site whenever it is told to, in a process of its own: on the backup host's side of a lab's network.

Each line of standard input is a JSON object of wishes, each answer a line with all findings.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from backupcheck.spec import load_site, load_specs
from backupcheck.sync.services import Wishes, sync


def main(file: Path) -> None:
    """Answer until the input ends."""
    for line in sys.stdin:
        asked = json.loads(line)
        site = load_site(file)
        wishes = Wishes(
            frozenset(asked.get("deletions", ())),
            frozenset(asked.get("new_hosts", ())),
            asked.get("compare", False),
            pauses=(0.0, 0.0),
        )
        synced = sync(site, load_specs(site.specs), lambda service, text: None, wishes)
        findings = [finding.model_dump(mode="json") for item in synced for finding in item.result.findings]
        print(json.dumps(findings), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
