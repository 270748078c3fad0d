"""Documents of every sort for the test writer, and the reading of a report."""

from __future__ import annotations

import random

from backupcheck.couchfile import Code, DirectoryReport, FileReport

from .writer import Leaf, Written

BIG = random.Random(1).randbytes(20_000)


def some_documents(count: int = 400) -> list[Written]:
    plain = [
        Written(f"doc{number:05}".encode(), (Leaf({"n": number, "text": "x" * (number % 90)}),))
        for number in range(count)
    ]
    return [
        *plain,
        Written(b"gone", (Leaf({}, depth=2, deleted=True),)),
        Written(b"torn", (Leaf({"a": 1}, rev=b"a" * 16), Leaf({"a": 2}, rev=b"b" * 16))),
        Written(b"with file", (Leaf({}, attachments={"big.bin": BIG, "empty": b""}),)),
        Written(b"with past", (Leaf({"now": 2}, depth=2, old={"now": 1}),)),
    ]


def codes(report: FileReport | DirectoryReport) -> set[Code]:
    return {problem.code for problem in report.problems}
