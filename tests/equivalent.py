"""Mutants that no test can notice, because they do the same: by module, how the change looks, and why."""

from __future__ import annotations

import re

SINGLE = "there is one object of each outcome, so `is` and `==` say the same"
EQUIVALENT: dict[str, tuple[tuple[str, str], ...]] = {
    "matchers": ((r"^\+.*type\(actual\) == type\(expected\)", "a type equals itself alone"),),
    "result": (
        (r"^-.* is (not )?Outcome\.(?s:.*)\n\+.* (==|!=) Outcome\.", SINGLE),
        (r"^-.*outcome is outcome(?s:.*)\n\+.*outcome == outcome", SINGLE),
        (r"^\+.*exit_status <= 1 ", "no error of ours has a status below 1"),
        (r"^\+.*self\.outcome <= Outcome\.ERROR", "here it is no FAIL, and of the rest only ERROR comes so early"),
        (r"^\+.*~finding\.outcome\.rank", "~n is -n - 1: the same order"),
        (r"^[ -] +@computed_field.*\n- +@property\n", "computed_field makes a property of what is none"),
    ),
}


def why_equivalent(name: str, diff: str) -> str | None:
    """Why a mutant of a module does the same; None if it does not, or nobody has looked."""
    found = (why for pattern, why in EQUIVALENT.get(name, ()) if re.search(pattern, diff, re.MULTILINE))
    return next(found, None)
