"""The quick lane: find the tests that need other programs, or wait for a process, by what they call."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.support import tools


def needs_programs(item: pytest.Item) -> bool:
    """Return whether a test, one of its fixtures or a helper that either calls looks for such a program.

    A test that reaches them another way (through a script, say) carries the marker `chain`.
    """
    return item.get_closest_marker("chain") is not None or reaches(_functions(item), tools.tool)


def waits_for_a_process(item: pytest.Item) -> bool:
    """Return whether a test, one of its fixtures or a helper goes on beside a process that it started."""
    return reaches(_functions(item), subprocess.Popen)


# Of each that is sought: what does not lead there, held so that no other object gets its id.
_DEAD_ENDS: dict[int, dict[int, object]] = {}


def reaches(starts: Iterable[object], sought: object) -> bool:
    """Return whether one of these functions or classes names ``sought``, or names one of ours that does, and so on."""
    dead_ends = _DEAD_ENDS.setdefault(id(sought), {})
    waiting: list[Any] = list(starts)
    seen: dict[int, object] = {}
    while waiting:
        found = waiting.pop()
        found = inspect.unwrap(getattr(found, "__func__", found))
        if found is sought:
            return True
        if id(found) not in seen and id(found) not in dead_ends:
            seen[id(found)] = found
            waiting += _called(found)
    dead_ends |= seen
    return False


def _functions(item: pytest.Item) -> list[object]:
    """Return the function of a test, and those of its fixtures."""
    if not isinstance(item, pytest.Function):
        return []
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    return [item.obj, *(definition.func for definitions in fixtures for definition in definitions)]


def _called(found: Any) -> Iterator[Any]:
    """Return the objects that a function or a class of the tests names."""
    if isinstance(found, type) and _is_ours(found):
        yield from (value for base in found.__mro__ if _is_ours(base) for value in vars(base).values())
    elif isinstance(found, property):
        yield found.fget
    elif isinstance(found, FunctionType) and _is_ours(found):
        # A property of hypothesis holds the test that was written.
        yield getattr(getattr(found, "hypothesis", None), "inner_test", None)
        names = set(_names(found.__code__))
        for value in map(found.__globals__.get, names):
            yield value
            if isinstance(value, ModuleType):
                yield from map(vars(value).get, names)


def _is_ours(value: Any) -> bool:
    return str(value.__module__).split(".")[0] in ("tests", "benchmarks")


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
