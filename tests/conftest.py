"""Settings of the whole suite, and of its quick lane."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from tests.support import lanes, tools, tried
from tests.support.turns import Turns

# Time limits per example fail on busy machines without a bug in sight; pytest-timeout catches what hangs.
settings.register_profile("mlslo", deadline=None, max_examples=30)
settings.register_profile("quick", deadline=None, max_examples=6)
settings.load_profile("mlslo")

_TURNS = pytest.StashKey[Turns]()
_LEFT_OUT = pytest.StashKey[Counter[str]]()
_REASONS = {"programs": "need Prometheus, promtool, Alertmanager or amtool", "slow": "are slow"}
_STATES: dict[str, Any] = {}
_GIVING_WAY = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="leave out what needs other programs or is slow")
    parser.addoption(
        "--tried", metavar="FILE", help="write which modules' tests of other programs came out how"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_LEFT_OUT] = Counter()
    if config.getoption("quick"):
        settings.load_profile("quick")
        tools.available = False


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs other programs or waits; leave that out of the quick lane, with what is marked slow."""
    left_out: Counter[str] = Counter()
    kept = []
    for item in items:
        if lanes.needs_programs(item):
            item.add_marker("programs")
        if lanes.waits_for_a_process(item):
            item.add_marker("slow")
        reason = next(filter(item.get_closest_marker, _REASONS), None)
        if config.getoption("quick") and reason:
            left_out[reason] += 1
        else:
            kept.append(item)
    items[:] = kept
    config.stash[_LEFT_OUT] = left_out
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output["left_out"] = dict(left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist has left out: the controller collects nothing itself."""
    node.config.stash[_LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if path := config.getoption("tried"):
        tried.write(Path(path), terminalreporter.stats)
    if left_out := config.stash[_LEFT_OUT]:
        parts = ", ".join(f"{left_out[reason]} {text}" for reason, text in _REASONS.items())
        terminalreporter.line(f"quick: left out {left_out.total()} tests: {parts}; scripts/test runs all")


@pytest.fixture(scope="session")
def turns(request: pytest.FixtureRequest) -> Turns:
    """Return how tests by the real clock have the machine for themselves: ``with turns.alone()``."""
    return request.config.stash[_TURNS]


# Before pytest-timeout begins to count.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if _TURNS not in item.config.stash:
        own: Path = vars(item.config)["_tmp_path_factory"].getbasetemp()
        item.config.stash[_TURNS] = Turns(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)
    with item.config.stash[_TURNS].together():
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Each test draws from its module's RNG as it was after the import, whichever tests ran before it.

    Of several workers those give way that run no test by the real clock: pytest-xdist begins with the largest group,
    and one worker has all of it.
    """
    group = item.get_closest_marker("xdist_group")
    if "PYTEST_XDIST_WORKER" in os.environ and (group is None or group.args != ("real programs",)):
        os.nice(max(0, _GIVING_WAY - os.getpriority(os.PRIO_PROCESS, 0)))
    module = getattr(item, "module", None)
    generator = getattr(module, "RNG", None)
    if isinstance(generator, np.random.Generator):
        assert module is not None
        state = _STATES.setdefault(module.__name__, generator.bit_generator.state)
        generator.bit_generator.state = state
