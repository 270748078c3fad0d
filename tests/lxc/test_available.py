"""Where LXC cannot be used, one sentence says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from backupcheck.lxc import why_not


def test_says_that_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert "need root" in str(why_not())


def test_names_the_package_of_a_missing_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert why_not() == "lxc-start is missing: install the package lxc."
