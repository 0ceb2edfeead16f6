"""The quick lane: which tests need Prometheus, promtool, Alertmanager or amtool, found by reading the tests."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.support import tools


def needs_programs(item: pytest.Item) -> bool:
    """Whether a test, one of its fixtures or a helper that either calls looks for such a program.

    A test that reaches them another way (through a script, say) carries the marker `chain`.
    """
    if not isinstance(item, pytest.Function):
        return False
    if item.get_closest_marker("chain"):
        return True
    fixtures = [
        definition.func
        for definitions in item._fixtureinfo.name2fixturedefs.values()
        for definition in definitions
    ]
    return any(_reaches(start, tools.tool) for start in [item.obj, *fixtures])


def _reaches(start: object, sought: Callable[..., object]) -> bool:
    waiting, seen = [start], set()
    while waiting:
        found = inspect.unwrap(getattr(waiting[-1], "__func__", waiting[-1]))  # type: ignore[arg-type]
        waiting.pop()
        if found is sought:
            return True
        if id(found) not in seen:
            seen.add(id(found))
            waiting += _called(found)
    return False


def _called(found: Any) -> Iterator[Any]:
    """The functions and classes of the tests that a function or class names."""
    if isinstance(found, type):
        yield from (value for base in found.__mro__ if _is_ours(base) for value in vars(base).values())
        return
    if isinstance(found, property):
        yield from (found.fget, found.fset)
    # The test within a property, and the function within a fixture.
    yield from filter(None, [getattr(getattr(found, "hypothesis", None), "inner_test", None)])
    if not isinstance(found, FunctionType):
        return
    names = set(_names(found.__code__))
    for name in names:
        value = found.__globals__.get(name)
        if isinstance(value, ModuleType) and _is_ours(value):
            yield from (vars(value).get(attribute) for attribute in names)
        elif _is_ours(value):
            yield value


def _is_ours(value: object) -> bool:
    name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(name, str) and name.split(".")[0] in ("tests", "benchmarks")


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
