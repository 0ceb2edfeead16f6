"""Which series a PromQL operator matches with which, and what follows from it: changes without effect."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import promql_parser as promql

from mlslo.catalogue import METRICS

if TYPE_CHECKING:
    from tests.mutations.expressions import Change

Labels = dict[str, str] | None


def matched(node: Any, label: str) -> bool:
    """Whether a binary operator pairs series only where they have the same value of ``label``."""
    modifier = node.modifier
    if modifier is None or modifier.matching is None:
        return True
    listed = label in modifier.matching.labels
    return listed if modifier.matching.type == promql.LabelModifierType.Include else not listed


def kept(node: Any, label: str) -> bool:
    """Whether an aggregation keeps ``label`` apart."""
    if node.modifier is None:
        return False
    listed = label in node.modifier.labels
    return listed if node.modifier.type == promql.AggModifierType.By else not listed


def labels(node: Any, left: Labels, right: Labels) -> Labels:
    """What the series of a binary operator's result have for certain, given that of its sides."""
    if left is None or right is None:
        return right if left is None else left
    operator = str(node.op)
    if operator == "or":
        return {label: value for label, value in left.items() if right.get(label) == value}
    if operator == "unless":
        return left
    card = str(node.modifier.card) if node.modifier is not None else ""
    first, second = (right, left) if card.endswith("OneToMany") else (left, right)
    if card.endswith("OneToOne") and node.modifier.matching is not None:
        # What is paired on some labels has no others.
        first = {label: value for label, value in first.items() if matched(node, label)}
    return {**{label: value for label, value in second.items() if matched(node, label)}, **first}


def judged(node: Any, change: Change, other: Labels, is_left: bool) -> Change:
    """A change of one side of a binary operator, told whether it can have an effect."""
    operator = str(node.op)
    if change.values:
        change = _valued(node, change, is_left)
    if other is None or change.same:
        return change
    if change.loses is not None and matched(node, change.loses[0]):
        change = change._replace(loses=None)
    elif change.loses is not None and _only_matched(node, is_left):
        return _same(
            change, f"what '{operator}' gives has the labels of the other side, and is not matched on it"
        )
    return _dropped(node, change, other, is_left)


def _valued(node: Any, change: Change, is_left: bool) -> Change:
    operator = str(node.op)
    if operator in ("and", "unless") and not is_left:
        return _same(change, f"values after '{operator}' do not count, only which series there are")
    if operator == "*" and _is_zero(node.rhs if is_left else node.lhs):
        return _same(change, "whatever it is, it is multiplied by 0")
    filters = operator in ("==", "!=", ">", "<", ">=", "<=") and not (
        node.modifier and node.modifier.return_bool
    )
    return change._replace(values=False) if filters else change


def of_infinity(node: Any, change: Change) -> Change:
    """A change of a comparison itself, told where it is one of the catalogue with infinity."""
    operator, limit = str(node.op), _unwrapped(node.rhs)
    strict = change.what in (f"{operator} -> {operator}=", f"{operator} -> {operator.removesuffix('=')}")
    if not strict or not isinstance(limit, promql.NumberLiteral) or not math.isinf(limit.val):
        return change
    if not _is_gauge(node.lhs):
        return change
    return _same(change, "it matters to an infinite gauge only, which the exporter withholds")


def _is_gauge(node: Any) -> bool:
    """Whether an expression is of the catalogue's gauges, or what is recorded of them."""
    found = re.findall(r"([\w:]*)\b(ml_\w+)", node.prettify())
    alone = isinstance(_unwrapped(node), promql.VectorSelector)
    return bool(found) and all(name in METRICS and (level or alone) for level, name in found)


def _unwrapped(node: Any) -> Any:
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return node


def _is_zero(node: Any) -> bool:
    found = _unwrapped(node)
    return isinstance(found, promql.NumberLiteral) and found.val == 0


def _only_matched(node: Any, is_left: bool) -> bool:
    """Whether the labels of a side are not in the result."""
    if str(node.op) in ("and", "unless"):
        return not is_left
    card = str(node.modifier.card) if node.modifier is not None else ""
    return (card.endswith("ManyToOne") and not is_left) or (card.endswith("OneToMany") and is_left)


def _is_many(node: Any, is_left: bool) -> bool:
    card = str(node.modifier.card) if node.modifier is not None else ""
    return card.endswith("ManyToOne" if is_left else "OneToMany")


def _dropped(node: Any, change: Change, other: dict[str, str], is_left: bool) -> Change:
    """Where a matcher of a label is left out, there are more series, with other values of the label.

    An operator that matches on the label pairs none of them where the other side has that one value only.
    """
    if change.drops is None:
        return change
    label, value = change.drops
    if not matched(node, label):
        # The many keep their labels, so that more of them are more series of the result.
        return change if _is_many(node, is_left) else change._replace(drops=None)
    alone = str(node.op) == "or" or (str(node.op) == "unless" and is_left)
    if other.get(label) != value or alone:
        return change
    return _same(
        change, f"the other side of '{node.op}' has only {label}={value!r}, and they are matched on it"
    )


def unlisted(change: Change, left: Labels, right: Labels) -> Change:
    """A change of the labels that series are matched on."""
    label = change.what.removeprefix("on without ")
    if label != change.what and left and right and label in left and left[label] == right.get(label):
        return _same(change, f"both sides have only {label}={left[label]!r}")
    return change


def aggregated(node: Any, change: Change, had: dict[str, str]) -> Change:
    """A change of an aggregation, or inside of it. ``had``: what the series in it have for certain."""
    if change.same:
        return change
    if change.what.startswith(f"{node.op} -> ") and str(node.op) in _OF_ONE and _are_alone(node):
        return _same(change, f"'{node.op}' is given one series for each of its own")
    label = change.what.removeprefix("by without ")
    if label != change.what and _twice(node, label):
        return _same(change, f"'{node.op}' of '{node.op}' is the same, whatever the inner one keeps apart")
    if (
        change.drops is None
        and label != change.what
        and label in had
        and change.loses is None
        and kept(node, label)
    ):
        return change._replace(loses=(label, had[label]))
    if change.drops and not kept(node, change.drops[0]):
        change = change._replace(drops=None)
    if change.loses and not kept(node, change.loses[0]):
        return _same(change, f"the aggregation leaves {change.loses[0]} out")
    if (
        change.values
        and str(node.op) in ("count", "group")
        and not change.what.startswith(("count ", "group "))
    ):
        return _same(change, f"'{node.op}' counts series, whatever their values are")
    return change._replace(values=False) if str(node.op) in ("topk", "bottomk", "count_values") else change


def _twice(node: Any, label: str) -> bool:
    """Whether what an aggregation is given is one of the same kind, and only that one keeps ``label`` apart."""
    inner = node.expr
    while isinstance(inner, promql.ParenExpr):
        inner = inner.expr
    return (
        isinstance(inner, promql.AggregateExpr)
        and str(node.op) == str(inner.op) in ("sum", "max", "min")
        and not kept(node, label)
        and kept(inner, label)
        and label not in inner.expr.prettify()
    )


# Of one series it is that series.
_OF_ONE = ("sum", "avg", "max", "min")


def _are_alone(node: Any) -> bool:
    """Whether no two series come together in an aggregation."""
    found = _only(node.expr)
    return found is not None and all(kept(node, label) for label in found)


def _only(node: Any) -> set[str] | None:
    """The labels that the series of an expression have at most, where they are known."""
    match node:
        case promql.ParenExpr() | promql.UnaryExpr():
            return _only(node.expr)
        case promql.AggregateExpr():
            if node.modifier is None:
                return set()
            by = node.modifier.type == promql.AggModifierType.By
            return set(node.modifier.labels) if by else None
        case promql.BinaryExpr():
            sides = [side for side in (node.lhs, node.rhs) if not isinstance(side, promql.NumberLiteral)]
            return _only(sides[0]) if len(sides) == 1 else None
        case _:
            return None


def inside_absent(name: str, change: Change) -> Change:
    """A change of what a function is given whose result does not have its labels."""
    if change.same:
        return change
    if name == "vector":
        # One series, whatever it is given.
        return change._replace(drops=None, loses=None)
    if name == "absent" and change.values:
        return _same(change, "absent does not look at values")
    if name == "absent" and change.loses:
        return _same(change, "absent does not look at labels")
    return change._replace(drops=None, loses=None, values=False)


def _same(change: Change, why: str) -> Change:
    return change._replace(drops=None, loses=None, values=False, same=why)
