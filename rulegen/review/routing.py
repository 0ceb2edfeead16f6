"""Changes of routing, receivers, times and inhibition, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlslo.yamlfile import Document, parse
from rulegen.alertmanager.matchers import given
from rulegen.promql.conventions import LAYERS
from rulegen.simulation.alertmanagerfile import readable
from rulegen.simulation.report import show_duration
from rulegen.simulation.routes import Route, tree

Audience = tuple[str, str]
_LONGEST = 60
# So many of one kind are written out.
_MOST = 4


@dataclass(frozen=True)
class Configuration:
    """What is compared of an Alertmanager configuration; none of it where there is no file."""

    route: Route | None = None
    receivers: Mapping[str, Any] = field(default_factory=dict)
    intervals: Mapping[str, Any] = field(default_factory=dict)
    inhibitions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str, text: str) -> Configuration:
        """Read an alertmanager.yaml, or an operator's object that carries one. Raises InputError."""
        document = _carried(Path(name), text)
        data = readable(document)
        intervals = [*data.get("time_intervals", ()), *data.get("mute_time_intervals", ())]
        inhibitions: dict[str, list[str]] = {}
        for rule in data.get("inhibit_rules", ()):
            same = f" of the same {' and '.join(rule['equal'])}" if rule.get("equal") else ""
            target = f"{_matchers(rule, 'target_')}{same}"
            inhibitions.setdefault(target, []).append(_matchers(rule, "source_"))
        return cls(
            tree(data["route"]),
            {one["name"]: one for one in document.data.get("receivers") or ()},
            {one["name"]: one for one in intervals},
            inhibitions,
        )

    def told(self, labels: Mapping[str, str]) -> str:
        """The receivers of an alert, as a list in words."""
        return ", ".join(dict.fromkeys(route.receiver for route in self.routes(labels))) or "nobody"

    def routes(self, labels: Mapping[str, str]) -> list[Route]:
        """The routes that an alert with ``labels`` ends at."""
        return [] if self.route is None else self.route.matching(labels)


def routing_words(old: Configuration, new: Configuration, audiences: Collection[Audience]) -> Iterator[str]:
    """One line for each change between two configurations. ``audiences``: tiers and teams that alerts have."""
    tiers = {tier for tier, _ in audiences}
    said: dict[str, dict[str, list[str]]] = {}
    for tier, team in sorted({*audiences, *((tier, "") for tier in tiers)}):
        said.setdefault(tier, {})[team] = _audience(old, new, tier, team)
    for tier, teams in said.items():
        alike = len({tuple(lines) for lines in teams.values()}) == 1
        for team, lines in {"": teams[""]}.items() if alike else teams.items():
            if lines:
                yield f"{tier}{f' of team {team}' if team else ''}: {'; '.join(lines)}"
    yield from _entries("receiver", old.receivers, new.receivers)
    yield from _entries("time interval", old.intervals, new.intervals)
    for sign, some, others in (("+", new, old), ("-", old, new)):
        for target, sources in some.inhibitions.items():
            if own := [one for one in sources if one not in others.inhibitions.get(target, ())]:
                yield f"{sign} inhibition: {_first(own)} silences {target}"


def _audience(old: Configuration, new: Configuration, tier: str, team: str) -> list[str]:
    """Changes for alerts of a tier and a team, with their layers where it is not all."""
    found: dict[str, list[str]] = {}
    for layer in LAYERS:
        labels = {
            "tier": tier,
            "team": team,
            "layer": layer,
            "model": "any",
            "slo": "any",
            "alertname": "any",
        }
        for line in _changes(old.routes(labels), new.routes(labels)):
            found.setdefault(line, []).append(layer)
    return [
        line if len(layers) == len(LAYERS) else f"{line} ({', '.join(layers)})"
        for line, layers in found.items()
    ]


def _changes(old: Sequence[Route], new: Sequence[Route]) -> Iterator[str]:
    before = {route.receiver: _settings(route) for route in old}
    after = {route.receiver: _settings(route) for route in new}
    if more := [name for name in after if name not in before]:
        yield f"now {'also ' if before else ''}told: {', '.join(more)}"
    if less := [name for name in before if name not in after]:
        yield f"no longer told: {', '.join(less)}"
    kept = [name for name in after if name in before]
    changed: dict[str, list[str]] = {}
    for name in kept:
        for what, value in after[name].items():
            if before[name][what] != value:
                changed.setdefault(f"{what} {before[name][what]} → {value}", []).append(name)
    for line, names in changed.items():
        yield line if names == kept else f"{', '.join(names)} {line}"


def _settings(route: Route) -> dict[str, str]:
    return {
        "grouped by": "all labels" if route.group_by is None else ", ".join(sorted(route.group_by)) or "none",
        "first message after": show_duration(route.group_wait),
        "next about a changing group after": show_duration(route.group_interval),
        "repeated every": show_duration(route.repeat_interval),
        "only during": ", ".join(route.active) or "all times",
        "muted during": ", ".join(route.mute) or "none",
    }


def _entries(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*new, *old]):
        if name not in old:
            yield f"+ {what} {name}"
        elif name not in new:
            yield f"- {what} {name}"
        elif old[name] != new[name]:
            yield f"{what} {name}: {_first(list(_values(old[name], new[name], '')))}"


def _values(old: Any, new: Any, at: str) -> Iterator[str]:
    """Each value that is not the same, by its path."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _values(old.get(key), new.get(key), f"{at}.{key}" if at else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _values(before, after, f"{at}[{index}]")
    elif old != new:
        yield f"{at} {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = "none" if value is None else " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _first(texts: list[str]) -> str:
    more = f"; and {len(texts) - _MOST} more" if len(texts) > _MOST else ""
    return "; ".join(texts[:_MOST]) + more


def _matchers(rule: Mapping[str, Any], side: str) -> str:
    """The matchers of one side; that a label is set is not said."""
    found = [one for one in given(rule, side) if (one.operator, one.value) != ("!=", "")]
    return " ".join(map(str, found)) or "everything"


def _carried(path: Path, text: str) -> Document:
    """What an operator's object says, in the words of alertmanager.yaml; others as they are."""
    document = parse(path, text)
    try:
        match document.data:
            case {"kind": "Secret"}:
                return parse(path, document.data["stringData"]["alertmanager.yaml"])
            case {"kind": "AlertmanagerConfig"}:
                plain = _snake(document.data["spec"])
                for rule in plain.get("inhibit_rules", ()):
                    for side in ("source", "target"):
                        rule[f"{side}_matchers"] = rule.pop(f"{side}_match")
                return parse(path, json.dumps(plain))
    except (AttributeError, KeyError, TypeError):
        raise document.error((), "this object carries no configuration") from None
    return document


def _snake(value: Any) -> Any:
    """``value`` with underscores for capitals in its keys, and matchers in one text."""
    if isinstance(value, list):
        return [_snake(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "matchType" in value:
        return f"{value['name']}{value['matchType']}{json.dumps(value['value'])}"
    return {
        re.sub("[A-Z]", lambda upper: f"_{upper[0].lower()}", key): _snake(one) for key, one in value.items()
    }
