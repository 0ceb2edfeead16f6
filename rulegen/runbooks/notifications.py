"""Who is notified of an alert, and which alerts inhibit it, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rulegen.promql.conventions import LAYER, SLO, TIER
from rulegen.promql.rules import AlertRule
from rulegen.spec.routing import Inhibit, Spec
from rulegen.spec.routing_names import ALL_LABELS

# Nobody reads a list of thousands.
_MOST_NAMED = 40


@dataclass(frozen=True)
class RoutedAlert:
    """An alert by what routing knows of it."""

    name: str
    slo: str
    layer: str
    tier: str

    @classmethod
    def of(cls, rule: AlertRule) -> RoutedAlert:
        return cls(rule.name, rule.labels[SLO], rule.labels[LAYER], rule.labels[TIER])

    def __str__(self) -> str:
        return f"`{self.name}` of {self.slo} ({self.tier})"


def receivers(spec: Spec, alert: RoutedAlert, team: str | None) -> list[str]:
    """Say who is notified, how and when: one sentence each."""
    tier = spec.tiers[alert.tier]
    own = spec.teams.get(team, {}).get(alert.tier) if team is not None else None
    found = [f"`{name}`{_ways(spec, name)}" for name in own or tier.receivers]
    wait = tier.groupWait or spec.groupWait
    repeat = tier.repeatInterval or spec.repeatInterval
    company = f"in one message with what else fires of the same {', '.join(spec.groupBy)}"
    if ALL_LABELS in spec.groupBy:
        company = "in a message of its own"
    found.append(f"{wait} after it fires, {company}; again every {repeat}.")
    if tier.activeDuring:
        found.append(f"Outside of {_list(tier.activeDuring)} messages of {alert.tier} wait.")
    muted = [mute.during for mute in spec.mute if alert.layer in mute.layers]
    if muted:
        found.append(f"During {_list(muted)} messages of the layer {alert.layer} wait.")
    return found


def _ways(spec: Spec, receiver: str) -> str:
    ways = [name.removesuffix("_configs").replace("_", " ") for name in spec.receivers[receiver]]
    return f" ({', '.join(ways)})" if ways else ""


def _list(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in dict.fromkeys(names))


def inhibiting(spec: Spec, alerts: Sequence[RoutedAlert], alert: RoutedAlert) -> list[str]:
    """Name those of ``alerts`` that inhibit ``alert`` while they fire."""
    return _named([other for other in alerts if other != alert and _silences(spec, other, alert)])


def inhibited(spec: Spec, alerts: Sequence[RoutedAlert], alert: RoutedAlert) -> list[str]:
    """Name those of ``alerts`` that ``alert`` inhibits while it fires."""
    return _named([other for other in alerts if other != alert and _silences(spec, alert, other)])


def _named(alerts: Sequence[RoutedAlert]) -> list[str]:
    more = len(alerts) - _MOST_NAMED
    names = [str(alert) for alert in alerts[:_MOST_NAMED]]
    return [*names, f"and {more} more of [this model](#)"] if more > 0 else names


def _silences(spec: Spec, source: RoutedAlert, target: RoutedAlert) -> bool:
    lower = spec.suppressLowerTiers and source.slo == target.slo and target.tier > source.tier
    return lower or any(_inhibits(inhibit, source, target) for inhibit in spec.inhibit)


def _inhibits(inhibit: Inhibit, source: RoutedAlert, target: RoutedAlert) -> bool:
    tiers, layers = inhibit.target.tiers, inhibit.target.layers
    return (
        inhibit.source.layer in (None, source.layer)
        and inhibit.source.tier in (None, source.tier)
        and (not layers or target.layer in layers)
        and (target.tier in tiers if tiers else target.tier > source.tier)
        and (SLO not in inhibit.equal or source.slo == target.slo)
    )
