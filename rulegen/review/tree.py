"""Routes of an alert in an Alertmanager configuration that may be broken: enough to say what changed.

https://prometheus.io/docs/alertmanager/latest/configuration/#route
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rulegen.alertmanager.matchers import given, match_all, parse

_INHERITED = ("receiver", "group_by", "group_wait", "group_interval", "repeat_interval")
_OWN = ("mute_time_intervals", "active_time_intervals")


@dataclass(frozen=True)
class Stop:
    """One route that an alert comes to: ``settings`` are those it inherited or has."""

    receiver: str
    settings: Mapping[str, Any]

    def names(self, key: str) -> tuple[str, ...]:
        """Return what stands in a list of names."""
        return tuple(map(str, listed(self.settings.get(key))))


def stops(configuration: Any, labels: Mapping[str, str]) -> list[Stop]:
    """List the routes that an alert with ``labels`` ends at; none where there is no configuration."""
    route = configuration.get("route") if isinstance(configuration, dict) else None
    return list(_stops(route, labels, {})) if isinstance(route, dict) else []


def _stops(route: dict[str, Any], labels: Mapping[str, str], inherited: dict[str, Any]) -> Iterator[Stop]:
    settings = {**inherited, **{key: route[key] for key in _INHERITED if key in route}}
    reached = False
    for child in listed(route.get("routes")):
        if isinstance(child, dict) and _matches(child, labels):
            reached = True
            yield from _stops(child, labels, settings)
            if not child.get("continue"):
                return
    if not reached:
        own = {key: route[key] for key in _OWN if key in route}
        yield Stop(str(settings.get("receiver")), {**settings, **own})


def _matches(route: dict[str, Any], labels: Mapping[str, str]) -> bool:
    try:
        return match_all(given(route), labels)
    except (AttributeError, TypeError, ValueError):
        return False


def listed(value: Any) -> list[Any]:
    """Return ``value`` where it is a list; nothing where a hand made it something else."""
    return value if isinstance(value, list) else []


def matcher(text: str) -> tuple[str, str, str] | None:
    """Read label, operator and value of a matcher."""
    try:
        (found,) = parse(text)
    except ValueError:
        return None
    return found.label, found.operator, found.value


def plain(document: Any) -> Any:
    """An AlertmanagerConfig in the words of alertmanager.yaml, as far as review looks; others as they are."""
    if not isinstance(document, dict) or document.get("kind") != "AlertmanagerConfig":
        return document
    spec = document.get("spec")
    if not isinstance(spec, dict):
        return {}
    route = spec.get("route")
    return {
        "route": _plain_route(route) if isinstance(route, dict) else None,
        "receivers": spec.get("receivers"),
        "time_intervals": spec.get("muteTimeIntervals"),
        "inhibit_rules": [
            {
                "source_matchers": _plain_matchers(rule.get("sourceMatch")),
                "target_matchers": _plain_matchers(rule.get("targetMatch")),
                "equal": rule.get("equal"),
            }
            for rule in listed(spec.get("inhibitRules"))
            if isinstance(rule, dict)
        ],
    }


def _plain_route(route: dict[str, Any]) -> dict[str, Any]:
    converted = {
        re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", key): value for key, value in route.items()
    }
    if "matchers" in converted:
        converted["matchers"] = _plain_matchers(converted["matchers"])
    converted["routes"] = [
        _plain_route(child) for child in listed(route.get("routes")) if isinstance(child, dict)
    ]
    return converted


def _plain_matchers(given: Any) -> list[str]:
    return [
        f"{one.get('name')}{one.get('matchType', '=')}{json.dumps(one.get('value', ''))}"
        for one in listed(given)
        if isinstance(one, dict)
    ]
