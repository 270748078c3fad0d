"""The auditor's bundle verifies without backupcheck, says what it does not show, and is safe to open."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from backupcheck import evidence
from backupcheck.errors import BackupcheckError, UsageError
from tests.evidence.logs import five, lines, log_of, write
from tests.reporters.runs import SAMPLES

README = Path(evidence.__file__).parent / "_templates" / "README.md"
TODAY = datetime.now(UTC).date()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with a run of every sort."""
    log_of(tmp_path / "evidence", SAMPLES.values())
    return tmp_path / "evidence"


def steps() -> list[str]:
    """The commands of the README, in their order."""
    return re.findall(r"^```sh\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def followed(bundle: Path) -> subprocess.CompletedProcess[str]:
    """What the README's commands say, in a shell that knows nothing of backupcheck, until one fails."""
    return subprocess.run(
        ["/bin/sh", "-e"],
        input="\n".join(steps()),
        cwd=bundle,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def exported(log: Path, name: str = "bundle") -> Path:
    evidence.export(log, None, None, log.parent / name)
    return log.parent / name


def test_the_bundle_verifies_with_openssl_and_python_alone(log: Path) -> None:
    bundle = exported(log)
    said = followed(bundle)
    verified = evidence.verify(log)

    assert said.returncode == 0, said.stderr
    assert verified.fingerprint in said.stdout
    assert f"chain of {len(SAMPLES)} records: whole; the last is {verified.anchor}" in said.stdout
    assert "all signatures verified" in said.stdout
    assert evidence.verify(bundle).whole


def test_openssl_verifies_each_run_of_the_period_as_it_lies_there(log: Path) -> None:
    bundle = exported(log)
    for number in range(1, len(SAMPLES) + 1):
        words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pub", "-rawin"]
        words += ["-in", f"records/{number:06}.json", "-sigfile", f"records/{number:06}.sig"]

        assert subprocess.run(words, cwd=bundle, check=True, capture_output=True).returncode == 0


@pytest.mark.parametrize("what", ["altered", "removed", "exchanged", "cut off", "signature", "page"])
def test_the_readmes_commands_find_what_was_changed(log: Path, what: str) -> None:
    bundle = exported(log)
    first, second, *rest = lines(bundle)
    if what == "altered":
        write(bundle, [first, *rest[:-1], rest[-1].replace(b"homelab", b"homeland", 1)])
    elif what == "removed":
        write(bundle, [first, *rest])
    elif what == "exchanged":
        write(bundle, [second, first, *rest])
    elif what == "cut off":
        write(bundle, [first, second, *rest[:-1]])
    elif what == "signature":
        head = (bundle / "head.json").read_text()
        last = head[-4]
        (bundle / "head.json").write_text(head[:-4] + ("1" if last == "0" else "0") + head[-3:])
    else:
        (bundle / "records" / "000001.json").write_text("{}")

    assert followed(bundle).returncode != 0


@pytest.mark.parametrize("form", ["bundle.zip", "bundle.tar.gz", "bundle.tgz"])
def test_an_archive_holds_the_same_files(log: Path, form: str, tmp_path: Path) -> None:
    folder, archive = exported(log, "plain"), exported(log, form)
    if form.endswith("zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(tmp_path / "out")
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path / "out", filter="data")

    assert archive.stat().st_mode & 0o777 == 0o600
    for place in folder.rglob("*"):
        if place.is_file():
            assert (tmp_path / "out" / "bundle" / place.relative_to(folder)).read_bytes() == place.read_bytes()
    assert evidence.verify(tmp_path / "out" / "bundle").whole


def test_the_private_key_is_in_no_bundle(log: Path) -> None:
    bundle = exported(log)
    secret = (log / "key").read_bytes().splitlines()[1]

    assert not (bundle / "key").exists()
    assert not any(secret in place.read_bytes() for place in bundle.rglob("*") if place.is_file())


def test_what_a_run_restored_cannot_write_into_the_pages(log: Path) -> None:
    bundle = exported(log)
    for page in [bundle / "index.html", *(bundle / "runs").iterdir()]:
        text = page.read_text(encoding="utf-8")

        assert "<img" not in text
        assert "<script" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "default-src 'none'" in text


def test_a_page_shows_every_assertion_with_what_was_expected_and_found(log: Path) -> None:
    bundle = exported(log)
    number = list(SAMPLES).index("mixed") + 1
    page = (bundle / "runs" / f"{number:06}.html").read_text(encoding="utf-8")
    findings = [
        finding for proof in SAMPLES["mixed"].services for check in proof.checks for finding in check.findings
    ]

    assert findings
    assert page.count("couchdb.shard-missing") == 3
    assert all(finding.id in page for finding in findings)
    assert "It is no certificate" in page
    assert "CP-9(1)" in page


def test_the_overview_names_failed_and_interrupted_runs_and_days_without_one(log: Path) -> None:
    bundle = log.parent / "bundle"
    evidence.export(log, TODAY - timedelta(days=3), TODAY + timedelta(days=1), bundle)
    page = (bundle / "index.html").read_text(encoding="utf-8")

    assert "interrupted" in page
    assert "a backup is bad" in page
    assert f"{TODAY - timedelta(days=3)} to {TODAY - timedelta(days=1)}" in page


def test_a_period_without_a_run_makes_no_bundle(log: Path) -> None:
    tomorrow = TODAY + timedelta(days=2)
    periods = ((date(2020, 1, 1), date(2020, 2, 1)), (date(2020, 2, 1), date(2020, 1, 1)), (tomorrow, None))
    for since, until in periods:
        with pytest.raises(UsageError):
            evidence.export(log, since, until, log.parent / "bundle")

    assert not (log.parent / "bundle").exists()


def test_nothing_is_overwritten(log: Path) -> None:
    (log.parent / "bundle.zip").write_text("mine")
    with pytest.raises(UsageError):
        evidence.export(log, None, None, log.parent / "bundle.zip")
    with pytest.raises(BackupcheckError, match="cannot be written"):
        evidence.export(log, None, None, log.parent / "nowhere" / "bundle.zip")

    assert (log.parent / "bundle.zip").read_text() == "mine"


def test_a_broken_log_is_exported_too_and_says_so(tmp_path: Path) -> None:
    five(tmp_path / "evidence")
    content = lines(tmp_path / "evidence")
    write(tmp_path / "evidence", [content[0], content[2].replace(b"run-3", b"run-9"), *content[3:]])
    verified = evidence.export(tmp_path / "evidence", None, None, tmp_path / "bundle")
    told = json.loads((tmp_path / "bundle" / "verification.json").read_bytes())

    assert not verified.whole
    assert not told["whole"]
    assert "The log is not whole." in (tmp_path / "bundle" / "index.html").read_text()
    assert sorted(place.name for place in (tmp_path / "bundle" / "runs").iterdir()) == [
        "000001.html",
        "000004.html",
        "000005.html",
    ]


def test_only_its_owner_can_read_a_bundle_and_a_repeated_record_is_in_it_once(tmp_path: Path) -> None:
    five(tmp_path / "evidence")
    write(tmp_path / "evidence", [*lines(tmp_path / "evidence"), lines(tmp_path / "evidence")[0]])
    evidence.export(tmp_path / "evidence", None, None, tmp_path / "bundle")
    modes = {place.stat().st_mode & 0o077 for place in (tmp_path / "bundle").rglob("*")}

    assert modes == {0}
    assert (tmp_path / "bundle" / "index.html").read_text().count('<a href="runs/000001.html">') == 1
