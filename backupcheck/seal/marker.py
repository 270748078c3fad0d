"""The marker that a pull left in the snapshot: whether what was backed up is whole."""

from __future__ import annotations

import json

from backupcheck.errors import UnsafePath
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seal.manifest import PULL
from backupcheck.seams import Facts
from backupcheck.tree import Tree

PULL_AGAIN = "mend what made the pull fail, pull and back up again: this snapshot may mix old and new"


class Pull(Facts):
    """The marker that the pull left: `problem` is why it is not complete, empty if it is; `there` if there is one.

    `unknown` is true where the pull could not be made, so that nothing is known of the copy.
    """

    started: Text = ""
    finished: Text = ""
    problem: Text = ""
    unknown: bool = False
    there: bool = True


def read_marker(tree: Tree) -> Pull:
    try:
        state = json.loads(tree.read(PULL, 2**20))
    except FileNotFoundError:
        return Pull(problem="there is no marker that says that the pull was complete", there=False)
    except (ValueError, RecursionError, UnsafePath):
        return Pull(problem="the marker of the pull cannot be read")
    if not isinstance(state, dict):
        return Pull(problem="the marker of the pull cannot be read")
    started, finished, failed = (state.get(key) for key in ("started", "finished", "failed"))
    problem, unknown = "", False
    if failed:
        said = failed if isinstance(failed, dict) else {}
        problem = f"the pull failed ({said.get('id', 'unknown')}): {said.get('message', 'it did not say why')}"
        unknown = said.get("bad") is False
    elif not isinstance(finished, str) or not finished:
        problem = "the pull had begun and not ended when the snapshot was made"
    return Pull(started=str(started or ""), finished=str(finished or ""), problem=problem, unknown=unknown)


def marker_finding(pull: Pull) -> Finding:
    """A pull that found a bad copy is a FAIL; one that could not be made says nothing of the copy: ERROR."""
    outcome = Outcome.PASS
    if pull.problem:
        outcome = Outcome.ERROR if pull.unknown else Outcome.FAIL
    return Finding(
        id="seal.pull-incomplete",
        outcome=outcome,
        subject=PULL,
        expected="complete",
        actual=pull.problem or f"complete at {pull.finished}",
        message=pull.problem or f"the pull was complete at {pull.finished}",
        advice=PULL_AGAIN if pull.problem else "",
    )
