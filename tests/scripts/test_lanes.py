"""The quick lane: a test that needs other programs is found through fixtures, helpers, classes and properties.

Whoever names one of the helpers below is found as well: so these tests are not in the quick lane themselves.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import lanes, tools
from tests.support.prometheus import Prometheus
from tests.support.tools import NAMES, tool

pytestmark = pytest.mark.one_version


@cache
def path() -> Path:
    return tool("promtool")


def by_its_module() -> Path:
    return tools.tool("promtool")


def by_a_helper() -> list[Path]:
    return [path() for _ in range(2)]


class Judge:
    @property
    def verdict(self) -> Path:
        return (lambda: path())()


def by_a_class() -> Path:
    return Judge().verdict


def by_a_server(folder: Path) -> Prometheus:
    return Prometheus(folder, [], [], [])


@given(st.integers())
def by_a_property(number: int) -> None:
    assert number or path()


def waiting() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.wait()


def calculating() -> tuple[str, ...]:
    subprocess.run(["true"], check=True)
    return NAMES


@pytest.fixture
def judge() -> Callable[[], Path]:
    return by_a_helper()[0].resolve


@pytest.mark.parametrize(
    "found", [path, by_its_module, by_a_helper, by_a_class, by_a_server, by_a_property, Judge]
)
def test_what_looks_for_a_tool_is_found(found: object) -> None:
    assert lanes.reaches([found], tool)
    assert lanes.reaches([found], subprocess.Popen) == (found is by_a_server)


def test_what_waits_for_a_process_is_found_and_what_runs_one_to_its_end_is_not() -> None:
    assert lanes.reaches([waiting], subprocess.Popen)
    assert not lanes.reaches([calculating], subprocess.Popen)
    assert not lanes.reaches([waiting, calculating], tool)


@pytest.mark.usefixtures("judge")
def test_a_fixture_counts(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("programs")


@pytest.mark.chain
def test_a_marker_counts(request: pytest.FixtureRequest) -> None:
    assert request.node.get_closest_marker("programs")


def test_others_are_in_the_quick_lane(request: pytest.FixtureRequest) -> None:
    assert not request.node.get_closest_marker("programs")
