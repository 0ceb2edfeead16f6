"""Labels that the series of a query can have, as far as its text says.

Rules: https://prometheus.io/docs/prometheus/latest/querying/operators/, and `resultMetric` of
Prometheus' promql/engine.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    LabelModifierType,
    Matcher,
    MatchOp,
    StringLiteral,
    VectorMatchCardinality,
    VectorSelector,
)

from rulegen.promql.query.mistakes import place_of
from rulegen.promql.query.parse import Query, children, type_of

# They choose among series, and leave them as they are.
_CHOOSING = ("topk", "bottomk", "limitk", "limit_ratio")
_ADDING = ("label_replace", "label_join")
_ABSENT = ("absent", "absent_over_time")


@dataclass(frozen=True)
class Labels:
    """``only`` ``names`` may be there, or any label but them."""

    names: frozenset[str]
    only: bool

    @classmethod
    def these(cls, *names: str) -> Self:
        """No other label."""
        return cls(frozenset(names), only=True)

    def may(self, name: str) -> bool:
        """Return whether a series may have the label ``name``."""
        return (name in self.names) == self.only

    def and_also(self, other: Labels) -> Labels:
        """Labels of both."""
        if self.only:
            return Labels(frozenset(name for name in self.names if other.may(name)), only=True)
        return other.and_also(self) if other.only else Labels(self.names | other.names, only=False)

    def or_else(self, other: Labels) -> Labels:
        """Labels of either."""
        if not self.only:
            return Labels(frozenset(name for name in self.names if not other.may(name)), only=False)
        return Labels(self.names | other.names, only=True) if other.only else other.or_else(self)

    def without(self, *names: str) -> Labels:
        """All but ``names``."""
        return self.and_also(Labels(frozenset(names), only=False))

    def adding(self, *names: str) -> Labels:
        """With ``names``."""
        return self.or_else(Labels.these(*names))


NONE = Labels.these()
ANY = Labels(frozenset(), only=False)


def labels_of(query: Query) -> Labels:
    """The labels that a series of ``query`` may have. What it says no to is certain, what it says yes to is not."""
    return _of(query.tree)


def grouped_by(query: Query) -> tuple[str, int] | None:
    """Return a label by which ``query`` groups its result, as text says it, and the offset of the grouping.

    ``by (tenant)`` or ``without (instance)``. A label that every selector fixes by ``=`` makes no groups, nor does one
    that is aggregated away further out.
    """
    kept = labels_of(query)
    fixed = [{found.name for found in _equal(selector)} for selector in query.selectors]
    alone = set[str]().union(*fixed).intersection(*fixed)
    for node in _outermost(query.tree):
        if node.modifier is None:
            continue
        by = node.modifier.type == AggModifierType.By
        labels = node.modifier.labels
        groups = [name for name in labels if kept.may(name) and name not in alone] if by else labels
        if groups:
            word = "by" if by else "without"
            return f"{word} ({', '.join(labels)})", place_of(query.text, word, "(", labels[0])
    return None


def _outermost(node: Expr) -> Iterator[AggregateExpr]:
    if isinstance(node, AggregateExpr):
        yield node
        return
    for child in children(node):
        yield from _outermost(child)


def _of(node: Expr) -> Labels:
    match node:
        case VectorSelector():
            return ANY.without(*(found.name for found in _equal(node) if found.value == ""))
        case AggregateExpr():
            return _aggregated(node)
        case Call():
            return _called(node)
        case BinaryExpr():
            return _combined(node)
        case _:
            inner = [_of(child) for child in children(node)]
            return inner[0] if inner else NONE


def _equal(node: VectorSelector) -> list[Matcher]:
    return [found for found in node.matchers.matchers if found.op == MatchOp.Equal]


def _named_equal(node: Expr) -> Iterator[str]:
    if isinstance(node, VectorSelector):
        yield from (found.name for found in _equal(node))
    for child in children(node):
        yield from _named_equal(child)


def _aggregated(node: AggregateExpr) -> Labels:
    inner = _of(node.expr)
    if str(node.op) in _CHOOSING:
        return inner
    if node.modifier is None:
        kept = NONE
    elif node.modifier.type == AggModifierType.By:
        kept = inner.and_also(Labels.these(*node.modifier.labels))
    else:
        kept = inner.without(*node.modifier.labels)
    counted = node.param.val if isinstance(node.param, StringLiteral) else None
    return kept.adding(counted) if counted is not None else kept


def _called(node: Call) -> Labels:
    name = node.func.name
    series = [argument for argument in node.args if type_of(argument) in ("vector", "matrix")]
    if not series:
        return NONE
    inner = _of(series[0])
    if name in _ABSENT:
        return Labels.these(*_named_equal(series[0]))
    if name in _ADDING:
        target = node.args[1]
        return inner.adding(target.val) if isinstance(target, StringLiteral) else ANY
    return inner.without("le") if name == "histogram_quantile" else inner


def _combined(node: BinaryExpr) -> Labels:
    left, right = _of(node.lhs), _of(node.rhs)
    kinds = type_of(node.lhs), type_of(node.rhs)
    if kinds != ("vector", "vector"):
        return left if kinds[0] == "vector" else right
    sign = str(node.op)
    if sign in ("and", "unless"):
        return left
    if sign == "or":
        return left.or_else(right)
    matched = node.modifier
    if matched is None:
        return left.and_also(right)
    if matched.card == VectorMatchCardinality.ManyToOne:
        return _taken_over(left, right, matched.group_labels or ())
    if matched.card == VectorMatchCardinality.OneToMany:
        return _taken_over(right, left, matched.group_labels or ())
    both = left.and_also(right)
    if matched.matching is None:
        return both
    if matched.matching.type == LabelModifierType.Include:
        return both.and_also(Labels.these(*matched.matching.labels))
    return both.without(*matched.matching.labels)


def _taken_over(many: Labels, one: Labels, names: Iterable[str]) -> Labels:
    """Labels of ``many``; those of ``names`` as ``one`` has them."""
    listed = list(names)
    return many.without(*listed).adding(*(name for name in listed if one.may(name)))
