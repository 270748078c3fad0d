"""What a proof depends on beside the data: each of it changes the key."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from backupcheck.carrying.sameness import Key, key_of, source_digest
from backupcheck.errors import SpecError
from backupcheck.policies.growth import Growth
from backupcheck.seams import Box, BoxRequest, Engine
from backupcheck.spec import Site, Spec, load_site, load_spec

SITE = """\
site: home
mirror: mirror
repository: {url: repository, password_file: password}
scratch: {folder: scratch}
reports: reports
state: state
"""
SPEC = """\
service: notes
source: {host: local, paths: [/srv/notes/]}
checks:
  - seal: {}
  - files: {glob: /srv/notes/*, count: 3}
"""


class Boxes(Engine):
    """An engine that says which version its image is."""

    made: str = "1"

    def version(self, image: str) -> str:
        return self.made

    def why_not(self) -> str | None:
        return None

    def prepare(self, images: frozenset[str]) -> None: ...

    def open(self, request: BoxRequest) -> contextlib.AbstractContextManager[Box]:
        raise NotImplementedError

    def sweep(self, folder: Path) -> int:
        return 0

    def not_exercised(self) -> tuple[str, ...]:
        return ()


class Other(Boxes):
    """Another engine."""

    @classmethod
    def kind(cls) -> str:
        return "other"


Asked = tuple[Site, Spec, Engine, str]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    (tmp_path / "site.yaml").write_text(SITE)
    (tmp_path / "notes.yaml").write_text(SPEC)
    return load_site(tmp_path / "site.yaml"), load_spec(tmp_path / "notes.yaml"), Boxes(), "0.14.0"


def with_site(change: Callable[[Site], dict[str, object]]) -> Callable[[Asked], Asked]:
    return lambda asked: (asked[0].model_copy(update=change(asked[0])), *asked[1:])


def in_repository(**changes: object) -> Callable[[Asked], Asked]:
    return with_site(lambda site: {"repository": site.repository.model_copy(update=changes)})


def with_code(asked: Asked) -> Asked:
    """A check of another package asks too."""
    other = type("Foreign", (type(asked[1].checks[1]),), {"__module__": "foreign.checks"})
    check = other.model_validate(asked[1].checks[1].model_dump(exclude_unset=True))  # type: ignore[attr-defined]
    return asked[0], asked[1].model_copy(update={"checks": (asked[1].checks[0], check)}), *asked[2:]


CHANGES: dict[str, Callable[[Asked], Asked]] = {
    "repository": in_repository(url="/srv/another"),
    "host": in_repository(host="another"),
    "tags": in_repository(tags=("another",)),
    "mirror": with_site(lambda site: {"mirror": Path("/srv/another")}),
    "spec": lambda asked: (asked[0], asked[1].model_copy(update={"about": "Others"}), *asked[2:]),
    "tools": lambda asked: (*asked[:3], "0.18.0"),
    "engine": lambda asked: (*asked[:2], Other(), asked[3]),
    "image": lambda asked: (*asked[:2], Boxes(made="2"), asked[3]),
    "code": with_code,
    "inspects": with_site(lambda site: {"policies": (*site.policies, Growth())}),
}


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An installed package with a kind of check."""
    (tmp_path / "foreign").mkdir()
    file = tmp_path / "foreign/__init__.py"
    file.write_text("ASKS = 1\n")
    module = ModuleType("foreign")
    module.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "foreign", module)
    source_digest.cache_clear()
    return module


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize("ingredient", Key.model_fields)
def test_each_ingredient_makes_another_key(asked: Asked, ingredient: str) -> None:
    before, after = key_of(*asked), key_of(*CHANGES[ingredient](asked))

    assert before is not None
    assert after is not None
    differing = {name for name in Key.model_fields if getattr(before, name) != getattr(after, name)}
    assert ingredient in differing
    assert differing <= {ingredient, "spec"}
    assert before.text != after.text


def test_the_same_has_the_same_key(asked: Asked) -> None:
    assert key_of(*asked) == key_of(*asked)


def test_a_changed_check_is_other_code(foreign: ModuleType) -> None:
    before = source_digest("foreign")
    Path(str(foreign.__file__)).write_text("ASKS = 2\n")
    source_digest.cache_clear()

    assert before != source_digest("foreign")


@pytest.mark.parametrize(
    "change",
    [
        lambda asked: (*asked[:2], Boxes(made=""), asked[3]),
        lambda asked: (*asked[:3], "not there"),
        with_code,
    ],
    ids=["image", "restic", "code"],
)
def test_what_is_not_known_has_no_key(asked: Asked, change: Callable[[Asked], Asked]) -> None:
    source_digest.cache_clear()

    assert key_of(*change(asked)) is None


def test_this_package_has_a_digest() -> None:
    assert len(source_digest("backupcheck")) == 64


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("drill: {carry: 7d}", "proofs are carried only where the policy read_data"),
        ("drill: {carry: 5m}", "a proof is carried for 1h to 31d"),
        ("drill: {carry: 40d}", "a proof is carried for 1h to 31d"),
    ],
)
def test_what_may_be_carried_is_bounded_and_needs_its_policy(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(f"{SITE}{line}\n")
    with pytest.raises(SpecError) as caught:
        load_site(file)

    assert said in str(caught.value)
