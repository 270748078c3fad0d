"""Check `certificate`: healthy ones of any age pass, and each way to be unusable has its own id."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import JsonValue, ValidationError

from backupcheck.checks import certificate as module
from backupcheck.checks.certificate import Certificate
from backupcheck.result import Finding, Outcome
from tests.checks.authority import Issued, Store, intermediate, new_key, pem_of, root, weak_key
from tests.checks.plain import NOW, bad, failed, findings, outcome, spec

CRT = "/certs/app/app.crt"
GLOB = "/certs/*/*.crt"
Harm = Callable[[Store], object]


WHOLE: dict[str, JsonValue] = {
    "path": CRT,
    "key": "sibling",
    "chain": "/certs/root.crt",
    "names": ["APP.example.org", "any.apps.example.org", "192.0.2.7"],
    "names_from": "sidecar",
    "days_left": {"gte": 14},
}


def _found(store: Store, **fields: JsonValue) -> list[Finding]:
    return findings(spec(Certificate, **fields), store.box)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "tree")


def test_a_healthy_certificate_passes_every_question(store: Store) -> None:
    found = _found(store, **WHOLE)

    assert {one.outcome for one in found} == {Outcome.PASS}
    assert {one.id.partition(".")[2] for one in found} == {
        "missing",
        "unparsable",
        "not-yet-valid",
        "expired",
        "weak-key",
        "expires-soon",
        "key-mismatch",
        "chain-broken",
        "name-missing",
    }


def _other_key(store: Store) -> None:
    store.write("app/app.key", pem_of(new_key()))


def _forged_chain(store: Store) -> None:
    """The right names all the way up, and another authority's keys."""
    forged = intermediate(root())
    store.write("app/app.crt", store.leaf.pem + forged.pem)


def _forged_root(store: Store) -> None:
    store.write("root.crt", root().pem)


def _signed_by_a_leaf(store: Store) -> None:
    signer = Issued(subject="not an authority", issuer=store.signer)
    leaf = Issued(names=store.leaf.names, issuer=signer)
    store.write("app/app.crt", leaf.pem + signer.pem + store.signer.pem)
    store.write("app/app.key", pem_of(leaf.key))


def _leaf(store: Store, **fields: object) -> None:
    store.put("app", Issued(issuer=store.signer, **({"names": store.leaf.names} | fields)))  # type: ignore[arg-type]


def _damaged(store: Store) -> None:
    raw = store.leaf.chain
    store.write("app/app.crt", raw[:30] + b"AAAA" + raw[34:])


def _damaged_key(store: Store) -> None:
    raw = pem_of(store.leaf.key)
    store.write("app/app.key", raw[:60] + b"AAAA" + raw[64:])


FAULTS: list[tuple[str, Harm, set[str]]] = [
    ("lost", lambda store: store.remove("app/app.crt"), {"missing"}),
    ("empty", lambda store: store.write("app/app.crt", b""), {"unparsable"}),
    ("zeros", lambda store: store.write("app/app.crt", bytes(900)), {"unparsable"}),
    ("cut in the leaf", lambda store: store.cut("app/app.crt", 300), {"unparsable"}),
    ("cut in the intermediate", lambda store: store.cut("app/app.crt", 900), {"unparsable"}),
    ("damaged", _damaged, {"unparsable"}),
    ("a page instead", lambda store: store.write("app/app.crt", b"<html>no</html>"), {"unparsable"}),
    ("the key instead", lambda store: store.write("app/app.crt", pem_of(store.leaf.key)), {"unparsable"}),
    ("too large", lambda store: os.truncate(store.tree / CRT[1:], 2**30), {"unparsable"}),
    ("key lost", lambda store: store.remove("app/app.key"), {"key-missing"}),
    ("key swapped", _other_key, {"key-mismatch"}),
    ("key cut", lambda store: store.cut("app/app.key", 100), {"key-unreadable"}),
    ("key empty", lambda store: store.cut("app/app.key", 0), {"key-unreadable"}),
    ("key damaged", _damaged_key, {"key-unreadable"}),
    (
        "key encrypted",
        lambda store: store.write("app/app.key", pem_of(store.leaf.key, b"pass")),
        {"key-unreadable"},
    ),
    ("key is the certificate", lambda store: store.write("app/app.key", store.leaf.pem), {"key-unreadable"}),
    ("intermediate forged", _forged_chain, {"chain-broken"}),
    ("intermediate lost", lambda store: store.write("app/app.crt", store.leaf.pem), {"chain-broken"}),
    ("root of the same name", _forged_root, {"chain-broken"}),
    ("root lost", lambda store: store.remove("root.crt"), {"chain-broken"}),
    ("signed by a leaf", _signed_by_a_leaf, {"chain-broken"}),
    ("expired", lambda store: _leaf(store, not_before=NOW - timedelta(days=91)), {"expired"}),
    ("not yet", lambda store: _leaf(store, not_before=NOW + timedelta(hours=1)), {"not-yet-valid"}),
    ("soon", lambda store: _leaf(store, not_before=NOW - timedelta(days=80)), {"expires-soon"}),
    ("weak", lambda store: _leaf(store, key=weak_key()), {"weak-key"}),
    ("another name", lambda store: _leaf(store, names=("192.0.2.7", "*.example.org")), {"name-missing"}),
    ("no name", lambda store: _leaf(store, names=()), {"name-missing"}),
    ("sidecar lost", lambda store: store.remove("app/app.json"), {"name-missing"}),
    ("sidecar cut", lambda store: store.cut("app/app.json", 5), {"name-missing"}),
    ("sidecar of another", lambda store: store.write("app/app.json", b'{"sans": ["b.org"]}'), {"name-missing"}),
    ("sidecar without names", lambda store: store.write("app/app.json", b'{"sans": []}'), {"name-missing"}),
]


@pytest.mark.parametrize(("fault", "harm", "expected"), FAULTS)
def test_each_fault_has_its_own_id(store: Store, fault: str, harm: Harm, expected: set[str]) -> None:
    before = outcome(spec(Certificate, **WHOLE), store.box)

    harm(store)

    assert before is Outcome.PASS
    assert bad(_found(store, **WHOLE)) == failed(*(f"certificate.{question}" for question in expected))


def test_an_internal_authoritys_leaf_and_intermediate_may_have_ended_and_that_is_said(store: Store) -> None:
    signer = intermediate(store.root, timedelta(days=7))
    store.put("app", Issued(names=store.leaf.names, issuer=signer, life=timedelta(hours=12)))

    found = _found(store, **WHOLE)

    assert bad(found) == set()
    assert any("which is normal: it lives 12h" in one.message for one in found if one.id == "certificate.expired")


def test_short_lives_can_be_switched_off(store: Store) -> None:
    _leaf(store, life=timedelta(hours=12))

    assert bad(_found(store, path=CRT, short_lived="0d")) == failed("certificate.expired")
    assert bad(_found(store, path=CRT, short_lived="12h")) == set()


def test_a_short_lived_certificate_of_tomorrow_is_not_yet_valid(store: Store) -> None:
    _leaf(store, life=timedelta(hours=12), not_before=NOW + timedelta(days=1))

    assert bad(_found(store, path=CRT)) == failed("certificate.not-yet-valid")


def test_clocks_may_be_minutes_apart(store: Store) -> None:
    _leaf(store, not_before=NOW + timedelta(minutes=4))

    assert bad(_found(store, path=CRT)) == set()


def test_a_root_that_has_ended_fails(store: Store) -> None:
    old = root(not_before=NOW - timedelta(days=3601))
    store.write("root.crt", old.pem)

    assert bad(_found(store, path="/certs/root.crt")) == failed("certificate.expired")


def test_an_intermediate_that_has_ended_is_named(store: Store) -> None:
    signer = intermediate(store.root, timedelta(days=20))
    store.put("app", Issued(issuer=signer))

    found = _found(store, path=CRT)

    assert bad(found) == failed("certificate.expired")
    assert [one.subject for one in found if one.outcome is Outcome.FAIL] == [f"{CRT} certificate 2"]


def test_the_same_facts_are_judged_anew_each_day(store: Store) -> None:
    check = spec(Certificate, path=CRT)

    judged = [bad(findings(check, store.box, NOW + timedelta(days=day))) for day in (0, 59, 61)]

    assert judged == [set(), set(), failed("certificate.expired")]


def test_warns_before_the_end_if_told_to(store: Store) -> None:
    assert bad(_found(store, path=CRT, warn_days=61)) == {("certificate.expires-soon", "warn")}
    assert bad(_found(store, path=CRT, warn_days=60)) == set()
    assert bad(_found(store, path=CRT)) == set()


def test_the_key_is_compared_if_it_lies_beside_and_skipped_if_it_does_not(store: Store) -> None:
    beside = {one.id: one.outcome for one in _found(store, path=CRT)}
    store.remove("app/app.key")
    alone = {one.id: one.outcome for one in _found(store, path=CRT)}

    assert beside["certificate.key-mismatch"] is Outcome.PASS
    assert alone["certificate.key-missing"] is Outcome.SKIP


def test_the_key_may_lie_elsewhere_or_not_be_asked_for(store: Store) -> None:
    _other_key(store)
    store.write("elsewhere.pem", pem_of(store.leaf.key))

    assert bad(_found(store, path=CRT)) == failed("certificate.key-mismatch")
    assert bad(_found(store, path=CRT, key="/certs/elsewhere.pem")) == set()
    assert bad(_found(store, path=CRT, key="none")) == set()
    assert bad(_found(store, path=CRT, key="/certs/nothing.pem")) == failed("certificate.key-missing")


def test_a_single_certificate_without_its_issuer_has_no_chain_to_verify(store: Store) -> None:
    store.write("app/app.crt", store.leaf.pem)

    found = {one.id: one.outcome for one in _found(store, path=CRT)}

    assert found["certificate.chain-broken"] is Outcome.SKIP


def test_a_self_signed_certificates_own_signature_is_verified(store: Store) -> None:
    raw = bytearray(store.root.certificate.public_bytes(Encoding.DER))
    before = bad(_found(store, path="/certs/root.crt"))
    raw[-1] ^= 1
    store.write("root.crt", bytes(raw))

    assert before == set()
    assert bad(_found(store, path="/certs/root.crt")) == failed("certificate.chain-broken")


def test_a_self_signed_certificate_of_no_authority_passes(store: Store) -> None:
    store.put("app", Issued())

    assert bad(_found(store, path=CRT)) == set()


def test_a_glob_asks_of_each_and_names_of_all_together(store: Store) -> None:
    store.put("other", Issued(names=("other.example.org",), issuer=store.signer))
    fields: dict[str, JsonValue] = {"glob": GLOB, "key": "sibling", "count": 2, "names_from": "sidecar"}
    before = bad(_found(store, **fields, names=["app.example.org", "other.example.org"]))
    store.write("other/other.key", pem_of(store.leaf.key))

    found = _found(store, **fields, names=["third.example.org"])

    assert before == set()
    assert bad(found) == failed("certificate.key-mismatch", "certificate.name-missing")
    assert "/certs/other/other.crt" in {one.subject for one in found if one.outcome is Outcome.FAIL}


def test_two_keys_that_were_swapped_are_both_named(store: Store) -> None:
    other = Issued(names=("other.example.org",), issuer=store.signer)
    store.put("other", other)
    store.write("other/other.key", pem_of(store.leaf.key))
    store.write("app/app.key", pem_of(other.key))

    wrong = [one.subject for one in _found(store, glob=GLOB) if one.outcome is Outcome.FAIL]

    assert wrong == ["/certs/app/app.crt", "/certs/other/other.crt"]


def test_a_glob_that_finds_nothing_fails(store: Store) -> None:
    assert bad(_found(store, glob="/nothing/*.crt")) == failed("certificate.missing")
    assert bad(_found(store, glob=GLOB, count=2)) == failed("certificate.missing")


def test_more_files_than_are_looked_at_are_no_pass(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 1)
    store.put("other", Issued(issuer=store.signer))

    assert bad(_found(store, glob=GLOB)) == {("certificate.too-many", "error")}


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda place: place.symlink_to("/etc/ssl/certs")])
def test_what_is_no_file_is_missing_and_not_waited_for(store: Store, make: Callable[[Path], object]) -> None:
    store.remove("app/app.crt")
    make(store.tree / CRT[1:])

    assert bad(_found(store, path=CRT)) == failed("certificate.missing")


def test_a_fifo_as_key_is_not_waited_for(store: Store) -> None:
    store.remove("app/app.key")
    os.mkfifo(store.tree / "certs/app/app.key")

    assert bad(_found(store, path=CRT)) == failed("certificate.key-unreadable")


def test_no_private_key_is_in_facts_or_findings(store: Store) -> None:
    facts = spec(Certificate, **WHOLE).observe(store.box)
    secret = pem_of(store.leaf.key).splitlines()[1].decode()

    assert secret not in repr(facts) + repr(_found(store, **WHOLE))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "either path or glob"),
        ({"path": CRT, "glob": GLOB}, "either path or glob"),
        ({"glob": GLOB, "key": "/a.key"}, "one key"),
        ({"path": CRT, "count": 1}, "no glob"),
        ({"path": CRT, "short_lived": 8}, "length of time"),
        ({"path": CRT, "warn_days": -1}, "greater"),
        ({"path": CRT, "key": "beside"}, "absolute"),
        ({"path": CRT, "days_left": "14"}, "integer"),
        ({"path": CRT, "names": "app.example.org"}, "array"),
    ],
)
def test_a_spec_that_is_wrong_is_an_error(fields: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(Certificate, **fields)
