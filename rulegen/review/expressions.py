"""Differences of two versions of a PromQL expression, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import promql_parser as promql

from rulegen.promql.expressions import number

_COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
_LONGEST = 120


class _OtherFormError(Exception):
    """The two are not the same but for some values."""


def changes(old: str, new: str) -> list[str]:
    """Each change once; none where the two mean the same."""
    try:
        before, after = promql.parse(old), promql.parse(new)
    except ValueError:
        return [] if old == new else [_whole(old, new)]
    if str(before) == str(after):
        return []
    try:
        found = list(dict.fromkeys(_walk(before, after)))
    except _OtherFormError:
        found = []
    # A change that no word is known for, such as one of labels in a `by`, is shown as it is.
    return found or [_whole(old, new)]


def _whole(old: str, new: str) -> str:
    return f"condition {_short(old)} → {_short(new)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _walk(old: Any, new: Any) -> Iterator[str]:
    """Changes of values between two expressions of one form. Raises _OtherFormError where they have two."""
    if type(old) is not type(new):
        raise _OtherFormError
    match old:
        case promql.ParenExpr() | promql.UnaryExpr():
            yield from _walk(old.expr, new.expr)
        case promql.BinaryExpr():
            yield from _binary(old, new)
        case promql.AggregateExpr():
            if str(old.op) != str(new.op) or (old.param is None) != (new.param is None):
                raise _OtherFormError
            if old.param is not None:
                yield from _walk(old.param, new.param)
            yield from _walk(old.expr, new.expr)
        case promql.Call():
            if old.func.name != new.func.name or len(old.args) != len(new.args):
                raise _OtherFormError
            for before, after in zip(old.args, new.args, strict=True):
                yield from _walk(before, after)
        case promql.MatrixSelector():
            yield from _span("range", old.range, new.range)
            yield from _selector(old.vector_selector, new.vector_selector)
        case promql.SubqueryExpr():
            yield from _span("range", old.range, new.range)
            yield from _span("resolution", old.step, new.step)
            yield from _span("offset", old.offset, new.offset)
            yield from _walk(old.expr, new.expr)
        case promql.VectorSelector():
            yield from _selector(old, new)
        case promql.NumberLiteral():
            if old.val != new.val:
                yield f"number {_number(old)} → {_number(new)}"
        case _:
            if str(old) != str(new):
                raise _OtherFormError


def _binary(old: Any, new: Any) -> Iterator[str]:
    before, after = str(old.op), str(new.op)
    if before in _COMPARISONS and after in _COMPARISONS:
        limits = [(old.lhs, new.lhs), (old.rhs, new.rhs)]
        limit = next((pair for pair in reversed(limits) if all(map(_is_constant, pair))), None)
        if limit is not None and before != after:
            yield f"threshold {before} {_text(limit[0])} → {after} {_text(limit[1])}"
        elif limit is not None and _text(limit[0]) != _text(limit[1]):
            yield f"threshold {_text(limit[0])} → {_text(limit[1])}"
        elif before != after:
            yield f"comparison {before} → {after}"
        for pair in limits:
            if pair is not limit:
                yield from _walk(*pair)
        return
    if before != after:
        raise _OtherFormError
    yield from _walk(old.lhs, new.lhs)
    yield from _walk(old.rhs, new.rhs)


def _is_constant(node: Any) -> bool:
    match node:
        case promql.NumberLiteral():
            return True
        case promql.ParenExpr() | promql.UnaryExpr():
            return _is_constant(node.expr)
        case promql.BinaryExpr():
            return _is_constant(node.lhs) and _is_constant(node.rhs)
    return False


def _text(node: Any) -> str:
    match node:
        case promql.NumberLiteral():
            return _number(node)
        case promql.BinaryExpr():
            return f"{_text(node.lhs)} {node.op} {_text(node.rhs)}"
        case promql.ParenExpr():
            return f"({_text(node.expr)})"
        case promql.UnaryExpr():
            return f"-{_text(node.expr)}"
    return str(node)


def _number(node: Any) -> str:
    return number(node.val) if abs(node.val) < 1e15 else str(node.val)


def _selector(old: Any, new: Any) -> Iterator[str]:
    if old.name != new.name:
        yield f"reads {old.name} → {new.name}"
    before, after = _matchers(old), _matchers(new)
    for label in dict.fromkeys([*before, *after]):
        was, now = before.get(label), after.get(label)
        if was == now:
            continue
        if was is None:
            yield f"only where {label}{now}"
        elif now is None:
            yield f"no longer only where {label}{was}"
        else:
            yield f"{label} {was.removeprefix('=')} → {now.removeprefix('=')}"
    yield from _span("offset", old.offset, new.offset)


def _matchers(selector: Any) -> dict[str, str]:
    operators = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    found: dict[str, str] = {}
    for matcher in selector.matchers.matchers:
        operator = operators[str(matcher.op).rpartition(".")[2]]
        text = f"{operator}{matcher.value}"
        found[matcher.name] = f"{found[matcher.name]}, {text}" if matcher.name in found else text
    return found


def _span(what: str, old: timedelta | None, new: timedelta | None) -> Iterator[str]:
    if old != new:
        yield f"{what} {_duration(old)} → {_duration(new)}"


def _duration(span: timedelta | None) -> str:
    return "none" if span is None else promql.display_duration(span)
