"""JSON Web Tokens that lie in the backup verify under the secret or key that lies there too."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal, Self

from pydantic import Field, StrictFloat, StrictInt, StrictStr, model_validator

from backupcheck.boxes.rows import Row, Rows, judge_trouble, sqlite_rows
from backupcheck.boxes.values import Lost, Place, named, value_at
from backupcheck.fields import AbsolutePath, Amount
from backupcheck.keys import pairs, pem
from backupcheck.keys.tokens import WITH_SECRET, Algorithm, State, Verifier, secrets_of
from backupcheck.matchers import Match, compared
from backupcheck.postgresql.rows import dump_rows
from backupcheck.questions import Answer, Asked
from backupcheck.result import Finding, Outcome, Text
from backupcheck.seams import Box, Check, Facts, Moment

MOST_SHOWN = 20
MOST_ENDS = 1000
COMPARE = "compare it with the source"
NO_SECRET = "is empty, or is not written as `encoding` says"
BAD: dict[State, tuple[str, str]] = {
    "malformed": ("every one is a token", "are none: not three parts of base64url with JSON in two of them"),
    "none": ("every one is signed", "have no signature (`alg: none`), so anybody could have made them"),
    "wrong-algorithm": ("every one names its algorithm", "name another algorithm"),
    "signature": ("every signature is right", "do not verify: they were made with another secret or key"),
}

ADVICE: dict[State, str] = {
    "malformed": "see whether the query gives the column of the tokens",
    "none": "revoke these tokens: a service that takes them lets everybody in",
    "wrong-algorithm": "if the service signs so, add it to `algorithm`",
    "signature": "restore the secret of the time when they were made, or make new tokens",
}
"""What a bad token is called, what is said of it, and what to do."""


class Tokens(Asked):
    """Where the tokens are: rows of a database, or a file."""

    sqlite: AbsolutePath | None = Field(None, description="a SQLite database")
    postgres: AbsolutePath | None = Field(None, description="a dump of a PostgreSQL database")
    sql: StrictStr | None = Field(None, description="a query that gives one column, a token in each row")
    file: Place | None = Field(
        None, description="a file of one token a line, or {path, key} for a value in a file"
    )

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if sum(place is not None for place in (self.sqlite, self.postgres, self.file)) != 1:
            raise ValueError("needs exactly one of sqlite, postgres, file")
        if (self.sql is None) != (self.file is not None):
            raise ValueError("give sql for a database, and none for a file")
        return self

    @property
    def place(self) -> str:
        """Where they are, for people."""
        return self.sqlite or self.postgres or (named(self.file) if self.file else "")


class JwtFacts(Facts):
    """What is known of the tokens without keeping one.

    `secret` says whether there is something to verify with. `ended` has a trouble if not all tokens could be read.
    `bad` has the numbers of the first bad tokens by what they are, `ends` when the good ones end (the last ones),
    `endless` how many of them never do.
    """

    secret: Literal["read", "missing", "unreadable"]
    why: Text = ""
    ended: Answer = Answer()
    counts: dict[State, int] = Field(default_factory=dict)
    bad: dict[State, tuple[int, ...]] = Field(default_factory=dict)
    algorithms: tuple[Text, ...] = ()
    ends: tuple[int, ...] = ()
    endless: int = 0


class Jwt(Check[JwtFacts]):
    """Verifies the tokens that a service has given away and keeps, under the secret or key beside them.

    A secret that was lost, or made anew, leaves every token in its place and none that works: each integration
    has to be given a new one. A secret signs HS256 and its like, a private or public key (PEM, JWK, a certificate)
    RS256, PS256, ES256 and their like, and EdDSA.

        - jwt:
            secret: /opt/mealie/data/.secret
            algorithm: HS256
            tokens: {postgres: /tmp/mealie_backup.sql, sql: select token from long_live_tokens}
        - jwt:
            key: {path: /etc/app/config.yml, key: jwks.0.key}
            algorithm: [RS256, ES256]
            tokens: {file: /var/lib/app/tokens}
            least: 3
            unexpired: {gte: 1}

    Tokens that have expired are normal in a backup, so that is asked only with `unexpired`. White space at the
    end of a secret is passed over where the token verifies without it, as services do.

    Findings: `jwt.secret-missing`, `jwt.secret-unreadable` (empty, damaged, or no key), `jwt.too-few`,
    `jwt.malformed`, `jwt.none` (a token without a signature), `jwt.wrong-algorithm`, `jwt.signature`,
    `jwt.expired`, `jwt.file-missing`, `jwt.database-missing`, `jwt.database-damaged`, `jwt.query-failed`; and
    where it could not look, `jwt.query-invalid`, `jwt.timed-out`, `jwt.too-many`, `jwt.not-loaded`.
    """

    secret: Place | None = Field(None, description="the secret's file, or {path, key} for a value in a file")
    key: Place | None = Field(None, description="the private or public key, or certificate, likewise")
    encoding: Literal["text", "hex", "base64"] = Field("text", description="how the secret is written")
    algorithm: Algorithm | tuple[Algorithm, ...] = Field(description="the algorithm that tokens may name, or some")
    tokens: Tokens = Field(description="where the tokens are")
    least: StrictInt = Field(1, ge=0, description="how many tokens there must be at least")
    unexpired: Amount | None = Field(None, description="how many must not have expired when this is judged")
    timeout: StrictInt | StrictFloat = Field(
        1800, gt=0, description="seconds for the query, and for loading a dump"
    )

    @model_validator(mode="after")
    def _can_verify(self) -> Self:
        if (self.secret is None) == (self.key is None):
            raise ValueError("give either secret or key")
        if not self.algorithms:
            raise ValueError("name at least one algorithm")
        if {name in WITH_SECRET for name in self.algorithms} != {self.secret is not None}:
            raise ValueError("HS256, HS384 and HS512 need a secret, every other algorithm a key")
        if self.encoding != "text" and self.secret is None:
            raise ValueError("encoding is about a secret, and there is none")
        return self

    @property
    def algorithms(self) -> frozenset[str]:
        """Those that a token may name."""
        return frozenset([self.algorithm] if isinstance(self.algorithm, str) else self.algorithm)

    def subject(self) -> str:
        """The tokens' place."""
        return self.tokens.place

    def needs(self) -> str | None:
        """The image with a server for a dump."""
        return "postgres" if self.tokens.postgres else None

    def observe(self, box: Box) -> JwtFacts:
        """Raises `ScratchError` where no server works for a dump."""
        verifier = self._verifier(box)
        if isinstance(verifier, Lost):
            return JwtFacts(secret=verifier.state, why=verifier.why)
        if self.tokens.file:
            content = value_at(box.tree, self.tokens.file)
            if isinstance(content, Lost):
                return JwtFacts(secret="read", ended=Answer(trouble="missing", message=content.why))
            return _judged(verifier, _lines(content))
        with self._rows(box, self.tokens.sql or "") as rows:
            if rows.ended.trouble is not None:
                return JwtFacts(secret="read", ended=rows.ended)
            try:
                return _judged(verifier, map(_only_cell, rows))
            except ValueError as error:
                return JwtFacts(secret="read", ended=Answer(trouble="invalid", message=str(error)))

    def _rows(self, box: Box, sql: str) -> contextlib.AbstractContextManager[Rows]:
        if self.tokens.sqlite:
            return sqlite_rows(box, self.tokens.sqlite, sql, self.timeout)
        return dump_rows(box, self.tokens.postgres or "", sql, self.timeout)

    def _verifier(self, box: Box) -> Verifier | Lost:
        place = self.secret or self.key
        assert place is not None
        content = value_at(box.tree, place)
        if isinstance(content, Lost):
            return content
        if self.secret is not None:
            secrets = secrets_of(content, self.encoding)
            return Verifier(self.algorithms, secrets) if secrets else Lost(state="unreadable", why=NO_SECRET)
        keys = pairs.publics(content)
        if isinstance(keys, pem.Unreadable):
            return Lost(state="unreadable", why=keys.why)
        return Verifier(self.algorithms, keys=tuple(keys))

    def judge(self, facts: JwtFacts, moment: Moment) -> Iterator[Finding]:
        """The secret, then the tokens; without a secret nothing is verified, and without tokens nothing is."""
        yield from self._about_the_secret(facts)
        if facts.secret != "read":
            return
        if facts.ended.trouble is not None:
            yield self._about_the_query(facts.ended)
            return
        count = sum(facts.counts.values())
        said = f"{count} tokens are there"
        yield compared("jwt.too-few", self.subject(), Match(gte=self.least), count, said, COMPARE)
        if count:
            yield from self._about_the_tokens(facts, count)
        if self.unexpired is not None:
            living = facts.endless + sum(end > moment.now.timestamp() for end in facts.ends)
            said = f"{living} of the tokens that verify have not expired"
            advice = "make a new token, and give it to what uses it"
            yield compared("jwt.expired", self.subject(), self.unexpired, living, said, advice)

    def _about_the_secret(self, facts: JwtFacts) -> Iterator[Finding]:
        what = "secret" if self.secret else "key"
        place = named(self.secret or self.key or "")
        for end, state in (("secret-missing", "missing"), ("secret-unreadable", "unreadable")):
            lost = facts.secret == state
            yield Finding(
                id=f"jwt.{end}",
                outcome=Outcome.FAIL if lost else Outcome.PASS,
                subject=place,
                expected=f"a {what}",
                message=f"the {what} {facts.why}" if lost else f"the {what} is not {state}",
                advice=COMPARE if lost else "",
            )
            if lost:
                return

    def _about_the_query(self, ended: Answer) -> Finding:
        if self.tokens.file is None:
            return judge_trouble("jwt", self.tokens.sqlite or self.tokens.postgres or self.subject(), ended)
        return Finding(
            id="jwt.file-missing",
            outcome=Outcome.FAIL,
            subject=self.subject(),
            expected="a file of tokens",
            message=f"the file {ended.message}",
            advice=COMPARE,
        )

    def _about_the_tokens(self, facts: JwtFacts, count: int) -> Iterator[Finding]:
        for state, (passed, failed) in BAD.items():
            numbers = facts.bad.get(state, ())
            amount = facts.counts.get(state, 0)
            shown = ", ".join(map(str, numbers)) + (" …" if amount > len(numbers) else "")
            named = f" (their algorithms: {', '.join(facts.algorithms)})" if state == "wrong-algorithm" else ""
            yield Finding(
                id=f"jwt.{state}",
                outcome=Outcome.FAIL if amount else Outcome.PASS,
                subject=self.subject(),
                expected=f"{count} tokens" + (f" of {', '.join(sorted(self.algorithms))}" if named else ""),
                actual=f"not the rows {shown}" if amount else f"{count} tokens",
                message=f"{amount} of {count} tokens {failed}{named}" if amount else passed,
                advice=ADVICE[state] if amount else "",
            )


def _judged(verifier: Verifier, tokens: Iterable[str]) -> JwtFacts:
    counts: Counter[State] = Counter()
    bad: dict[State, list[int]] = {}
    algorithms: set[str] = set()
    ends: list[int] = []
    endless = 0
    for number, token in enumerate(tokens, 1):
        found = verifier.judged(token)
        counts[found.state] += 1
        if found.state == "good":
            endless += found.ends is None
            ends += [] if found.ends is None else [found.ends]
        elif len(shown := bad.setdefault(found.state, [])) < MOST_SHOWN:
            shown.append(number)
            algorithms |= {found.algorithm[:MOST_SHOWN]} if found.state == "wrong-algorithm" else set()
    return JwtFacts(
        secret="read",
        counts=dict(counts),
        bad={state: tuple(numbers) for state, numbers in bad.items()},
        algorithms=tuple(sorted(algorithms)),
        ends=tuple(sorted(ends)[-MOST_ENDS:]),
        endless=endless,
    )


def _only_cell(row: Row) -> str:
    if len(row) != 1:
        raise ValueError("the query gives more than one column")
    return next(iter(row.values())) or ""


def _lines(content: bytes) -> list[str]:
    """A JSON list's texts, or the lines that are not empty."""
    text = content.decode(errors="replace")
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, list):
            return [item if isinstance(item, str) else "" for item in found]
    return [line for line in text.splitlines() if line.strip()]
