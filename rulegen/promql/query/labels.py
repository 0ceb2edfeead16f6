"""Labels that the series of a query can have, as far as its text says.

Rules: https://prometheus.io/docs/prometheus/latest/querying/operators/, and `resultMetric` of
Prometheus' promql/engine.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    LabelModifierType,
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


# None: any label.
Labels = frozenset[str] | None
_NONE = frozenset[str]()


def labels_of(query: Query) -> Labels:
    """Return the labels that a series of ``query`` may have: no other, where they are known."""
    return _of(query.tree)


def grouped_by(query: Query) -> tuple[str, int] | None:
    """Return a label by which ``query`` groups its result, as text says it, and the offset of the grouping.

    ``by (tenant)`` or ``without (instance)``. A label that every selector fixes by ``=`` makes no groups, nor does one
    that is aggregated away further out.
    """
    kept = labels_of(query)
    fixed = [set(_equal(selector)) for selector in query.selectors]
    alone = set[str]().union(*fixed).intersection(*fixed)
    for node in _outermost(query.tree):
        if node.modifier is None:
            continue
        by = node.modifier.type == AggModifierType.By
        labels = node.modifier.labels
        groups = [name for name in labels if _may(kept, name) and name not in alone] if by else labels
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


def _may(kept: Labels, name: str) -> bool:
    return kept is None or name in kept


def _and(first: Labels, second: Labels) -> Labels:
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _without(kept: Labels, names: Iterable[str]) -> Labels:
    return None if kept is None else kept.difference(names)


def _adding(kept: Labels, names: Labels) -> Labels:
    return None if kept is None or names is None else kept | names


def _of(node: Expr) -> Labels:
    match node:
        case VectorSelector():
            return None
        case AggregateExpr():
            return _aggregated(node)
        case Call():
            return _called(node)
        case BinaryExpr():
            return _combined(node)
        case _:
            inner = [_of(child) for child in children(node)]
            return inner[0] if inner else _NONE


def _equal(node: VectorSelector) -> list[str]:
    return [found.name for found in node.matchers.matchers if found.op == MatchOp.Equal]


def _named_equal(node: Expr) -> Iterator[str]:
    if isinstance(node, VectorSelector):
        yield from _equal(node)
    for child in children(node):
        yield from _named_equal(child)


def _aggregated(node: AggregateExpr) -> Labels:
    inner = _of(node.expr)
    if str(node.op) in _CHOOSING:
        return inner
    if node.modifier is None:
        kept: Labels = _NONE
    elif node.modifier.type == AggModifierType.By:
        kept = _and(inner, frozenset(node.modifier.labels))
    else:
        kept = _without(inner, node.modifier.labels)
    counted = node.param.val if isinstance(node.param, StringLiteral) else None
    return kept if counted is None else _adding(kept, frozenset([counted]))


def _called(node: Call) -> Labels:
    name = node.func.name
    series = [argument for argument in node.args if type_of(argument) in ("vector", "matrix")]
    if not series:
        return _NONE
    inner = _of(series[0])
    if name in _ABSENT:
        return frozenset(_named_equal(series[0]))
    if name in _ADDING:
        target = node.args[1]
        return _adding(inner, frozenset([target.val]) if isinstance(target, StringLiteral) else None)
    return _without(inner, ["le"]) if name == "histogram_quantile" else inner


def _combined(node: BinaryExpr) -> Labels:
    left, right = _of(node.lhs), _of(node.rhs)
    kinds = type_of(node.lhs), type_of(node.rhs)
    if kinds != ("vector", "vector"):
        return left if kinds[0] == "vector" else right
    sign, matched = str(node.op), node.modifier
    if sign in ("and", "unless"):
        return left
    if sign == "or":
        return _adding(left, right)
    if matched is None:
        return _and(left, right)
    if matched.card in (VectorMatchCardinality.ManyToOne, VectorMatchCardinality.OneToMany):
        many, one = (left, right) if matched.card == VectorMatchCardinality.ManyToOne else (right, left)
        taken = matched.group_labels or ()
        return _adding(_without(many, taken), frozenset(name for name in taken if _may(one, name)))
    both = _and(left, right)
    if matched.matching is None:
        return both
    if matched.matching.type == LabelModifierType.Include:
        return _and(both, frozenset(matched.matching.labels))
    return _without(both, matched.matching.labels)
