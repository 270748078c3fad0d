"""A private key can be read, is of its type and strong enough, and what belongs to it is of the same pair."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from backupcheck.boxes.values import Lost, Place, named, value_at
from backupcheck.fields import Amount
from backupcheck.keys import pairs, pem
from backupcheck.keys.pairs import Type
from backupcheck.matchers import compared
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Tree

State = Literal["read", "missing", "unreadable", "encrypted", "wrong-passphrase", "unsupported"]


class Partner(Facts):
    """What must fit the key: whether it does, or why that is not known."""

    place: Text
    state: Literal["fits", "another", "missing", "unreadable"]
    why: Text = ""


class KeypairFacts(Facts):
    """What is known of a private key without keeping it.

    `fingerprint` is the SHA-256 of its public key (SubjectPublicKeyInfo), which is no secret; `passphrase` says
    why there is none, empty where it was read or is not asked for.
    """

    state: State
    why: Text = ""
    type: str = ""
    bits: int = 0
    weak: Text = ""
    fingerprint: str = ""
    encrypted: bool = False
    passphrase: Text = ""
    partners: tuple[Partner, ...] = ()


class Keypair(Check[KeypairFacts]):
    """Opens a private key and compares it with the public keys and certificates that belong to it.

    The key is a file in PEM, DER, OpenSSH's form or as a JWK, or such a text at a key of a configuration file.
    What `fits` names must have the same public key: a public key, a certificate (its leaf), a JWK or a set of
    them, a line of OpenSSH's, another copy of the private key. A key that needs a passphrase is opened with the
    one that `passphrase` names; without it, it is a failure, for nobody can use it after a restore.

        - keypair: {private: /etc/authelia/oidc.pem, type: rsa, bits: {gte: 2048}}
        - keypair:
            private: /etc/ssh/ssh_host_ed25519_key
            fits: [/etc/ssh/ssh_host_ed25519_key.pub]
        - keypair:
            private: {path: /etc/app/config.yml, key: signing.key}
            passphrase: /etc/app/passphrase
            fits: [/etc/app/jwks.json, /etc/ssl/app.crt]

    Without `bits`, a key that today's clients refuse (RSA below 2048 bits, DSA, a curve below 224) is weak.

    Findings: `keypair.missing`, `keypair.unreadable` (cut, damaged, or no key at all), `keypair.encrypted` (the
    passphrase is not there, or is another key's), `keypair.type`, `keypair.weak`, `keypair.mismatch`; and where it
    could not look, `keypair.unsupported` (no program here opens this kind of encryption).
    """

    private: Place = Field(description="the private key's file, or {path, key} for a value in a file")
    fits: tuple[Place, ...] = Field((), description="what must have the same public key: files or values in files")
    passphrase: Place | None = Field(None, description="where the key's passphrase lies, if it has one")
    type: Type | None = Field(None, description="the type that it must have")
    bits: Amount | None = Field(None, description="how many bits it must have, such as {gte: 2048}")

    def subject(self) -> str:
        """The key's place."""
        return named(self.private)

    def observe(self, box: Box) -> KeypairFacts:
        """Looks without keeping the key or its passphrase."""
        content = value_at(box.tree, self.private)
        if isinstance(content, Lost):
            return KeypairFacts(state=content.state, why=content.why)
        phrase = None if self.passphrase is None else value_at(box.tree, self.passphrase)
        lost = f"{named(self.passphrase)} {phrase.why}" if isinstance(phrase, Lost) and self.passphrase else ""
        found = pairs.opened(content, phrase.rstrip(b"\r\n") if isinstance(phrase, bytes) else None)
        if isinstance(found, pem.Unreadable):
            return KeypairFacts(state="unreadable", why=found.why)
        if isinstance(found, pairs.Locked):
            return KeypairFacts(state=found.state, passphrase=lost)
        public = found.key.public_key()
        wanted = pem.public_bytes(public)
        type, bits = pairs.type_of(public)
        return KeypairFacts(
            state="read",
            type=type,
            bits=bits,
            weak=pem.weakness(public) or "",
            fingerprint=hashlib.sha256(wanted).hexdigest(),
            encrypted=found.encrypted,
            passphrase=lost,
            partners=tuple(_compared(box.tree, place, wanted) for place in self.fits),
        )

    def judge(self, facts: KeypairFacts, moment: Moment) -> Iterator[Finding]:
        """Every question that can be asked; of a key that cannot be opened, no more is asked."""
        there = facts.state != "missing"
        yield self._answer("missing", there, "the key is there", f"the key {facts.why}", "a private key")
        if not there:
            return
        readable = facts.state != "unreadable"
        yield self._answer("unreadable", readable, "it can be read", f"the key {facts.why}", "a private key")
        if not readable:
            return
        yield self._about_encryption(facts)
        if facts.state == "read":
            yield from self._about_the_key(facts)
            yield from map(self._about, facts.partners)

    def _about_encryption(self, facts: KeypairFacts) -> Finding:
        if facts.state == "unsupported":
            said = "the key's encryption cannot be opened by what is installed here"
            return self._finding("unsupported", Outcome.ERROR, said, advice="ask for its public parts only")
        if facts.state == "wrong-passphrase":
            said = "the passphrase does not open the key"
            return self._finding("encrypted", Outcome.FAIL, said, "the key's passphrase", "another")
        if facts.state == "encrypted":
            said = "the key is encrypted, and its passphrase is not in the backup with it"
            advice = "name where it lies in `passphrase`, or add it to what is pulled"
            found = facts.passphrase or "no passphrase"
            return self._finding("encrypted", Outcome.FAIL, said, "its passphrase", found, advice)
        if self.passphrase is not None and not facts.encrypted:
            said = "the key is not encrypted, though the spec names a passphrase"
            return self._finding("encrypted", Outcome.WARN, said, "an encrypted key", "one in clear text")
        said = "its passphrase opens it" if facts.encrypted else "it needs no passphrase"
        return self._finding("encrypted", Outcome.PASS, said)

    def _about_the_key(self, facts: KeypairFacts) -> Iterator[Finding]:
        if self.type is not None:
            yield self._answer(
                "type",
                facts.type == self.type,
                f"it is {facts.type}",
                f"it is {facts.type}, and not of the type that its users ask for",
                self.type,
                facts.type,
            )
        if self.bits is not None and self.type in (None, facts.type):  # another type counts other bits
            said = f"it has {facts.bits} bits"
            yield compared("keypair.weak", self.subject(), self.bits, facts.bits, said, "make a new key")
        else:
            weak = f"it is too weak: {facts.weak}"
            yield self._answer("weak", not facts.weak, "it is strong enough", weak, "a strong key", facts.weak)

    def _about(self, partner: Partner) -> Finding:
        ends = {"fits": "mismatch", "another": "mismatch"}
        words = {
            "fits": "it has the same public key",
            "another": "it has another public key: it belongs to another private key",
        }
        return Finding(
            id=f"keypair.{ends.get(partner.state, partner.state)}",
            outcome=Outcome.PASS if partner.state == "fits" else Outcome.FAIL,
            subject=partner.place,
            expected=f"what belongs to {self.subject()}",
            message=words.get(partner.state, f"it {partner.why}"),
            advice="" if partner.state == "fits" else "compare both with the source",
        )

    def _answer(
        self, end: str, good: bool, passed: str, failed: str, expected: str, actual: str | None = None
    ) -> Finding:
        outcome = Outcome.PASS if good else Outcome.FAIL
        advice = "" if good else "compare it with the source"
        return self._finding(end, outcome, passed if good else failed, expected, actual or None, advice)

    def _finding(
        self,
        end: str,
        outcome: Outcome,
        message: str,
        expected: str | None = None,
        actual: str | None = None,
        advice: str = "",
    ) -> Finding:
        return Finding(
            id=f"keypair.{end}",
            outcome=outcome,
            subject=self.subject(),
            expected=expected,
            actual=actual,
            message=message,
            advice=advice,
        )


def _compared(tree: Tree, place: Place, wanted: bytes) -> Partner:
    content = value_at(tree, place)
    if isinstance(content, Lost):
        return Partner(place=named(place), state=content.state, why=content.why)
    found = pairs.publics(content)
    if isinstance(found, pem.Unreadable):
        return Partner(place=named(place), state="unreadable", why=found.why)
    fits = any(pem.public_bytes(key) == wanted for key in found)
    return Partner(place=named(place), state="fits" if fits else "another")
