"""A certificate is whole, valid, its key's, signed by its chain and for the right names."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import PurePosixPath
from typing import Literal, Self

from cryptography import x509
from pydantic import Field, model_validator

from backupcheck.duration import Duration
from backupcheck.errors import UnsafePath
from backupcheck.fields import AbsolutePath, Amount, Glob
from backupcheck.keys import pem, x509file
from backupcheck.keys.validity import Verdict, days_left, is_short_lived, verdicts
from backupcheck.keys.x509file import CertificateFacts
from backupcheck.matchers import Match, compared
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seams import Box, Check, Facts, Moment
from backupcheck.tree import Tree

LARGEST = 2**20
MOST_FILES = 1000


class CertificateFile(Facts):
    """One file of certificates, the leaf first. `problem` says why it cannot be read, empty if it can.

    `key` and `chain` say how those questions were answered, `key_problem` and `chain_problem` why they failed;
    `declared` are the names that the file beside it says it is for.
    """

    path: Text
    problem: Text = ""
    certificates: tuple[CertificateFacts, ...] = ()
    key: Literal["not-asked", "none-beside", "pairs", "key-missing", "key-unreadable", "key-mismatch"] = (
        "not-asked"
    )
    key_problem: Text = ""
    chain: Literal["not-asked", "alone", "holds", "broken"] = "not-asked"
    chain_problem: Text = ""
    declared: tuple[Text, ...] = ()
    declared_problem: Text = ""


class CertificatesFacts(Facts):
    """How many files there are, and what is in the first thousand of them."""

    found: int = 0
    files: tuple[CertificateFile, ...] = ()


class Certificate(Check[CertificatesFacts]):
    """Reads certificates and what belongs to them; asks nobody outside.

    A file holds one certificate or a chain, the leaf first. Its private key is the file of the same name with
    `.key` if there is one; `key: sibling` requires it, a path names another, `key: none` asks for none. Each
    certificate must be signed by the next in the file (`chain: included`), the last one by a certificate in the
    file that `chain` names, if it names one. Signatures are verified, not only names.

    Times are judged against the day of the judgement, not of the backup. A certificate that never lived longer
    than `short_lived` (8 days: an internal CA's leaves of 12 hours and intermediates of 7 days) is expired in any
    healthy backup and renewed when the service starts, so that passes and is said.

        - certificate: {path: /etc/ssl/app.crt, names: [app.example.org], days_left: {gte: 14}}
        - certificate:
            glob: /var/lib/caddy/.local/share/caddy/certificates/*/*/*.crt
            key: sibling
            names_from: sidecar
        - certificate: {path: /var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt, key: sibling}

    `names` must each be covered by one of the certificates found; `names_from: sidecar` also requires the names
    (`sans`) in the `.json` file of the same name, as Caddy keeps it. `warn_days` warns before the end.

    Findings: `certificate.missing`, `certificate.unparsable`, `certificate.expired`, `certificate.not-yet-valid`,
    `certificate.expires-soon`, `certificate.key-missing`, `certificate.key-unreadable` (cut, damaged, or with a
    passphrase), `certificate.key-mismatch`, `certificate.chain-broken`, `certificate.name-missing`,
    `certificate.weak-key`, `certificate.too-many`.
    """

    path: AbsolutePath | None = Field(None, description="the certificate's file")
    glob: Glob | None = Field(None, description="a pattern of certificates' files")
    count: Amount = Field(Match(gte=1), description="how many files the pattern must find")
    key: Literal["sibling", "none"] | AbsolutePath | None = Field(
        None, description="the private key's file; sibling: the same name with .key must be there; none: not asked"
    )
    chain: Literal["included", "none"] | AbsolutePath = Field(
        "included", description="included: as far as the file goes; none: not asked; a path: up to the root in it"
    )
    names: tuple[str, ...] = Field((), description="host names or addresses that the certificates must be for")
    names_from: Literal["sidecar"] | None = Field(
        None, description="sidecar: also the `sans` of the .json file of the same name"
    )
    days_left: Amount | None = Field(None, description="how many days the leaf must still be valid for")
    warn_days: int = Field(0, ge=0, description="warn when the leaf ends within so many days; 0: never")
    short_lived: Duration = Field(
        timedelta(days=8),
        description="a certificate that lives no longer may be expired",
        json_schema_extra={"default": "8d"},
    )

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if (self.path is None) == (self.glob is None):
            raise ValueError("give either path or glob")
        if self.glob and self.key not in (None, "sibling", "none"):
            raise ValueError("one key cannot be that of all certificates: give key: sibling or key: none")
        if self.path and "count" in self.model_fields_set:
            raise ValueError("count is about what a glob finds, and there is no glob")
        return self

    def subject(self) -> str:
        """The file or the pattern."""
        return self.path or self.glob or ""

    def observe(self, box: Box) -> CertificatesFacts:
        """Reads each file, its key and its sidecar once."""
        named = [self.path] if self.path else (entry.text for entry in box.tree.glob(self.glob or ""))
        paths = _regular(box.tree, named)
        files = tuple(self._file(path, box.tree) for path in islice(paths, MOST_FILES))
        return CertificatesFacts(found=len(files) + sum(1 for _ in paths), files=files)

    def _file(self, path: str, tree: Tree) -> CertificateFile:
        try:
            chain = pem.certificates(tree.read(path, LARGEST))
        except UnsafePath:
            return CertificateFile(path=path, problem=f"is larger than {LARGEST} bytes")
        if isinstance(chain, pem.Unreadable):
            return CertificateFile(path=path, problem=chain.why)
        found = [x509file.facts_of(certificate) for certificate in chain]
        for one in found:
            if isinstance(one, pem.Unreadable):
                return CertificateFile(path=path, problem=one.why)
        seen: dict[str, object] = {
            "path": path,
            "certificates": [one for one in found if isinstance(one, CertificateFacts)],
        }
        seen |= self._key_facts(path, chain[0], tree) | self._chain_facts(chain, tree)
        return CertificateFile.model_validate(seen | (self._declared_facts(path, tree) if self.names_from else {}))

    def _key_facts(self, path: str, leaf: x509.Certificate, tree: Tree) -> dict[str, object]:
        if self.key == "none":
            return {}
        beside = self.key in (None, "sibling")
        place = str(PurePosixPath(path).with_suffix(".key")) if beside else str(self.key)
        try:
            problem = x509file.key_problem(tree.read(place, LARGEST), leaf)
        except FileNotFoundError:
            return {"key": "key-missing" if self.key else "none-beside", "key_problem": f"there is no {place}"}
        except UnsafePath as error:
            return {"key": "key-unreadable", "key_problem": error.message}
        return {"key": problem[0], "key_problem": f"{place} {problem[1]}"} if problem else {"key": "pairs"}

    def _chain_facts(self, chain: list[x509.Certificate], tree: Tree) -> dict[str, object]:
        if self.chain == "none":
            return {}
        roots: list[x509.Certificate] | pem.Unreadable = []
        if self.chain != "included":
            try:
                roots = pem.certificates(tree.read(self.chain, LARGEST))
            except (FileNotFoundError, UnsafePath):
                roots = pem.Unreadable("is not there")
        elif len(chain) == 1 and not x509file.is_self_signed(chain[0]):
            return {"chain": "alone"}
        if isinstance(roots, pem.Unreadable):
            return {"chain": "broken", "chain_problem": f"{self.chain} {roots.why}"}
        problem = x509file.chain_problem(chain, roots)
        return {"chain": "broken", "chain_problem": problem} if problem else {"chain": "holds"}

    def _declared_facts(self, path: str, tree: Tree) -> dict[str, object]:
        place = str(PurePosixPath(path).with_suffix(".json"))
        try:
            names = x509file.declared_names(tree.read(place, LARGEST))
        except FileNotFoundError:
            return {"declared_problem": f"there is no {place} to say which names it is for"}
        except UnsafePath as error:
            return {"declared_problem": error.message}
        return (
            {"declared": names} if names else {"declared_problem": f"{place} does not say which names it is for"}
        )

    def judge(self, facts: CertificatesFacts, moment: Moment) -> Iterator[Finding]:
        """For each file one PASS a question, or what is wrong."""
        wanted = 1 if self.path else self.count
        there = f"{facts.found} files are there"
        yield compared(
            "certificate.missing", self.subject(), wanted, facts.found, there, "compare it with the source"
        )
        for file in facts.files:
            yield from self._about(file, moment)
        if facts.found > len(facts.files):
            said = f"only the first {len(facts.files)} files were looked at"
            yield _finding(
                "too-many", Outcome.ERROR, self.subject(), said, f"at most {MOST_FILES}", str(facts.found)
            )
        covering = tuple(name for file in facts.files for one in file.certificates[:1] for name in one.names)
        if self.names and any(file.certificates for file in facts.files):
            yield from _names_findings(self.names, covering, self.subject())

    def _about(self, file: CertificateFile, moment: Moment) -> Iterator[Finding]:
        if file.problem:
            said = f"the file {file.problem}"
            yield _finding("unparsable", Outcome.FAIL, file.path, said, "a certificate", file.problem)
            return
        said = f"it holds {len(file.certificates)} certificates, the first for {file.certificates[0].subject}"
        yield _finding("unparsable", Outcome.PASS, file.path, said)
        yield from _times(file, [list(verdicts(one, moment.now, self.short_lived)) for one in file.certificates])
        yield from self._about_the_end(file.path, file.certificates[0], moment)
        yield from _key_findings(file)
        yield from _chain_findings(file)
        if file.declared_problem:
            yield _finding("name-missing", Outcome.FAIL, file.path, file.declared_problem)
        yield from _names_findings(file.declared, file.certificates[0].names, file.path)

    def _about_the_end(self, path: str, leaf: CertificateFacts, moment: Moment) -> Iterator[Finding]:
        """What is asked of the days that are left; a certificate that is renewed every day has none to ask for."""
        left = days_left(leaf, moment.now)
        if is_short_lived(leaf, self.short_lived) or left < 0:
            return
        said = f"it is valid for {left} more days"
        if self.days_left is not None:
            yield compared("certificate.expires-soon", path, self.days_left, left, said, "renew it at the source")
        if self.warn_days:
            outcome = Outcome.WARN if left < self.warn_days else Outcome.PASS
            yield _finding("expires-soon", outcome, path, said, f"≥ {self.warn_days}", str(left))


def _regular(tree: Tree, paths: Iterable[str]) -> Iterator[str]:
    """Those that are files, or lead to one inside the tree."""
    for path in paths:
        try:
            status = tree.status(path)
        except UnsafePath:
            continue
        if status is not None and stat.S_ISREG(status.st_mode):
            yield path


def _times(file: CertificateFile, verdicts_of: list[list[Verdict]]) -> Iterator[Finding]:
    """For each question what is wrong with which certificate, or one PASS for all of them."""
    for answers in zip(*verdicts_of, strict=True):
        bad = [(number, answer) for number, answer in enumerate(answers, 1) if not answer.good]
        for number, answer in bad:
            subject = file.path if number == 1 else f"{file.path} certificate {number}"
            yield _finding(answer.question, Outcome.FAIL, subject, answer.message, answer.expected, answer.actual)
        if not bad:
            best = next((answer for answer in answers if answer.notable), answers[0])
            yield _finding(best.question, Outcome.PASS, file.path, best.message, best.expected, best.actual)


def _key_findings(file: CertificateFile) -> Iterator[Finding]:
    if file.key == "pairs":
        yield _finding("key-mismatch", Outcome.PASS, file.path, "the private key is this certificate's")
    elif file.key == "none-beside":
        yield _finding("key-missing", Outcome.SKIP, file.path, f"{file.key_problem}, so no key was compared")
    elif file.key != "not-asked":
        yield _finding(file.key, Outcome.FAIL, file.path, file.key_problem, "its private key", file.key_problem)


def _chain_findings(file: CertificateFile) -> Iterator[Finding]:
    if file.chain == "holds":
        yield _finding("chain-broken", Outcome.PASS, file.path, "each certificate is signed by the next")
    elif file.chain == "alone":
        said = "the file holds no issuer, so no signature was verified"
        yield _finding("chain-broken", Outcome.SKIP, file.path, said)
    elif file.chain == "broken":
        yield _finding("chain-broken", Outcome.FAIL, file.path, file.chain_problem, "a chain", file.chain_problem)


def _names_findings(wanted: Iterable[str], names: tuple[str, ...], subject: str) -> Iterator[Finding]:
    has = ", ".join(names) or "no name"
    for name in wanted:
        covered = x509file.covers(names, name)
        said = f"it is for {name}" if covered else f"it is not for {name}"
        yield _finding("name-missing", Outcome.PASS if covered else Outcome.FAIL, subject, said, name, has)


def _finding(
    question: str,
    outcome: Outcome,
    subject: str,
    message: str,
    expected: str | None = None,
    actual: str | None = None,
) -> Finding:
    return Finding(
        id=f"certificate.{question}",
        outcome=outcome,
        subject=subject,
        expected=expected,
        actual=actual,
        message=message,
        advice="renew it, or compare it with the source" if outcome is Outcome.FAIL else "",
    )
