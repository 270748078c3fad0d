"""What would keep Caddy from serving its names again is named, on copies of what the lab's night pulled."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from backupcheck import proc
from backupcheck.errors import BackupcheckError
from backupcheck.proc import Command
from backupcheck.result import Outcome
from backupcheck.scratch.lxc import Lxc
from backupcheck.seams import Box, BoxRequest, Moment
from backupcheck.spec import load_spec
from backupcheck.tree import Tree
from tests.checks.authority import Issued, pem_of, root
from tests.lab.lab import REPOSITORY_ROOT

pytestmark = [pytest.mark.lxc, pytest.mark.lab]

STORAGE = "var/lib/caddy/.local/share/caddy"
BY_ACME = f"{STORAGE}/certificates/acme.home.example-9443-directory"
AUTH = f"{BY_ACME}/auth.home.example/auth.home.example"
LDAP = f"{STORAGE}/certificates/local/ldap.home.example/ldap.home.example"
LOCAL = f"{STORAGE}/pki/authorities/local"
DROP_IN = "etc/systemd/system/caddy.service.d/environment.conf"
Mutilate = Callable[[Path], object]


@pytest.fixture(scope="module")
def questions() -> ModuleType:
    """The tests in Python beside the spec."""
    place = REPOSITORY_ROOT / "specs/test_caddy.py"
    spec = importlib.util.spec_from_file_location("caddys_questions", place)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["caddys_questions"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def impatient(questions: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The same, for Caddies that will never answer."""
    monkeypatch.setattr(questions, "SETTLE", 2)
    return questions


@contextmanager
def restored(mirror: Path, mutilate: Mutilate) -> Iterator[Box]:
    """A box on a copy of what was pulled, after something was done to it."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="backupcheck-faults-") as folder:
        place = Path(folder)
        place.chmod(0o711)
        proc.run(Command(("cp", "-a", "--", str(mirror / "caddy"), str(place / "tree")), 60))
        mutilate(place / "tree")
        (place / "scratch").mkdir()
        engine = Lxc()
        engine.prepare(frozenset({"caddy"}))
        spec = load_spec(REPOSITORY_ROOT / "specs/caddy.yaml")
        request = BoxRequest("caddy", Tree(place / "tree"), place / "scratch", spec.source.paths, image=spec.image)
        with engine.open(request) as box:
            yield box


def red(box: Box, questions: ModuleType) -> tuple[set[str], set[str]]:
    """What the spec's checks find wrong, and what its tests in Python do; the seal is not asked, for it says that
    the copy was changed."""
    now = datetime.now(UTC)
    checks = [check for check in load_spec(REPOSITORY_ROOT / "specs/caddy.yaml").checks if check.kind() != "seal"]
    findings = [one for check in checks for one in check.judge(check.observe(box), Moment(now, now))]
    in_python = set()
    for name in (name for name in dir(questions) if name.startswith("test_")):
        try:
            getattr(questions, name)(box)
        except BackupcheckError as error:
            in_python.add(error.id)
    return {one.id for one in findings if one.outcome not in (Outcome.PASS, Outcome.SKIP)}, in_python


def edit(path: str, old: str, new: str) -> Mutilate:
    def change(tree: Path) -> None:
        text = (tree / path).read_text()
        assert old in text
        (tree / path).write_text(text.replace(old, new))

    return change


def remove(pattern: str) -> Mutilate:
    return lambda tree: next(tree.glob(pattern)).unlink()


def exchange_key(tree: Path) -> None:
    (tree / f"{AUTH}.key").write_bytes(next(tree.glob(f"{BY_ACME}/media*/*.key")).read_bytes())


def other_root(tree: Path) -> None:
    """A whole pair of another authority that has the same name."""
    name = x509.load_pem_x509_certificate((tree / LOCAL / "root.crt").read_bytes()).subject
    other = root(str(name.rfc4514_string()).removeprefix("CN="))
    (tree / LOCAL / "root.crt").write_bytes(other.pem)
    (tree / LOCAL / "root.key").write_bytes(pem_of(other.key))


def other_root_key(tree: Path) -> None:
    (tree / LOCAL / "root.key").write_bytes(pem_of(root().key))


def misplace(tree: Path) -> None:
    """All three files are there, under a name that is not theirs."""
    for file in list((tree / AUTH).parent.iterdir()):
        file.rename(file.with_stem("auth.old.example"))
    (tree / AUTH).parent.rename(tree / BY_ACME / "auth.old.example")


def age(tree: Path) -> None:
    """The internal CA's leaf for one name ended yesterday, as in any backup older than twelve hours."""
    signer = object.__new__(Issued)
    signer.certificate = x509.load_pem_x509_certificate((tree / LOCAL / "intermediate.crt").read_bytes())
    signer.key = load_pem_private_key((tree / LOCAL / "intermediate.key").read_bytes(), None)  # type: ignore[assignment]
    old = datetime.now(UTC) - timedelta(days=1)
    names = tuple(json.loads((tree / f"{LDAP}.json").read_text())["sans"])
    leaf = Issued(subject="ldap", names=names, issuer=signer, not_before=old, life=timedelta(hours=12))
    chain = leaf.pem + signer.certificate.public_bytes(Encoding.PEM)
    (tree / f"{LDAP}.crt").write_bytes(chain)
    (tree / f"{LDAP}.key").write_bytes(pem_of(leaf.key))


@pytest.mark.parametrize("change", [lambda tree: None, age], ids=["as pulled", "older than twelve hours"])
def test_a_healthy_backup_of_any_age_passes(mirror: Path, questions: ModuleType, change: Mutilate) -> None:
    with restored(mirror, change) as box:
        assert red(box, questions) == (set(), set())


FAULTS: dict[str, tuple[Mutilate, set[str], set[str]]] = {
    "key of another certificate": (exchange_key, {"certificate.key-mismatch"}, {"service.not-started"}),
    "key lost": (
        remove(f"{AUTH}.key"),
        {"certificate.key-missing"},
        {"caddy.certificate-files", "service.no-answer"},
    ),
    "certificate lost": (
        remove(f"{AUTH}.crt"),
        {"certificate.name-missing"},
        {"caddy.certificate-files", "caddy.certificate-missing"},
    ),
    "certificate cut": (
        lambda tree: os.truncate(tree / f"{AUTH}.crt", 300),
        {"certificate.unparsable", "certificate.name-missing"},
        {"service.not-started"},
    ),
    "variable lost": (edit("etc/default/caddy", "STATUS_TOKEN=", "#"), set(), {"caddy.variable-missing"}),
    "drop-in lost": (remove(DROP_IN), set(), {"caddy.environment-not-loaded"}),
    "import lost": (
        edit("etc/caddy/Caddyfile", "(internal_only)", "import sites.d/*.caddy\n(internal_only)"),
        set(),
        {"caddy.import-missing"},
    ),
    "file lost": (remove("etc/caddy/acme-root.crt"), set(), {"caddy.import-missing", "service.not-started"}),
    "snippet lost": (
        edit("etc/caddy/Caddyfile", "(internal_only)", "(other)"),
        set(),
        {"caddy.import-missing", "caddy.configuration"},
    ),
    "account's key lost": (
        remove(f"{STORAGE}/acme/*/users/*/*.key"),
        {"files.count"},
        {"caddy.account-lost"},
    ),
    "root's key of another": (other_root_key, {"certificate.key-mismatch"}, set()),
    "root of another authority": (other_root, {"certificate.chain-broken"}, set()),
    "issuer changed": (
        edit("etc/default/caddy", "https://acme.home.example:9443", "https://acme.elsewhere.example"),
        set(),
        {"service.no-answer"},
    ),
    "folder of another name": (
        misplace,
        set(),
        {"caddy.certificate-misplaced", "caddy.certificate-missing"},
    ),
    "no site": (
        lambda tree: (tree / "etc/caddy/Caddyfile").write_text("{\n\tadmin off\n}\n"),
        set(),
        {"caddy.no-site"},
    ),
    "configuration damaged": (
        edit("etc/caddy/Caddyfile", "respond 401", "respond {"),
        set(),
        {"caddy.configuration"},
    ),
    "a module that this Caddy lacks": (
        edit("etc/caddy/Caddyfile", "tls internal", "tls {\n dns cloudflare token\n }"),
        set(),
        {"caddy.module-missing"},
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_keeps_caddy_from_serving_is_named(mirror: Path, impatient: ModuleType, fault: str) -> None:
    mutilate, by_spec, in_python = FAULTS[fault]
    with restored(mirror, mutilate) as box:
        assert red(box, impatient) == (by_spec, in_python)
