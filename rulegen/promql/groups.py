"""Groups of rules that are larger than a server takes, split."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rulegen.promql.rules import Group, Record, Rule

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def split(groups: Sequence[Group], most: int | None) -> list[Group]:
    """Split the groups that have more than ``most`` rules; None: none.

    Rules that read each other's records stay in one group where they fit: each then sees the records of the same
    evaluation. The first part keeps the group's name; no SLO has a dot in its name, so that the others are free.
    """
    return [part for group in groups for part in (_parts(group, most) if most else [group])]


def _parts(group: Group, most: int) -> Iterator[Group]:
    parts: list[list[int]] = []
    for rules in _connected(group.rules):
        if parts and len(parts[-1]) + len(rules) <= most:
            parts[-1] += rules
        else:
            # What does not fit is cut: the records that others read come first.
            parts += [rules[begin : begin + most] for begin in range(0, len(rules), most)]
    for number, part in enumerate(parts, 1):
        name = group.name if number == 1 else f"{group.name}.{number}"
        yield replace(group, name=name, rules=[group.rules[index] for index in sorted(part)])


def _connected(rules: Sequence[Rule]) -> list[list[int]]:
    """Indices of the rules that read each other's records, directly or by others."""
    written: dict[str, list[int]] = {}
    for index, rule in enumerate(rules):
        if isinstance(rule, Record):
            written.setdefault(rule.name, []).append(index)
    cluster = list(range(len(rules)))
    for index, rule in enumerate(rules):
        read = {other for name in _NAME.findall(rule.expression) for other in written.get(name, ())}
        joined = {cluster[other] for other in read | {index}}
        if len(joined) > 1:
            cluster = [min(joined) if number in joined else number for number in cluster]
    found: dict[int, list[int]] = {}
    for index, number in enumerate(cluster):
        found.setdefault(number, []).append(index)
    return list(found.values())
