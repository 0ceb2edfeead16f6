"""Changes of routing, receivers, times and inhibition, in words."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from rulegen.promql.conventions import LAYERS
from rulegen.review.tree import Stop, listed, matcher, stops

Audience = tuple[str, str]
_SETTINGS = {
    "group_by": "grouped by",
    "group_wait": "first message after",
    "group_interval": "next about a changing group after",
    "repeat_interval": "repeated every",
}
_MOST = 60


def told(configuration: Any, labels: Mapping[str, str]) -> str:
    """The receivers of an alert, as a list in words."""
    return ", ".join(dict.fromkeys(stop.receiver for stop in stops(configuration, labels))) or "nobody"


def routing_words(old: Any, new: Any, audiences: Collection[Audience]) -> Iterator[str]:
    """One line for each change between two configurations. ``audiences``: tiers and teams that alerts have."""
    tiers = sorted({tier for tier, _ in audiences})
    yield from _told(old, new, sorted({*audiences, *((tier, "") for tier in tiers)}))
    yield from _muted(old, new, tiers)
    yield from _named("receiver", _by_name(old, "receivers"), _by_name(new, "receivers"))
    yield from _named("time interval", _intervals(old), _intervals(new))
    yield from _inhibitions(old, new)


def _labels(audience: Audience, layer: str) -> dict[str, str]:
    tier, team = audience
    return {"tier": tier, "team": team, "layer": layer, "model": "any", "slo": "any", "alertname": "any"}


def _told(old: Any, new: Any, audiences: Sequence[Audience]) -> Iterator[str]:
    said: dict[str, dict[str, list[str]]] = {}
    for tier, team in audiences:
        lines: dict[str, None] = {}
        for layer in LAYERS:
            labels = _labels((tier, team), layer)
            lines.update(dict.fromkeys(_stop_changes(stops(old, labels), stops(new, labels))))
        said.setdefault(tier, {})[team] = list(lines)
    for tier, teams in said.items():
        if len({tuple(lines) for lines in teams.values()}) == 1:
            teams = {"": next(iter(teams.values()))}
        for team, changed in teams.items():
            if changed:
                yield f"{tier}{f' of team {team}' if team else ''}: {'; '.join(changed)}"


def _stop_changes(old: Sequence[Stop], new: Sequence[Stop]) -> Iterator[str]:
    before = {stop.receiver: stop for stop in old}
    after = {stop.receiver: stop for stop in new}
    if more := [name for name in after if name not in before]:
        yield f"now {'also ' if before else ''}told: {', '.join(more)}"
    if less := [name for name in before if name not in after]:
        yield f"no longer told: {', '.join(less)}"
    kept = [name for name in after if name in before]
    said = {name: list(_setting_changes(before[name].settings, after[name].settings)) for name in kept}
    for words in dict.fromkeys(words for changed in said.values() for words in changed):
        names = [name for name in kept if words in said[name]]
        yield words if names == kept else f"{', '.join(names)} {words}"


def _setting_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for key, words in _SETTINGS.items():
        if old.get(key) != new.get(key):
            yield f"{words} {_short(old.get(key))} → {_short(new.get(key))}"
    held, holds = (_short(found.get("active_time_intervals") or "all times") for found in (old, new))
    if held != holds:
        yield f"only during {held} → {holds}"


def _muted(old: Any, new: Any, tiers: Sequence[str]) -> Iterator[str]:
    """Layers by interval; by tier too where tiers differ."""
    said: dict[str, dict[str, str]] = {}
    for tier in tiers:
        before, after = (_layers(configuration, tier) for configuration in (old, new))
        for interval in dict.fromkeys([*before, *after]):
            was, now = (", ".join(found.get(interval, [])) or "none" for found in (before, after))
            if was != now:
                said.setdefault(interval, {})[tier] = f"layers {was} → {now}"
    for interval, by_tier in said.items():
        if len(by_tier) == len(tiers) and len(set(by_tier.values())) == 1:
            by_tier = {"": next(iter(by_tier.values()))}
        for tier, words in by_tier.items():
            yield f"{tier + ' ' if tier else ''}muted during {interval}: {words}"


def _layers(configuration: Any, tier: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for layer in LAYERS:
        for stop in stops(configuration, _labels((tier, ""), layer)):
            for interval in stop.names("mute_time_intervals"):
                layers = found.setdefault(interval, [])
                if layer not in layers:
                    layers.append(layer)
    return found


def _by_name(configuration: Any, *keys: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in keys:
        for entry in listed(configuration.get(key)) if isinstance(configuration, dict) else []:
            if isinstance(entry, dict):
                found[str(entry.get("name"))] = entry
    return found


def _intervals(configuration: Any) -> dict[str, Any]:
    return _by_name(configuration, "mute_time_intervals", "time_intervals")


def _named(what: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*new, *old]):
        if name not in old:
            yield f"+ {what} {name}"
        elif name not in new:
            yield f"- {what} {name}"
        elif old[name] != new[name]:
            changed = list(_values(old[name], new[name], ""))
            more = f"; and {len(changed) - 4} changes more" if len(changed) > 4 else ""
            yield f"{what} {name}: {'; '.join(changed[:4])}{more}"


def _values(old: Any, new: Any, at: str) -> Iterator[str]:
    """Each value that is not the same, by its path."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                yield from _values(old.get(key), new.get(key), f"{at}.{key}" if at else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            if before != after:
                yield from _values(before, after, f"{at}[{index}]")
    else:
        yield f"{at} {_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = ", ".join(value)
    else:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    line = " ".join(text.split())
    return line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"


def _inhibitions(old: Any, new: Any) -> Iterator[str]:
    before, after = _rules(old), _rules(new)
    for sign, rules, others in (("+", after, before), ("-", before, after)):
        sources: dict[str, list[str]] = {}
        for text, rule in rules.items():
            if text not in others:
                sources.setdefault(_target(rule), []).append(_matched(rule.get("source_matchers")))
        for target, found in sources.items():
            more = f" and {len(found) - 4} more" if len(found) > 4 else ""
            yield f"{sign} inhibition: {'; '.join(found[:4])}{more} silences {target}"


def _rules(configuration: Any) -> dict[str, dict[str, Any]]:
    rules = configuration.get("inhibit_rules") if isinstance(configuration, dict) else None
    return {
        json.dumps(rule, sort_keys=True, default=str): rule
        for rule in listed(rules)
        if isinstance(rule, dict)
    }


def _target(rule: dict[str, Any]) -> str:
    equal = rule.get("equal")
    same = f" of the same {' and '.join(map(str, equal))}" if isinstance(equal, list) and equal else ""
    return f"{_matched(rule.get('target_matchers'))}{same}"


def _matched(texts: Any) -> str:
    """``alertname="A", tier=~"P2|P3", model!=""`` as `A tier P2, P3`."""
    said = []
    for text in listed(texts):
        found = matcher(str(text))
        if found is None:
            said.append(str(text))
            continue
        label, operator, value = found
        if (operator, value) == ("!=", ""):
            continue
        shown = value.replace("|", ", ") if operator == "=~" else value
        name = "" if label == "alertname" else f"{label} "
        said.append(f"{name}{shown}" if operator in ("=", "=~") else f"{label}{operator}{value}")
    return " ".join(said) or "everything"
