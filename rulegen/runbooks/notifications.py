"""Who is notified of an alert, and which alerts inhibit it, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rulegen.promql.conventions import LAYER, SLO, TIER
from rulegen.promql.rules import AlertRule
from rulegen.spec.routing import Inhibit, Spec
from rulegen.spec.routing_names import ALL_LABELS

# Nobody reads a list of thousands.
_MOST_NAMED = 40


def receivers(spec: Spec, rule: AlertRule, team: str) -> list[str]:
    """Say who is notified, how and when: one sentence each."""
    tier, layer = spec.tiers[rule.labels[TIER]], rule.labels[LAYER]
    own = spec.teams.get(team, {}).get(rule.labels[TIER])
    found = [f"`{name}`{_ways(spec, name)}" for name in own or tier.receivers]
    wait = tier.groupWait or spec.groupWait
    repeat = tier.repeatInterval or spec.repeatInterval
    group = [label for label in rule.groups if label in rule.series_labels]
    shared = dict.fromkeys([*spec.groupBy, *group])
    company = f"in one message with what else fires of the same {', '.join(shared)}"
    if ALL_LABELS in spec.groupBy:
        company = "in a message of its own"
    found.append(f"{wait} after it fires, {company}; again every {repeat}.")
    if tier.activeDuring:
        found.append(f"Outside of {_list(tier.activeDuring)} messages of {rule.labels[TIER]} wait.")
    muted = [mute.during for mute in spec.mute if layer in mute.layers]
    if muted:
        found.append(f"During {_list(muted)} messages of the layer {layer} wait.")
    return found


def _ways(spec: Spec, receiver: str) -> str:
    ways = [name.removesuffix("_configs").replace("_", " ") for name in spec.receivers[receiver]]
    return f" ({', '.join(ways)})" if ways else ""


def _list(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in dict.fromkeys(names))


def inhibiting(spec: Spec, rules: Sequence[AlertRule], rule: AlertRule) -> list[str]:
    """Name those of ``rules`` that inhibit ``rule`` while they fire."""
    return _named([other for other in rules if _silences(spec, other, rule)], rule)


def inhibited(spec: Spec, rules: Sequence[AlertRule], rule: AlertRule) -> list[str]:
    """Name those of ``rules`` that ``rule`` inhibits while it fires."""
    return _named([other for other in rules if _silences(spec, rule, other)], rule)


def _named(rules: Sequence[AlertRule], itself: AlertRule) -> list[str]:
    names = dict.fromkeys(
        f"`{rule.name}` of {rule.labels[SLO]} ({rule.labels[TIER]})" for rule in rules if rule is not itself
    )
    more = len(names) - _MOST_NAMED
    return [*list(names)[:_MOST_NAMED], *([f"and {more} more of [this model](#)"] if more > 0 else [])]


def _silences(spec: Spec, source: AlertRule, target: AlertRule) -> bool:
    same_slo = source.labels[SLO] == target.labels[SLO]
    # What is about one group silences nothing about all, nor the other way round.
    alike = all((label in source.series_labels) == (label in target.series_labels) for label in source.groups)
    same_slo = same_slo and alike
    lower = spec.suppressLowerTiers and same_slo and target.labels[TIER] > source.labels[TIER]
    return lower or any(_inhibits(inhibit, source.labels, target.labels) for inhibit in spec.inhibit)


def _inhibits(inhibit: Inhibit, source: Mapping[str, str], target: Mapping[str, str]) -> bool:
    """Return whether an alert with the labels ``source`` inhibits one with the labels ``target``."""
    tiers, layers = inhibit.target.tiers, inhibit.target.layers
    return (
        inhibit.source.layer in (None, source[LAYER])
        and inhibit.source.tier in (None, source[TIER])
        and (not layers or target[LAYER] in layers)
        and (target[TIER] in tiers if tiers else target[TIER] > source[TIER])
        and (SLO not in inhibit.equal or source[SLO] == target[SLO])
    )
