"""Labels that the series of a query can have, as far as its text says.

https://prometheus.io/docs/prometheus/latest/querying/operators/
"""

from collections.abc import Collection, Iterator

from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
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


def grouped_by(query: Query, groups: Collection[str] = ()) -> tuple[str, int] | None:
    """Return a label by which ``query`` groups its result beside ``groups``, as text says it, and its offset.

    ``by (tenant)`` or ``without (instance)``. A label that every selector fixes by ``=`` makes no groups, nor does one
    that is aggregated away further out. What keeps the labels of ``groups`` may keep any others ``without`` some.
    """
    kept = labels_of(query)
    fixed = [
        {found.name for found in selector.matchers.matchers if found.op == MatchOp.Equal}
        for selector in query.selectors
    ]
    alone = set[str]().union(*fixed).intersection(*fixed)
    for node in _outermost(query.tree):
        if node.modifier is None:
            continue
        by = node.modifier.type == AggModifierType.By
        labels = node.modifier.labels
        found = (
            [name for name in labels if (kept is None or name in kept) and name not in alone | {*groups}]
            if by
            else []
            if groups
            else labels
        )
        if found:
            word = "by" if by else "without"
            return f"{word} ({', '.join(labels)})", place_of(query.text, word, "(", labels[0])
    return None


def loses(query: Query, label: str) -> tuple[str, int] | None:
    """Return what aggregates ``label`` away, as text says it, and its offset; None where series may keep it."""
    kept = labels_of(query)
    if kept is None or label in kept:
        return None
    for node in _outermost(query.tree):
        left = _of(node)
        if left is None or label in left:
            continue
        if node.modifier is None or not node.modifier.labels:
            return str(node.op), place_of(query.text, str(node.op), "(")
        word = "by" if node.modifier.type == AggModifierType.By else "without"
        labels = node.modifier.labels
        return f"{word} ({', '.join(labels)})", place_of(query.text, word, "(", labels[0])
    return query.tree.prettify(), 0


def _outermost(node: Expr) -> Iterator[AggregateExpr]:
    if isinstance(node, AggregateExpr):
        yield node
        return
    for child in children(node):
        yield from _outermost(child)


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


def _aggregated(node: AggregateExpr) -> Labels:
    inner = _of(node.expr)
    if str(node.op) in _CHOOSING:
        return inner
    counted = [node.param.val] if isinstance(node.param, StringLiteral) else []
    if node.modifier is None:
        return frozenset(counted)
    named = frozenset(node.modifier.labels)
    if node.modifier.type == AggModifierType.By:
        return named.union(counted) if inner is None else (inner & named).union(counted)
    return None if inner is None else (inner - named).union(counted)


def _called(node: Call) -> Labels:
    series = [argument for argument in node.args if type_of(argument) in ("vector", "matrix")]
    if not series:
        return _NONE
    if node.func.name in _ABSENT:
        return None
    inner = _of(series[0])
    if node.func.name not in _ADDING or inner is None:
        return inner
    return inner | {node.args[1].val} if isinstance(node.args[1], StringLiteral) else None


def _combined(node: BinaryExpr) -> Labels:
    """Return the labels of either side, whatever of them the matching drops, or of the many and what they are given."""
    left, right = _of(node.lhs), _of(node.rhs)
    if type_of(node.rhs) == "scalar" or str(node.op) in ("and", "unless"):
        return left
    if type_of(node.lhs) == "scalar":
        return right
    matched = node.modifier
    if matched is not None and matched.card == VectorMatchCardinality.ManyToOne:
        return None if left is None else left.union(matched.group_labels or ())
    if matched is not None and matched.card == VectorMatchCardinality.OneToMany:
        return None if right is None else right.union(matched.group_labels or ())
    return None if left is None or right is None else left | right
