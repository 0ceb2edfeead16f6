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
    """A change of one side of a binary operator, told whether it can have an effect.

    Where a matcher of ``label`` is left out, there are more series, with other values of the label. An operator
    that matches on the label pairs none of them where the other side has that one value only.
    """
    if change.drops is None or other is None:
        return change
    label, value = change.drops
    if not matched(node, label):
        return change._replace(drops=None)
    alone = str(node.op) == "or" or (str(node.op) == "unless" and is_left)
    if other.get(label) != value or alone:
        return change
    reason = f"the other side of '{node.op}' has no series but those with {label}={value!r}, and they are matched on it"
    return change._replace(drops=None, same=reason)
