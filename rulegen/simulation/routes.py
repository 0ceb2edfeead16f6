"""Alertmanager's routing tree.

https://github.com/prometheus/alertmanager/blob/v0.25.0/dispatch/route.go
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.alertmanager.matchers import Matcher, given, match_all


@dataclass(frozen=True, eq=False)
class Route:
    """One node. Waits are milliseconds; ``group_by`` None means by all labels.

    ``key`` is what the notification log goes by: routes with the same matchers share it.
    """

    key: str
    receiver: str
    group_by: frozenset[str] | None
    group_wait: int
    group_interval: int
    repeat_interval: int
    mute: Sequence[str]
    active: Sequence[str]
    matchers: Sequence[Matcher]
    continues: bool
    routes: list[Route] = field(default_factory=list)

    def matching(self, labels: Mapping[str, str]) -> list[Route]:
        """The nodes that an alert comes to: depth first, up to the first child that does not continue."""
        if not match_all(self.matchers, labels):
            return []
        found: list[Route] = []
        for child in self.routes:
            matches = child.matching(labels)
            found += matches
            if matches and not child.continues:
                break
        return found or [self]


def tree(data: Mapping[str, Any]) -> Route:
    """The tree of ``alertmanager.yaml``'s ``route``. Raises ValueError where a matcher is none."""
    defaults = Route("", "", frozenset(), 30_000, 300_000, 14_400_000, (), (), (), False)
    return _route(data, defaults, "")


def _route(data: Mapping[str, Any], parent: Route, above: str) -> Route:
    """Time intervals are not inherited, everything else is."""
    matchers = given(data)
    key = above + "{" + ",".join(sorted(str(matcher) for matcher in matchers)) + "}"
    group_by = parent.group_by
    if data.get("group_by") is not None:
        named = data["group_by"]
        group_by = None if "..." in named else frozenset(named)
    route = Route(
        key,
        data.get("receiver") or parent.receiver,
        group_by,
        _wait(data, "group_wait", parent.group_wait),
        _wait(data, "group_interval", parent.group_interval),
        _wait(data, "repeat_interval", parent.repeat_interval),
        tuple(data.get("mute_time_intervals") or ()),
        tuple(data.get("active_time_intervals") or ()),
        matchers,
        bool(data.get("continue", False)),
    )
    route.routes.extend(_route(child, route, f"{key}/") for child in data.get("routes") or ())
    return route


def _wait(data: Mapping[str, Any], key: str, inherited: int) -> int:
    value = data.get(key)
    return inherited if value is None else milliseconds(value)


def milliseconds(text: str) -> int:
    """A duration such as ``30s``; Alertmanager allows ``0s`` too. Raises ValueError."""
    if re.fullmatch(r"0+(?:ms|[smhdwy])?", text):
        return 0
    return round(Duration(text).seconds * 1000)
