"""A configuration file parses as before, and one value in it is another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from backupcheck import configfile
from backupcheck.configfile import Unparsable, Value, format_of
from backupcheck.mutants.cure import line
from backupcheck.mutants.mutant import Mutant, Mutator, Where, chosen
from backupcheck.mutants.origin import Artefact, Origin, below
from backupcheck.mutants.pairs import content
from backupcheck.mutants.settings import Setting, settings


class ConfigChanged(Mutator):
    """As an older state, or a default that came back, has it: a path leads elsewhere, a number is another."""

    where = Where.SOURCE

    def mutants(self, origin: Origin) -> Iterator[Mutant]:
        """One for each file that the spec asks about, and a few others, in which a value stands that is no secret:
        paths first."""
        for one in chosen(origin.holding("config"), lambda one: origin.is_named(one.path)):
            whole, template = content(origin, one), False
            value = _parsed(one, whole)
            if value is None:
                template, value = True, _parsed(one, whole, template=True)
            changed = next(_changes(one, whole, value, template=template), None)
            if changed is None:
                continue
            setting, text = changed

            def harm(root: Path, path: str = one.path, text: bytes = text) -> bool:
                below(root, path).write_bytes(text)
                return True

            asked: dict[str, object] = {"template": True} if template else {}
            yield self.mutant(
                f"{one.path} {setting.key}",
                f"the value of {setting.key} was changed",
                (one.path,),
                line("config", path=one.path, **asked, values={setting.key: setting.value}),
                harm,
            )


def _parsed(artefact: Artefact, whole: bytes, *, template: bool = False) -> Value:
    format = format_of(artefact.path)
    try:
        return configfile.parse(whole, format, template=template) if format else None
    except Unparsable:
        return None


def _changes(artefact: Artefact, whole: bytes, value: Value, *, template: bool) -> Iterator[tuple[Setting, bytes]]:
    """Each setting that can be changed alone, and the file with it changed: the text is found behind its key, and
    what then parses must differ in just this."""
    known = settings(value)
    for setting in known:
        name = re.escape(setting.name.encode())
        old = re.escape(setting.text.encode())
        places = [*re.finditer(rb"(?<![\w.-])" + name + rb"\W{1,8}?(?P<value>" + old + rb")(?![\w.-])", whole)]
        for place in places[:1]:
            text = whole[: place.start("value")] + setting.other.encode() + whole[place.end("value") :]
            now = {one.key: one.value for one in settings(_parsed(artefact, text, template=template))}
            before = {one.key: one.value for one in known}
            if [key for key in before if now.get(key) != before[key]] == [setting.key]:
                yield setting, text
