"""What certificates, keys, secrets and settings of the lab's services are harmed with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.checks.authority import Issued, Key, intermediate, new_key, pem_of, root, weak_key
from tests.faults.corpus.data import After, Data, Harmed

CADDY = Data("caddy", tests=True)
AUTHELIA = Data("authelia", tests=True)
LLDAP = Data("lldap", tests=True)
MEALIE = Data("mealie", tests=True)
STORAGE = "/var/lib/caddy/.local/share/caddy"
BY_ACME = f"{STORAGE}/certificates/acme.home.example-9443-directory"
LOCAL = f"{STORAGE}/pki/authorities/local"
AUTH, MEDIA = (f"{BY_ACME}/{name}.home.example/{name}.home.example" for name in ("auth", "media"))
ROOT, ROOT_KEY = f"{LOCAL}/root.crt", f"{LOCAL}/root.key"
Harm = Callable[[Harmed], object]


def in_tree(change: Callable[[Path], object]) -> Harm:
    """What other tests do to a restored tree."""
    return lambda data: change(data.root)


def gone(path: str) -> Harm:
    """A file is not there; in a pattern, the first that matches."""
    return lambda data: next(data.root.glob(path[1:])).unlink()


def emptied(path: str) -> Harm:
    return lambda data: os.truncate(data.place(path), 0)


def cut(path: str, size: int) -> Harm:
    """A file's copy ended early."""
    return lambda data: os.truncate(data.place(path), size)


def put(path: str, content: str | bytes) -> Harm:
    """A file is written; it keeps its mode and owner if it was there."""

    def harm(data: Harmed) -> None:
        place = data.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    return harm


def changed(path: str, change: Callable[[bytes], bytes]) -> Harm:
    """A file's content is changed."""

    def harm(data: Harmed) -> None:
        place = data.place(path)
        before = place.read_bytes()
        after = change(before)
        assert after != before
        place.write_bytes(after)

    return harm


def edited(path: str, old: str, new: str) -> Harm:
    """Somebody edits a file: each place that matches."""

    def harm(data: Harmed) -> None:
        place = data.place(path)
        text, count = re.subn(old, new, place.read_bytes().decode(), flags=re.MULTILINE)
        assert count
        place.write_bytes(text.encode())

    return harm


def mode(path: str, bits: int) -> Harm:
    """All that a pattern finds has other permissions."""

    def harm(data: Harmed) -> None:
        for place in sorted(data.root.glob(path[1:])):
            place.chmod(bits)

    return harm


def owner(path: str, user: int, group: int) -> Harm:
    """A file is somebody else's."""
    return lambda data: os.chown(data.place(path), user, group)


def both(*harms: Harm) -> Harm:
    return lambda data: [harm(data) for harm in harms]


def certified(
    host: str = "auth.home.example",
    names: tuple[str, ...] = ("auth.home.example",),
    *,
    age: timedelta = timedelta(minutes=5),
    key: Callable[[], Key] = new_key,
    listed: tuple[str, ...] | None = None,
) -> Harm:
    """The issuer gave another certificate for a host, so long ago, and Caddy keeps it with what it asked for."""

    def harm(data: Harmed) -> None:
        issuer = intermediate(root("Lab ACME root"))
        leaf = Issued(host, names, issuer, not_before=datetime.now(UTC) - age, key=key())
        folder = f"{BY_ACME}/{host}/{host}"
        put(f"{folder}.crt", leaf.chain)(data)
        put(f"{folder}.key", pem_of(leaf.key))(data)
        put(f"{folder}.json", json.dumps({"sans": listed or names, "issuer_data": {"url": "/1"}}))(data)

    return harm


def rsa_key() -> Key:
    return rsa.generate_private_key(65537, 2048)


WEAK = weak_key


def authority(ends_in: timedelta) -> Harm:
    """The internal authority has such a root, which has signed its intermediate and its leaves."""

    def harm(data: Harmed) -> None:
        life = timedelta(days=3600)
        top = Issued("Caddy Local Authority", (), None, True, datetime.now(UTC) + ends_in - life, life)
        put(ROOT, top.pem)(data)
        put(ROOT_KEY, pem_of(top.key))(data)
        _signed_anew(data, top)

    return harm


def renewed(data: Harmed) -> None:
    """The internal authority's root has signed another intermediate, as it does each week, and that the leaves."""
    top = object.__new__(Issued)
    top.issuer = None
    top.certificate = x509.load_pem_x509_certificate(data.place(ROOT).read_bytes())
    top.key = load_pem_private_key(data.place(ROOT_KEY).read_bytes(), None)  # type: ignore[assignment]
    _signed_anew(data, top)


def _signed_anew(data: Harmed, top: Issued) -> None:
    now = datetime.now(UTC)
    below = Issued("Intermediate", (), top, True, now - timedelta(minutes=5), timedelta(days=7))
    put(f"{LOCAL}/intermediate.crt", below.pem)(data)
    put(f"{LOCAL}/intermediate.key", pem_of(below.key))(data)
    for place in sorted(data.place(f"{STORAGE}/certificates/local").iterdir()):
        names = tuple(json.loads((place / f"{place.name}.json").read_text())["sans"])
        leaf = Issued(names[0], names, below, False, now - timedelta(minutes=4), timedelta(hours=12))
        (place / f"{place.name}.crt").write_bytes(leaf.pem + below.pem)
        (place / f"{place.name}.key").write_bytes(pem_of(leaf.key))


def with_passphrase(path: str) -> Harm:
    """Somebody has put a passphrase on a key; it is in nobody's backup."""

    def harm(data: Harmed) -> None:
        key = load_pem_private_key(data.place(path).read_bytes(), None)
        put(path, pem_of(key, b"of somebody"))(data)  # type: ignore[arg-type]

    return harm


def later(service: str) -> Data:
    """A service whose copy is harmed after it was sealed."""
    return Data(service, After.SEAL, tests=True)
