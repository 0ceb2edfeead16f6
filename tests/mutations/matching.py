"""Which series a PromQL operator matches with which, and what follows from it: changes without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import promql_parser as promql

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


def _is_zero(node: Any) -> bool:
    while isinstance(node, promql.ParenExpr):
        node = node.expr
    return isinstance(node, promql.NumberLiteral) and node.val == 0


def _only_matched(node: Any, is_left: bool) -> bool:
    """Whether the labels of a side are not in the result."""
    if str(node.op) in ("and", "unless"):
        return not is_left
    card = str(node.modifier.card) if node.modifier is not None else ""
    return (card.endswith("ManyToOne") and not is_left) or (card.endswith("OneToMany") and is_left)


def _dropped(node: Any, change: Change, other: dict[str, str], is_left: bool) -> Change:
    """Where a matcher of a label is left out, there are more series, with other values of the label.

    An operator that matches on the label pairs none of them where the other side has that one value only.
    """
    if change.drops is None:
        return change
    label, value = change.drops
    if not matched(node, label):
        return change._replace(drops=None)
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
