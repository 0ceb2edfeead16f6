"""Every small change of a PromQL expression, made on its syntax tree."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

import promql_parser as promql

from tests.mutations import arithmetic, matching
from tests.mutations.replacements import AGGREGATIONS, FUNCTIONS, OPERATORS, WITH_EQUAL


class Change(NamedTuple):
    """What was changed, and the whole expression then.

    ``drops``: the label (and its value) of a matcher that was left out, where that only adds series of
    other values, beside those that there were. ``loses``: a label (and its value) that all series had and no longer
    have. ``values``: the same series come out, with other values. ``same``: why the expression has the same
    result, if it is proved. ``ranged``: what the range is of that was changed.
    """

    what: str
    expression: str
    drops: tuple[str, str] | None = None
    same: str | None = None
    values: bool = False
    loses: tuple[str, str] | None = None
    ranged: str | None = None


class Variants(NamedTuple):
    """An expression, and every expression that one change makes of it.

    ``has``: labels that each series of the result has for certain; None for a scalar.
    """

    text: str
    changes: list[Change]
    has: dict[str, str] | None


# Half of one or twice the other would be gross: these are mistakes that look right.
SHORTER, LONGER = 0.8, 1.25
LESS, MORE = 0.95, 1.05
# A whole number below this counts something.
COUNTS = 100


def variants(expression: str) -> Variants:
    """``expression`` as it is printed from its tree, and each change of it."""
    return _of(promql.parse(expression))


def _of(node: Any) -> Variants:
    return _PRINTERS[type(node).__name__](node)


class _Parts:
    """Pieces of an expression, of which one may be another."""

    def __init__(self) -> None:
        self._pieces: list[tuple[str, list[Change]]] = []
        self._whole: list[Change] = []
        self.has: dict[str, str] | None = {}

    def add(self, text: str, others: Sequence[Change] = ()) -> None:
        self._pieces.append((text, list(others)))

    def inside(self, node: Any) -> Variants:
        """Add a part with all of its changes, enclosed."""
        found = _of(node)
        self.add(f"({found.text})", [c._replace(expression=f"({c.expression})") for c in found.changes])
        return found

    def each(self, change: Callable[[int, Change], Change]) -> None:
        """Replace every change of every piece."""
        self._pieces = [
            (text, [change(place, one) for one in others])
            for place, (text, others) in enumerate(self._pieces)
        ]

    def instead(self, what: str, text: str) -> None:
        """Something else in the place of it all."""
        self._whole.append(Change(what, text))

    def variants(self) -> Variants:
        texts = [text for text, _ in self._pieces]
        changes = list(self._whole)
        for place, (_, others) in enumerate(self._pieces):
            for one in others:
                whole = "".join([*texts[:place], one.expression, *texts[place + 1 :]])
                changes.append(one._replace(expression=whole))
        return Variants("".join(texts), changes, self.has)


def _valued(what: str, text: str) -> Change:
    return Change(what, text, values=True)


def _number(node: Any) -> Variants:
    value = node.val
    text = _digits(value)
    if value in (float("inf"), float("-inf")):
        return Variants(text, [Change(f"{text} negated", _digits(-value), values=True)], None)
    if value == 0:
        others = [1.0, -1.0]
    elif value == int(value) and abs(value) < COUNTS:
        others = [value + 1, value - 1]
    else:
        others = [value * MORE, value * LESS]
    changes = [Change(f"{text} -> {_digits(other)}", _digits(other), values=True) for other in others]
    return Variants(text, changes, None)


def _digits(value: float) -> str:
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "-Inf"
    return f"{value:.12g}"


def _text(node: Any) -> Variants:
    return Variants(json.dumps(node.val, ensure_ascii=False), [], None)


def _unary(node: Any) -> Variants:
    parts = _Parts()
    parts.add("-", [Change("no minus", "")])
    parts.has = parts.inside(node.expr).has
    return parts.variants()


def _enclosed(node: Any) -> Variants:
    return _of(node.expr)


def _binary(node: Any) -> Variants:
    parts = _Parts()
    operator = str(node.op)
    left = parts.inside(node.lhs)
    never = arithmetic.never_equal(node)
    parts.add(
        f" {operator} ",
        [
            matching.of_infinity(
                node,
                Change(
                    f"{operator} -> {other}",
                    f" {other} ",
                    values=operator in "+-*/%^",
                    same=never if {operator, other} in WITH_EQUAL else None,
                ),
            )
            for other in OPERATORS[operator]
        ],
    )
    parts.add(*_modifier(node.modifier, operator))
    right = parts.inside(node.rhs)
    if operator in ("and", "or", "unless"):
        parts.instead(f"what is after {operator} left out", f"({left.text})")
    if operator in ("and", "or"):
        parts.instead(f"what is before {operator} left out", f"({right.text})")
    parts.has = matching.labels(node, left.has, right.has)
    sides = {0: right.has, 3: left.has}
    parts.each(
        lambda place, one: (
            matching.judged(node, one, sides[place], place == 0)
            if place in sides
            else matching.unlisted(one, left.has, right.has)
        )
    )
    return parts.variants()


def _modifier(modifier: Any, operator: str) -> tuple[str, list[Change]]:
    if modifier is None:
        return "", []
    changes: list[Change] = []
    flag = "bool " if modifier.return_bool else ""
    matching, grouped = modifier.matching, _grouping(modifier)
    word = ""
    labels: list[str] = []
    if matching is not None:
        word = "on" if matching.type == promql.LabelModifierType.Include else "ignoring"
        labels = list(matching.labels)
    match = f"{word} ({', '.join(labels)}) " if word else ""
    if flag:
        changes.append(Change(f"{operator} without bool", f"{match}{grouped}"))
    for label in labels:
        rest = ", ".join(other for other in labels if other != label)
        changes.append(Change(f"{word} without {label}", f"{flag}{word} ({rest}) {grouped}"))
    if word and not labels:
        changes.append(Change(f"no {word} ()", f"{flag}{grouped}"))
    if grouped:
        changes.append(Change(f"no {grouped.strip()}", f"{flag}{match}"))
    return f"{flag}{match}{grouped}", changes


def _grouping(modifier: Any) -> str:
    card = str(modifier.card)
    word = "group_left" if card.endswith("ManyToOne") else "group_right" if card.endswith("OneToMany") else ""
    return f"{word} ({', '.join(modifier.group_labels or [])}) " if word else ""


def _aggregate(node: Any) -> Variants:
    parts = _Parts()
    operator = str(node.op)
    parts.add(
        f"{operator} ",
        [Change(f"{operator} -> {other}", f"{other} ", values=True) for other in AGGREGATIONS[operator]],
    )
    if node.modifier is not None:
        labels = list(node.modifier.labels)
        word = "by" if node.modifier.type == promql.AggModifierType.By else "without"
        changes = []
        for label in labels:
            rest = ", ".join(other for other in labels if other != label)
            changes.append(Change(f"{word} without {label}", f"{word} ({rest}) "))
        parts.add(f"{word} ({', '.join(labels)}) ", changes)
    parts.add("(")
    if node.param is not None:
        parts.inside(node.param)
        parts.add(", ")
    inner = parts.inside(node.expr)
    parts.add(")")
    had = inner.has or {}
    parts.has = {label: value for label, value in had.items() if matching.kept(node, label)}
    parts.each(lambda _, one: matching.aggregated(node, one, had))
    return parts.variants()


def _call(node: Any) -> Variants:
    parts = _Parts()
    name = str(node.func.name)
    parts.add(name, [Change(f"{name} -> {other}", other, values=True) for other in FUNCTIONS.get(name, ())])
    parts.add("(")
    arguments = []
    for index, argument in enumerate(node.args):
        parts.add(", " if index else "")
        if type(argument).__name__ in ("MatrixSelector", "SubqueryExpr", "StringLiteral"):
            found = _of(argument)
            parts.add(found.text, found.changes)
        else:
            found = parts.inside(argument)
        arguments.append(found)
    parts.add(")")
    first = node.args[0] if node.args else None
    if first is not None and type(first).__name__ not in ("MatrixSelector", "SubqueryExpr", "NumberLiteral"):
        parts.instead(f"no {name}", f"({arguments[0].text})")
    if name in _OTHER_LABELS:
        parts.each(lambda place, one: matching.inside_absent(name, one) if place else one)
        if name == "absent" and isinstance(first, promql.VectorSelector):
            # What is missing has the labels that it was asked for.
            parts.has = arguments[0].has
    else:
        parts.has = next((found.has for found in arguments if found.has is not None), None)
    return parts.variants()


# Functions whose results do not have the labels of what they are given.
_OTHER_LABELS = (
    "absent",
    "absent_over_time",
    "label_replace",
    "label_join",
    "vector",
    "scalar",
    "histogram_quantile",
)


def _vector(node: Any) -> Variants:
    parts = _Parts()
    _selector(parts, node)
    _offset(parts, node.offset)
    return parts.variants()


def _matrix(node: Any) -> Variants:
    parts = _Parts()
    _selector(parts, node.vector_selector)
    _range(parts, node.range, of=node.vector_selector.name)
    _offset(parts, node.vector_selector.offset)
    return parts.variants()


def _subquery(node: Any) -> Variants:
    parts = _Parts()
    inner = parts.inside(node.expr)
    step = _duration(node.step) if node.step else ""
    parts.has = inner.has
    _range(parts, node.range, f":{step}")
    _offset(parts, node.offset)
    return parts.variants()


def _range(parts: _Parts, length: timedelta, step: str = "", of: str | None = None) -> None:
    changes = [
        Change(
            f"[{_duration(length)}] -> [{_duration(length * factor)}]",
            f"[{_duration(length * factor)}{step}]",
            ranged=of,
        )
        for factor in (SHORTER, LONGER)
    ]
    parts.add(f"[{_duration(length)}{step}]", changes)


def _offset(parts: _Parts, offset: timedelta | None) -> None:
    if offset is None:
        return
    changes = [Change("no offset", "")]
    for factor in (SHORTER, LONGER):
        other = _duration(offset * factor)
        changes.append(Change(f"offset {_duration(offset)} -> {other}", f" offset {other}"))
    parts.add(f" offset {_duration(offset)}", changes)


def _selector(parts: _Parts, node: Any) -> None:
    name = node.name or ""
    matchers = [
        (matcher.name, _SIGNS[str(matcher.op).rsplit(".", 1)[-1]], matcher.value)
        for matcher in node.matchers.matchers
    ]
    changes = []
    for index, (label, sign, value) in enumerate(matchers):
        others = [*matchers[:index], *matchers[index + 1 :]]
        if name or others:
            drops = (label, value) if sign == "=" else None
            changes.append(Change(f"no matcher of {label}", _braces(name, others), drops))
        other = (label, sign, f"{value}-other" if sign in ("=", "!=") else f"({value})-other")
        changes.append(Change(f"another {label}", _braces(name, [*others, other])))
        negated = (label, _NEGATED[sign], value)
        if name:
            changes.append(Change(f"any other {label}", _braces(name, [*others, negated])))
    parts.add(_braces(name, matchers), changes)
    parts.has = {label: value for label, sign, value in matchers if sign == "="}


_SIGNS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_NEGATED = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}


def _braces(name: str, matchers: Sequence[tuple[str, str, str]]) -> str:
    inside = ",".join(
        f"{label}{sign}{json.dumps(value, ensure_ascii=False)}" for label, sign, value in matchers
    )
    return f"{name}{{{inside}}}"


def _duration(length: timedelta) -> str:
    milliseconds = round(length.total_seconds() * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


_PRINTERS: dict[str, Callable[[Any], Variants]] = {
    "NumberLiteral": _number,
    "StringLiteral": _text,
    "UnaryExpr": _unary,
    "ParenExpr": _enclosed,
    "BinaryExpr": _binary,
    "AggregateExpr": _aggregate,
    "Call": _call,
    "VectorSelector": _vector,
    "MatrixSelector": _matrix,
    "SubqueryExpr": _subquery,
}


def distinct(changes: Sequence[Change]) -> Iterator[Change]:
    """Each expression once."""
    seen: set[str] = set()
    for change in changes:
        if change.expression not in seen:
            seen.add(change.expression)
            yield change
