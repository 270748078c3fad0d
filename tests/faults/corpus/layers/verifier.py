"""The verifier itself: tools, files and clocks of its own that fail, and specs that ask nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.faults.corpus.case import Fault, Healthy
from tests.faults.corpus.whole import Site, Whole

DRILL = Whole(verb=("drill",))
NIGHT = Whole()
Harm = Callable[[Site], object]


def without(*programs: str) -> Harm:
    """A machine that lacks a program."""

    def harm(site: Site) -> None:
        place = site.folder / "bin"
        place.mkdir()
        for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"):
            for program in Path(folder).glob("*"):
                link = place / program.name
                if program.name not in programs and not link.is_symlink():
                    link.symlink_to(program)
        site.words = ("env", f"PATH={place}")

    return harm


def clock(offset: str) -> Harm:
    return lambda site: setattr(site, "words", ("faketime", "-f", offset))


def spec_text(old: str, new: str, service: str = "tasks") -> Harm:
    """A slip of whoever edits a spec."""

    def harm(site: Site) -> None:
        place = site.specs / f"{service}.yaml"
        text = place.read_text()
        assert old in text
        place.write_text(text.replace(old, new, 1))

    return harm


def history_overwritten(site: Site) -> None:
    (site.folder / "state/history.db").write_bytes(b"not a database " * 1000)


def log(site: Site) -> Path:
    """The log of evidence."""
    return site.folder / "state/evidence/log.jsonl"


def line_edited(site: Site) -> None:
    lines = log(site).read_text().splitlines(keepends=True)
    lines[0] = lines[0].replace('"pass"', '"warn"', 1)
    log(site).write_text("".join(lines))


def line_removed(site: Site) -> None:
    lines = log(site).read_text().splitlines(keepends=True)
    log(site).write_text("".join(lines[1:]))


def last_line_removed(site: Site) -> None:
    lines = log(site).read_text().splitlines(keepends=True)
    log(site).write_text("".join(lines[:-1]))


def log_removed(site: Site) -> None:
    log(site).unlink()


def bits_rot(site: Site) -> None:
    """The mirror's disk changes a byte, and neither size nor time."""
    place = site.mirrored("proxy", "/etc/proxy/home.key")
    status = place.stat()
    content = bytearray(place.read_bytes())
    content[60] ^= 1
    place.write_bytes(content)
    import os

    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_in_python(text: str) -> Harm:
    return lambda site: (site.specs / "test_notes.py").write_text(text)


FAULTS = (
    Fault("restic is not installed", DRILL, without("restic"), unable="tool.missing"),
    Fault("a clock that is a year back", DRILL, clock("-365d"), unable="repository.snapshot-future"),
    Fault("a word of a spec is misspelt", DRILL, spec_text("tables:", "tabels:"), unable="spec.invalid"),
    Fault("a spec that asks nothing", DRILL, spec_text("checks:", "checks: []\nignored:"), unable="spec.invalid"),
    Fault("the history overwritten", DRILL, history_overwritten, unable="history.unusable"),
    Fault("a record of evidence edited", DRILL, line_edited, "evidence.damaged"),
    Fault("a record of evidence removed", DRILL, line_removed, "evidence.missing"),
    Fault("the last record of evidence removed", DRILL, last_line_removed, "evidence.cut-off"),
    Fault("the log of evidence removed", DRILL, log_removed, "evidence.cut-off"),
    Fault(
        "a byte of the mirror rots",
        NIGHT,
        bits_rot,
        ("sync.mirror-damaged", "seal.content-changed", "certificate.key-unreadable"),
    ),
    Fault(
        "a test in Python that is skipped",
        DRILL,
        test_in_python("import pytest\n\ndef test_it(box):\n    pytest.skip('not today')\n"),
        unable="test.skipped",
    ),
    Fault(
        "a test in Python that breaks",
        DRILL,
        test_in_python("def test_it(box):\n    {}['no']\n"),
        unable="test.crashed",
    ),
    Fault(
        "a test in Python that fails",
        DRILL,
        test_in_python("def test_it(box):\n    assert 1 == 2\n"),
        "test.failed",
    ),
)
HEALTHY = (
    Healthy(
        "another locale and another time zone",
        NIGHT,
        lambda site: setattr(site, "words", ("env", "LC_ALL=C", "TZ=Asia/Kathmandu")),
    ),
)
