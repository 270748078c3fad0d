"""Tests of the engines; the contract's assertions are shown in full like those of any test."""

import pytest

pytest.register_assert_rewrite("tests.scratch.contract")
