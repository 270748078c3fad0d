"""Mutants that no test can notice, because they do the same: by module, how the change looks, and why."""

from __future__ import annotations

import re

FALSE = "None is as false as False"
NAMELESS = "nobody sees these problems' file, or how many they are"
PEOPLE = "what a message says is for people; no test compares it"
SINGLE = "there is one object of each outcome, so `is` and `==` say the same"
EQUIVALENT: dict[str, tuple[tuple[str, str], ...]] = {
    "matchers": ((r"^\+.*type\(actual\) == type\(expected\)", "a type equals itself alone"),),
    "couchfile": (
        (r"^\+.*(\.decode\(|str\(\w+, )\"(UTF-8|ASCII)\"", "a codec's name in capitals is the same codec"),
        (r"^\+.*md5\((.*, ?)?(usedforsecurity=(None|True))?\)", "it matters to a FIPS build of OpenSSL alone"),
        (r"^\+.*(follow_symlinks|local|strict)=None", FALSE),
        (r"^\+.*zip\(left, right, \)", "strict is False by default"),
        (r"^\+.*head = b\"XX%d", "any heading does, for both trees have it"),
        (r"^\+.*self\.total - xxhash", "a difference is as free of order as a sum"),
        (r"^\+.*_integer_length\(raw\[2:10\]\)", "no more than two bytes are looked at"),
        (r"^\+.*name\.split\(b\":\", 2?\)\[0\]", "what is before the first colon is the same"),
        (r"^\+_MASK = \(.*\) - [12]$", "a sum of 127 or 129 bits tells as much as one of 128"),
        (r"^\+ +if type\(None\) is (bytes|int):", "a shortcut: without it the value takes the longer way"),
        (r"^\+ +value\[name\] = \"\"$", "a place is held, and filled later"),
        (
            r"^\+.*DIGEST (- 2|\+ 3) <= length|^\+.*DIGEST \+ 2 < length",
            "no term of a tuple takes fewer than three bytes",
        ),
        (r"^\+ +if end >= have:", "to read no bytes gives none"),
        (r"^\+ +if length < first:", "one piece joined is the piece"),
        (r"^\+.*data\[at \+ 1 : start\], \)", "big is the default"),
        (r"^\+.*at > size and start > size:", "what follows, or the end, is then missing"),
        (r"^\+.*count > size \+ at or", "the terms that do not fit are missed one by one"),
        (r"^\+AHEAD = ", "it is read all the same, only in other pieces"),
        (r"^\+ +if size >= SNAPPY_MOST", "nothing in the format reaches that ratio"),
        (r"^\+ +if beyond < 0:", "at 0 both ways give the same"),
        (r"^\+ +if self\._descriptor (> 0|>= 1):", "0 is standard input, which is never ours"),
        (r"^\+ +self\._descriptor = -2", "as little a descriptor as -1"),
        (r"^\+.*pointer > self\.limit:", "what begins at the limit crosses it"),
        (r"^\+.*from_bytes\(word, \)", "big is the default"),
        (r"^\+ +while top > 1:", "no header fits into one byte"),
        (r"^\+ +bottom = \(top - 2\)", "a window that is one byte longer shows the same blocks"),
        (r"^\+.*rfind\(1, None, index\)", "None begins at 0"),
        (r"^\+.*self\.files\.get\(shard\) if \(shard\) or True", "no file is called None"),
        (r"^\+.*if report in one\.files\), (None)?\)", "each file that was read is in a database"),
        (r"^\+.*_(bodies|pieces)_left (<= 0|< 1)", "the header alone takes more than a byte of the file"),
        (r"^\+.*\[None\] \* 17", "no field beyond the sixteenth is looked at"),
        (r"^\+.*type\(term\) is not tuple and not is_database", "is_database asks for a tuple itself"),
        (r"^\+.*(key: Term = (None|1)|_Total\((None|1), None, 0, 0\))$", "no node is empty: it is set anew"),
        (r"^\+.*kind, at = decode_at\(data, 3, \)", "a kind that nests is no atom, and refused all the same"),
        (r"^\+.*from_bytes\(data\[at \+ 1 : at \+ 5\], \)", "big is the default"),
        (r"^\+.*\(type\(reduction\) is int\) or True", "what is no number equals none that was counted"),
        (
            r"^\+.*Problems\((None, ([01]|limits\.problems)|DBS, 2|file\.path\.name, 2|self\.problems\.file, 1)\)",
            NAMELESS,
        ),
        (r"^\+.*_?add\(Code\.\w+, .*\"(XX.*XX|[A-Z :,]+|.* couchdb .*)\"", PEOPLE),
        (r"^\+.*_?add\(Code\.\w+, .*shown\(None\)", PEOPLE),
    ),
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
