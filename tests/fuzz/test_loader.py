"""The loader of specs and sites: whatever stands in a file is understood, or refused at a place in that file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backupcheck.errors import Problem, SpecError, UsageError
from backupcheck.seams import CAPTURES, CHECKS, NOTIFIERS, POLICIES, Kind, Seam
from backupcheck.spec import load_site, load_spec
from tests.fuzz.mangling import mangled

ROOT = Path(__file__).parent.parent.parent
SPECS = tuple(file.read_bytes() for file in sorted((ROOT / "specs").glob("*.yaml")) if file.stem != "site")
SITES = tuple((ROOT / name).read_bytes() for name in ("specs/site.yaml", "tests/lab/site.yaml"))
GOOD = {"service": "a", "source": {"host": "local", "paths": ["/a/"]}, "checks": [{"seal": {}}]}
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
a_few = settings(shared_folder, max_examples=shared_folder.max_examples // 4)

KEYS = sorted(
    {
        name
        for seam in (CHECKS, CAPTURES, POLICIES, NOTIFIERS)
        for kind in seam.kinds.values()
        for name in kind.model_fields
    }
)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([2**63, 2**64, -(2**64), 1e308, 1.5])
    | st.sampled_from(["/a", "a", "", "/", "..", "0600", "*", "[", "(", "1d", "-1h", "10%", "$A", "\x1b[31m", "é"])
    | st.text(max_size=6)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def _loads(load: Callable[[Path], object], file: Path, content: bytes) -> None:
    """Load it; every mistake that is told stands at a place that is in the file."""
    file.write_bytes(content)
    problems: tuple[Problem, ...] = (Problem(str(file), 1, 1, "none"),)
    try:
        load(file)
    except SpecError as error:
        problems = error.problems
    except UsageError as error:
        str(error).encode()
    lines = content.count(b"\n") + content.count(b"\r") + 2

    assert problems
    assert all(one.file == str(file) and one.message.encode() for one in problems)
    assert all(1 <= one.line <= lines and one.column >= 1 for one in problems)


@shared_folder
@given(content=mangled(*SPECS))
def test_a_spec_is_understood_or_refused_at_its_place(tmp_path: Path, content: bytes) -> None:
    _loads(load_spec, tmp_path / "a.yaml", content)


@shared_folder
@given(content=mangled(*SITES))
def test_a_site_is_understood_or_refused_at_its_place(tmp_path: Path, content: bytes) -> None:
    _loads(load_site, tmp_path / "site.yaml", content)


@pytest.mark.parametrize(
    ("seam", "name"),
    [pytest.param(seam, name, id=f"{seam.name}-{name}") for seam in (CHECKS, CAPTURES) for name in seam.kinds],
)
@a_few
@given(data=st.data())
def test_whatever_keys_a_kind_is_given(tmp_path: Path, seam: Seam[Kind], name: str, data: st.DataObject) -> None:
    kind = seam.kinds[name]
    fields = data.draw(st.dictionaries(st.sampled_from(sorted(kind.model_fields)), VALUES, max_size=4))
    listed = {"checks": [{name: fields}]} if seam is CHECKS else {"capture": [{name: fields}]}
    _loads(load_spec, tmp_path / "a.yaml", yaml.safe_dump(GOOD | listed, allow_unicode=True).encode())


@pytest.mark.parametrize(
    ("seam", "name"),
    [pytest.param(seam, name, id=f"{seam.name}-{name}") for seam in (POLICIES, NOTIFIERS) for name in seam.kinds],
)
@a_few
@given(data=st.data())
def test_whatever_keys_a_kind_of_the_site_is_given(
    tmp_path: Path, seam: Seam[Kind], name: str, data: st.DataObject
) -> None:
    fields = data.draw(st.dictionaries(st.sampled_from(sorted(seam.kinds[name].model_fields)), VALUES, max_size=4))
    site = yaml.safe_load(SITES[0]) | {"policies" if seam is POLICIES else "notifiers": [{name: fields}]}
    _loads(load_site, tmp_path / "site.yaml", yaml.safe_dump(site, allow_unicode=True).encode())


@pytest.mark.parametrize("content", SPECS)
def test_a_spec_says_the_same_written_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    before = load_spec(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(yaml.load(content, _AsText), sort_keys=False))

    assert load_spec(tmp_path / "a.yaml") == before


class _AsText(yaml.SafeLoader):
    """YAML's own reader, but times stay text."""


_AsText.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if "timestamp" not in tag]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
