"""The application itself, started on what was restored, and asked for the data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictStr, model_validator

from backupcheck import configfile
from backupcheck.boxes.asks import Ask, Compared, Port, Seconds
from backupcheck.boxes.service import Served, Start, masked, serve
from backupcheck.errors import UnsafePath
from backupcheck.fields import AbsolutePath
from backupcheck.result import Finding, Outcome, Scalar, Text
from backupcheck.seams import Box, Check, Facts, Moment

LARGEST = 2**20
LOG_LINES = 8
LOG_LENGTH = 600
SECRET_NAME = re.compile(r"pass|secret|token|key|cred|salt|seed|jwt|dsn", re.IGNORECASE)

State = Literal["restored-missing", "missing", "taken", "no-loopback", "exited", "silent", "asked", "died"]


class Answered(Facts):
    """One question: why it was not answered, or what was compared."""

    subject: Text
    kind: Literal["http", "tls", "tcp"]
    trouble: Text = ""
    compared: tuple[Compared, ...] = ()


class ServiceFacts(Facts):
    """What became of the service: its `state` (as in `probes/service.py`, or `restored-missing`), what it last
    said with secrets masked, and what it answered."""

    state: State
    message: Text = ""
    status: int | None = None
    log: Text = ""
    answers: tuple[Answered, ...] = ()


class Service(Check[ServiceFacts]):
    """Starts a command in the box, waits for its port or socket, and asks it for the data.

    That it answers proves nothing: an application that found no data serves an empty one. So every question must
    ask for something that only the data can give: a value in JSON, a text, a header, a restored certificate.

        - service:
            run: [/opt/app/server, --config, "{work}/app.toml"]
            env: {DATA: "{work}/var/lib/app"}
            writable: [/var/lib/app]
            write: {app.toml: "listen = \\"127.0.0.1:8080\\""}
            port: 8080
            ask:
              - http: {path: /api/recipes, expect: {values: {total: {gte: 1}, items.0.name: {matches: "."}}}}
              - tls: {name: app.example.org, port: 8443, expect: {certificate: /etc/ssl/app.crt}}
              - tcp: {send: "PING\\r\\n", port: 6379, expect: {contains: PONG}}

    `http` also takes `host`, `port`, `tls`, `method`, `headers` and `body`, and expects `status` (200), `headers`,
    `values` (by paths in the JSON; of a list or mapping its length) and `text`. `tls` expects `certificate`
    (exactly this restored one, or one of several), `trusted_by` (a restored root that must have issued it),
    `names` and `issuer`; nothing else is verified of certificates. Redirects are not followed.

    What was restored is read-only. `writable` paths are copied, `/var/lib/app` to `{work}/var/lib/app`, where the
    service may read and write all of it; `write` puts small files below `{work}`. `{work}` stands for that folder
    in `run`, `env`, `folder`, `socket` and these files. All is gone afterwards. The box has no network but its
    loopback: what the service would fetch or renew it cannot. It runs as an ordinary user, or with `root: true` as
    the box's root, and in the foreground: a daemon that leaves its first process has ended.

    The end of what it printed is in the finding of what went wrong; values of `env_file`, of `env` where the name
    looks like a secret's, contents of the files in `secrets` and private keys are masked in it.

    Findings: `service.missing` (a path that it needs was not restored), `service.program-missing`,
    `service.port-taken`, `service.no-loopback`, `service.not-started` (it ended before it answered),
    `service.no-answer`, `service.wrong-answer`, `service.wrong-certificate`, `service.died` (while it was asked).
    """

    starts_it = True

    run: tuple[StrictStr, ...] = Field(min_length=1, description="the program and its words")
    env: dict[str, StrictStr] = Field(default_factory=dict, description="environment variables")
    env_file: AbsolutePath | None = Field(None, description="a restored environment file that it is given")
    folder: StrictStr = Field("{work}", description="the folder that it is started in")
    writable: tuple[AbsolutePath, ...] = Field((), description="restored paths that it gets copies of")
    write: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")], StrictStr] = Field(
        default_factory=dict, description="files to put below {work}: name and text"
    )
    root: StrictBool = Field(False, description="whether it runs as the box's root")
    port: Port | None = Field(None, description="the port of 127.0.0.1 that it listens on")
    socket: Annotated[StrictStr, Field(pattern=r"^(/|\{work\}/)")] | None = Field(
        None, description="or the path of the Unix socket that it listens on"
    )
    patience: Seconds = Field(60, description="seconds until it must listen")
    settle: Seconds = Field(
        10, description="seconds after that in which it may give no answer yet, or 502, 503 or 504"
    )
    timeout: Seconds = Field(30, description="seconds for each answer")
    secrets: tuple[AbsolutePath, ...] = Field((), description="restored files whose content is masked")
    ask: tuple[Ask, ...] = Field(min_length=1, description="the questions, in this order")

    @model_validator(mode="after")
    def _listens_somewhere(self) -> Self:
        if (self.port is None) == (self.socket is None):
            raise ValueError("give either port or socket, to know when it has started")
        return self

    def subject(self) -> str:
        """The program."""
        return self.run[0].rpartition("/")[2]

    def observe(self, box: Box) -> ServiceFacts:
        """Raises `ScratchError` and `ProcessError` where the box could not do it."""
        listens = self.port or self.socket or 0
        try:
            environment = self._environment(box)
            hidden = tuple(self._secrets(box, environment))
            start = Start(
                argv=self.run,
                listens=listens,
                env={**environment, **self.env},
                folder=self.folder,
                copies=self.writable,
                files=self.write,
                root=self.root,
                patience=self.patience,
                settle=self.settle,
                secrets=hidden,
            )
            questions = tuple(ask.question(listens, self.timeout, box.tree) for ask in self.ask)
            served = serve(box, start, questions)
        except FileNotFoundError as error:
            return ServiceFacts(state="restored-missing", message=str(error.filename or error))
        except UnsafePath as error:
            return ServiceFacts(state="restored-missing", message=error.message)
        return self._facts(box, served, hidden)

    def _environment(self, box: Box) -> dict[str, str]:
        """What the environment file sets. Raises `Unparsable`."""
        if self.env_file is None:
            return {}
        found = configfile.parse(box.tree.read(self.env_file, LARGEST), "env")
        return {name: str(value) for name, value in found.items()} if isinstance(found, dict) else {}

    def _secrets(self, box: Box, environment: dict[str, str]) -> Iterator[str]:
        yield from environment.values()
        yield from (value for name, value in self.env.items() if SECRET_NAME.search(name))
        for path in self.secrets:
            content = box.tree.read(path, LARGEST).decode("utf-8", "backslashreplace")
            yield from (content.strip(), *(line.strip() for line in content.splitlines()))

    def _facts(self, box: Box, served: Served, hidden: tuple[str, ...]) -> ServiceFacts:
        answers = [
            Answered(
                subject=ask.asked.subject(),
                kind=ask.kind,
                trouble=masked(reply.trouble, hidden),
                compared=()
                if reply.trouble
                else tuple(_hiding(one, hidden) for one in ask.asked.compared(reply, box.tree)),
            )
            for ask, reply in zip(self.ask, served.replies, strict=False)
        ]
        gone = served.state == "missing" and self._was_to_be_restored(box)
        return ServiceFacts.model_validate(
            {
                "state": "restored-missing" if gone else served.state,
                "message": self.run[0] if gone else served.message,
                "status": served.status,
                "log": _ending(served.log),
                "answers": answers,
            }
        )

    def _was_to_be_restored(self, box: Box) -> bool:
        """Whether the program's folder is one that was restored."""
        folder = PurePosixPath(self.run[0]).parent
        return folder.is_absolute() and box.tree.status(str(folder)) is not None

    def judge(self, facts: ServiceFacts, moment: Moment) -> Iterator[Finding]:
        """Whether it started, what it answered, and whether it was still there."""
        listens = f"port {self.port}" if self.port else self.socket
        if facts.state in NOT_ASKED:
            id, outcome, said, advice = NOT_ASKED[facts.state]
            words = said.format(
                listens=listens, status=_status(facts), message=facts.message, patience=self.patience
            )
            yield self._finding(id, outcome, words, facts, advice=advice)
            return
        yield self._finding("service.not-started", Outcome.PASS, f"it listens on {listens}", facts)
        dead = facts.state == "died"
        for number, answer in enumerate(facts.answers, 1):
            if not (dead and answer.trouble and number == len(facts.answers)):
                yield from self._about(answer, facts)
        for ask in self.ask[len(facts.answers) :]:
            yield self._finding(
                "service.no-answer", Outcome.SKIP, "not asked: it had ended", facts, ask.asked.subject()
            )
        said = (
            f"it ended with {_status(facts)} while it was asked: {facts.answers[-1].subject}" if dead else STAYED
        )
        yield self._finding("service.died", Outcome.FAIL if dead else Outcome.PASS, said, facts)

    def _about(self, answer: Answered, facts: ServiceFacts) -> Iterator[Finding]:
        if answer.trouble:
            yield self._finding("service.no-answer", Outcome.FAIL, answer.trouble, facts, answer.subject)
        for one in answer.compared:
            id = "service.wrong-certificate" if answer.kind == "tls" else "service.wrong-answer"
            said = f"its {one.what} is as expected" if one.met else f"its {one.what} is not what it must be"
            outcome = Outcome.PASS if one.met else Outcome.FAIL
            yield self._finding(id, outcome, said, facts, answer.subject, compared=one)

    def _finding(
        self,
        id: str,
        outcome: Outcome,
        said: str,
        facts: ServiceFacts,
        subject: str | None = None,
        *,
        compared: Compared | None = None,
        advice: str = "",
    ) -> Finding:
        bad = outcome in (Outcome.FAIL, Outcome.ERROR)
        log = f"; it last said: {facts.log}" if facts.log else ""
        return Finding(
            id=id,
            outcome=outcome,
            subject=subject or self.subject(),
            expected=compared and compared.expected,
            actual=compared and compared.actual,
            message=f"{said}{log}" if bad else said,
            advice=(advice or "compare the restored data and its configuration with the source") if bad else "",
        )


STAYED = "it still runs after the last question"
NOT_ASKED: dict[str, tuple[str, Outcome, str, str]] = {
    "restored-missing": (
        "service.missing",
        Outcome.FAIL,
        "what it needs was not restored: {message}",
        "add it to what is pulled",
    ),
    "missing": (
        "service.program-missing",
        Outcome.ERROR,
        "it cannot be started in this box: {message}",
        "name an image that has the program, or install it where the engine takes programs from",
    ),
    "taken": (
        "service.port-taken",
        Outcome.ERROR,
        "something listens on {listens} of the box before it is started",
        "give it another port",
    ),
    "no-loopback": (
        "service.no-loopback",
        Outcome.ERROR,
        "this box has no loopback, so nothing in it can be asked",
        "install bubblewrap, or use engine lxc",
    ),
    "exited": (
        "service.not-started",
        Outcome.FAIL,
        "it ended with {status} before it answered on {listens}",
        "",
    ),
    "silent": (
        "service.no-answer",
        Outcome.FAIL,
        "it did not listen on {listens} within {patience:g} seconds",
        "",
    ),
}


def _status(facts: ServiceFacts) -> str:
    if facts.status is None:
        return "no status"
    return f"status {facts.status}" if facts.status >= 0 else f"signal {-facts.status}"


def _ending(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return " / ".join(lines[-LOG_LINES:])[-LOG_LENGTH:]


def _hiding(one: Compared, hidden: tuple[str, ...]) -> Compared:
    def shown(value: Scalar) -> Scalar:
        return masked(value, hidden) if isinstance(value, str) else value

    return Compared(what=one.what, met=one.met, expected=shown(one.expected), actual=shown(one.actual))
