"""Keys of Alertmanager's groups, and PagerDuty's deduplication keys made of them.

Alertmanager sends the SHA-256 of a group's key as the deduplication key, and PagerDuty calls it the incident's key. The
key of a group is the path of its route, then its labels:
https://github.com/prometheus/alertmanager/blob/v0.25.0/dispatch/dispatch.go and route.go, notify/util.go (Key.Hash).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from exporter.act.alertmanager import Alertmanager, AlertmanagerError

_MATCHER = re.compile(r'\s*"?(?P<name>[^"=!~]+?)"?\s*(?P<operator>=~|!~|!=|=)\s*(?P<value>.*?)\s*', re.DOTALL)


@dataclass(frozen=True, order=True)
class _Matcher:
    name: str
    value: str
    operator: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.name, "")
        equal = found == self.value if "~" not in self.operator else bool(re.fullmatch(self.value, found))
        return equal == (self.operator[0] == "=")

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{_quoted(self.value)}"


@dataclass(frozen=True)
class _Route:
    """A route, its parents' matchers among its own. ``key``: of the path."""

    key: str
    receiver: str
    matchers: Sequence[_Matcher]


def fingerprints(alertmanager: Alertmanager, deduplication_key: str) -> list[str]:
    """Return the alerts of the group that has a deduplication key. Raises AlertmanagerError."""
    try:
        configuration = yaml.safe_load(alertmanager.ask("status")["config"]["original"])
        routes = list(_routes(configuration["route"]))
        found: list[str] = []
        for group in alertmanager.ask("alerts/groups"):
            keys = [
                f"{route.key}:{_label_set(group['labels'])}"
                for route in routes
                if route.receiver == group["receiver"]["name"]
                and all(one.matches(alert["labels"]) for alert in group["alerts"] for one in route.matchers)
            ]
            if any(hashlib.sha256(key.encode()).hexdigest() == deduplication_key for key in keys):
                found += [alert["fingerprint"] for alert in group["alerts"]]
    except (KeyError, TypeError, ValueError, re.error, yaml.YAMLError) as error:
        raise AlertmanagerError(f"its groups and routes cannot be read: {error!r}") from None
    return found


def _routes(route: Mapping[str, Any], parent: _Route | None = None) -> Iterator[_Route]:
    """Yield a route and those below it."""
    own = sorted(
        [
            *(_Matcher(name, value, "=") for name, value in route.get("match", {}).items()),
            *(_Matcher(name, value, "=~") for name, value in route.get("match_re", {}).items()),
            *map(_matcher, route.get("matchers", ())),
        ]
    )
    key = f"{'' if parent is None else f'{parent.key}/'}{{{','.join(map(str, own))}}}"
    receiver = route.get("receiver") or ("" if parent is None else parent.receiver)
    found = _Route(key, receiver, (*(() if parent is None else parent.matchers), *own))
    yield found
    for child in route.get("routes", ()):
        yield from _routes(child, found)


def _matcher(text: str) -> _Matcher:
    parts = _MATCHER.fullmatch(text)
    if parts is None:
        raise ValueError(f"no matcher: {text}")
    value = parts["value"]
    return _Matcher(parts["name"], json.loads(value) if value[:1] == '"' else value, parts["operator"])


def _label_set(labels: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{name}={_quoted(value)}' for name, value in sorted(labels.items()))}}}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
