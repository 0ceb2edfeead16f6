"""Results of a query for series that stay as they are: a subset of PromQL, apart from what makes the rules.

Gauges are constant and counters grow steadily, so that no window is needed.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    BinModifier,
    Call,
    Expr,
    LabelModifierType,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    UnaryExpr,
    VectorMatchCardinality,
    VectorSelector,
)

from rulegen.unittests.selected import Selected, selects

Labels = frozenset[tuple[str, str]]


class NotUnderstoodError(Exception):
    """A query that is not evaluated here."""


@dataclass(frozen=True)
class Fed:
    """A series and its value; of a counter how much it grows per second."""

    series: Selected
    value: float


Vector = Mapping[Labels, float]

_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_AGGREGATIONS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "count": lambda values: float(len(values)),
    "avg": lambda values: sum(values) / len(values),
    "group": lambda _: 1.0,
}
_OF_CONSTANTS = ("avg_over_time", "min_over_time", "max_over_time", "last_over_time")
COUNTED = ("rate", "irate", "increase")
_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "abs": abs,
    "clamp": lambda value, least, most: max(least, min(most, value)),
    "clamp_max": min,
    "clamp_min": max,
    "sqrt": math.sqrt,
}


def evaluate(node: Expr, fed: Sequence[Fed]) -> Vector:
    """The result for ``fed``. Raises NotUnderstoodError."""
    found = _Evaluation(fed).of(node)
    if isinstance(found, float):
        raise NotUnderstoodError
    return found


@dataclass(frozen=True)
class _Evaluation:
    fed: Sequence[Fed]

    def of(self, node: Expr) -> Vector | float:
        match node:
            case NumberLiteral():
                return float(node.val)
            case ParenExpr():
                return self.of(node.expr)
            case UnaryExpr():
                return self._each(self.of(node.expr), operator.neg)
            case VectorSelector():
                return self._selected(node)
            case Call():
                return self._call(node)
            case AggregateExpr() if str(node.op) in _AGGREGATIONS and node.param is None:
                return self._aggregate(node)
            case BinaryExpr():
                return self._binary(node)
            case _:
                raise NotUnderstoodError

    def vector(self, node: Expr) -> Vector:
        found = self.of(node)
        if isinstance(found, float):
            raise NotUnderstoodError
        return found

    def _each(self, found: Vector | float, function: Callable[[float], float]) -> Vector | float:
        if isinstance(found, float):
            return function(found)
        return {labels: function(value) for labels, value in found.items()}

    def _selected(self, selector: VectorSelector) -> Vector:
        if selector.offset is not None or selector.at is not None:
            raise NotUnderstoodError
        return {
            frozenset(one.series.labels.items()): one.value
            for one in self.fed
            if selects(selector, one.series)
        }

    def _call(self, node: Call) -> Vector | float:
        name = node.func.name
        if isinstance(node.args[0] if node.args else None, MatrixSelector):
            selector = node.args[0]
            values = self._selected(selector.vector_selector)
            if name in _OF_CONSTANTS or name in ("rate", "irate"):
                return values
            if name == "increase":
                return self._each(values, lambda value: value * selector.range.total_seconds())
            raise NotUnderstoodError
        if name == "histogram_quantile":
            return self._quantile(node.args[0], self.vector(node.args[1]))
        if name not in _FUNCTIONS or not node.args:
            raise NotUnderstoodError
        limits = [self.of(argument) for argument in node.args[1:]]
        return self._each(self.vector(node.args[0]), lambda value: _FUNCTIONS[name](value, *limits))

    def _quantile(self, quantile: Expr, buckets: Vector) -> Vector:
        """Interpolate a quantile where all is in the first bucket: it is that share of its bound."""
        share = self.of(quantile)
        by_series: dict[Labels, dict[str, float]] = {}
        for labels, value in buckets.items():
            bound = dict(labels).get("le", "")
            rest = frozenset(pair for pair in labels if pair[0] != "le")
            by_series.setdefault(rest, {})[bound] = value
        found: dict[Labels, float] = {}
        for labels, counts in by_series.items():
            bounds = sorted(counts, key=float) if all(_is_number(bound) for bound in counts) else []
            if len(bounds) != 2 or bounds[1] != "+Inf" or counts[bounds[0]] != counts["+Inf"]:
                raise NotUnderstoodError
            if not isinstance(share, float) or not 0 < share < 1:
                raise NotUnderstoodError
            found[labels] = share * float(bounds[0])
        return found

    def _aggregate(self, node: AggregateExpr) -> Vector:
        groups: dict[Labels, list[float]] = {}
        for labels, value in self.vector(node.expr).items():
            groups.setdefault(_grouped(node, labels), []).append(value)
        combine = _AGGREGATIONS[str(node.op)]
        return {labels: combine(values) for labels, values in groups.items()}

    def _binary(self, node: BinaryExpr) -> Vector | float:
        sign, left, right = str(node.op), self.of(node.lhs), self.of(node.rhs)
        if sign in ("and", "or", "unless"):
            return _set_operation(node, sign, left, right)
        keep = _operator(sign, as_bool=node.modifier is not None and node.modifier.return_bool)
        if isinstance(left, float) and isinstance(right, float):
            return _known(keep(left, right))
        if isinstance(right, float):
            assert not isinstance(left, float)
            return _filtered((labels, keep(value, right)) for labels, value in left.items())
        if isinstance(left, float):
            if sign in _COMPARISONS:
                raise NotUnderstoodError
            return _filtered((labels, keep(left, value)) for labels, value in right.items())
        return _matched(node.modifier, left, right, keep)


def _known(value: float | None) -> float:
    if value is None:
        raise NotUnderstoodError
    return value


def _operator(sign: str, *, as_bool: bool) -> Callable[[float, float], float | None]:
    if sign in _ARITHMETIC:
        function = _ARITHMETIC[sign]

        def calculate(left: float, right: float) -> float | None:
            if sign == "/" and not right:
                raise NotUnderstoodError
            return function(left, right)

        return calculate
    if sign not in _COMPARISONS:
        raise NotUnderstoodError
    compare = _COMPARISONS[sign]
    if as_bool:
        return lambda left, right: float(compare(left, right))
    return lambda left, right: left if compare(left, right) else None


def _filtered(results: Iterable[tuple[Labels, float | None]]) -> Vector:
    return {labels: value for labels, value in results if value is not None}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _grouped(node: AggregateExpr, labels: Labels) -> Labels:
    if node.modifier is None:
        return frozenset()
    kept = node.modifier.type == AggModifierType.By
    return frozenset(pair for pair in labels if (pair[0] in node.modifier.labels) == kept)


def _key(modifier: BinModifier | None, labels: Labels) -> Labels:
    matching = modifier.matching if modifier is not None else None
    if matching is None:
        return labels
    named = matching.type == LabelModifierType.Include
    return frozenset(pair for pair in labels if (pair[0] in matching.labels) == named)


def _set_operation(node: BinaryExpr, sign: str, left: Vector | float, right: Vector | float) -> Vector:
    if isinstance(left, float) or isinstance(right, float):
        raise NotUnderstoodError
    keys = {_key(node.modifier, labels) for labels in right}
    own = {_key(node.modifier, labels) for labels in left}
    if sign == "or":
        rest = {labels: value for labels, value in right.items() if _key(node.modifier, labels) not in own}
        return {**left, **rest}
    return {
        labels: value
        for labels, value in left.items()
        if (_key(node.modifier, labels) in keys) == (sign == "and")
    }


def _matched(
    modifier: BinModifier | None,
    left: Vector,
    right: Vector,
    combine: Callable[[float, float], float | None],
) -> Vector:
    card = modifier.card if modifier is not None else VectorMatchCardinality.OneToOne
    if card == VectorMatchCardinality.OneToMany:
        raise NotUnderstoodError
    many = card == VectorMatchCardinality.ManyToOne
    if many and modifier is not None and modifier.group_labels:
        raise NotUnderstoodError
    others: dict[Labels, float] = {}
    for labels, value in right.items():
        key = _key(modifier, labels)
        if key in others:
            raise NotUnderstoodError
        others[key] = value
    results: list[tuple[Labels, float | None]] = []
    for labels, value in left.items():
        key = _key(modifier, labels)
        if key in others:
            results.append((labels if many else key, combine(value, others[key])))
    if len({labels for labels, _ in results}) != len(results):
        raise NotUnderstoodError
    return _filtered(results)


def renamed(fed: Fed, **labels: str) -> Fed:
    """The same series with more labels."""
    return replace(fed, series=Selected(fed.series.name, {**fed.series.labels, **labels}))
