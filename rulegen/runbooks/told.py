"""Who is told of an alert, and what holds it back, in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from rulegen.promql.conventions import LAYER, SLO, TIER
from rulegen.promql.rules import AlertRule
from rulegen.slo.plan import Plan
from rulegen.spec.routing import Inhibit, Spec

Key = TypeVar("Key")
# Nobody reads a list of thousands.
_MOST_NAMED = 40


@dataclass(frozen=True)
class Told:
    """One alert of a model, as far as routing cares."""

    name: str
    slo: str
    layer: str
    tier: str

    @classmethod
    def of(cls, rule: AlertRule) -> Told:
        return cls(rule.name, rule.labels[SLO], rule.labels[LAYER], rule.labels[TIER])

    def __str__(self) -> str:
        return f"`{self.name}` of {self.slo} ({self.tier})"


def receivers(spec: Spec, alert: Told, team: str | None) -> list[str]:
    """Who is told, how and when: one sentence each."""
    tier = spec.tiers[alert.tier]
    own = spec.teams.get(team, {}).get(alert.tier) if team is not None else None
    found = [f"`{name}`{_ways(spec, name)}" for name in own or tier.receivers]
    wait = tier.groupWait or spec.groupWait
    repeat = tier.repeatInterval or spec.repeatInterval
    grouped = ", ".join(spec.groupBy)
    found.append(
        f"{wait} after it fires, in one message with what else fires of the same {grouped}; again every {repeat}."
    )
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


class Others:
    """The alerts of one model among each other: which hold back which. A large file has millions of pairs."""

    def __init__(self, spec: Spec, plan: Plan) -> None:
        self._spec = spec
        self._plan = plan

    def silenced_by(self, alert: Told) -> list[str]:
        """Those that hold ``alert`` back while they fire."""
        return self._where(alert, lambda other: _silences(self._spec, other, alert))

    def silences(self, alert: Told) -> list[str]:
        """Those that ``alert`` holds back."""
        return self._where(alert, lambda other: _silences(self._spec, alert, other))

    def _where(self, alert: Told, holds: Callable[[Told], bool]) -> list[str]:
        """All of a kind where one of another SLO is, and of the alert's own SLO those that are."""
        found = {place: other for place, other in self._of_slo[alert.slo] if holds(other)}
        for (layer, tier), members in self._of_kind.items():
            if holds(Told("", "", layer, tier)):
                found.update(members)
        told = [found[place] for place in sorted(found) if found[place] != alert]
        more = len(told) - _MOST_NAMED
        said = [str(other) for other in told[:_MOST_NAMED]]
        return [*said, f"and {more} more of [this model](#)"] if more > 0 else said

    @cached_property
    def _of_kind(self) -> Mapping[tuple[str, str], list[tuple[int, Told]]]:
        return self._by(lambda alert: (alert.layer, alert.tier))

    @cached_property
    def _of_slo(self) -> Mapping[str, list[tuple[int, Told]]]:
        return self._by(lambda alert: alert.slo)

    def _by(self, key: Callable[[Told], Key]) -> Mapping[Key, list[tuple[int, Told]]]:
        found = defaultdict(list)
        for place, alert in enumerate(dict.fromkeys(map(Told.of, self._plan.alerts))):
            found[key(alert)].append((place, alert))
        return found


def _silences(spec: Spec, source: Told, target: Told) -> bool:
    lower = spec.suppressLowerTiers and source.slo == target.slo and target.tier > source.tier
    return lower or any(_inhibits(inhibit, source, target) for inhibit in spec.inhibit)


def _inhibits(inhibit: Inhibit, source: Told, target: Told) -> bool:
    return all(_conditions(inhibit, source, target))


def _conditions(inhibit: Inhibit, source: Told, target: Told) -> Iterator[bool]:
    yield inhibit.source.layer in (None, source.layer)
    yield inhibit.source.tier in (None, source.tier)
    yield not inhibit.target.layers or target.layer in inhibit.target.layers
    yield target.tier in inhibit.target.tiers if inhibit.target.tiers else target.tier > source.tier
    yield SLO not in inhibit.equal or source.slo == target.slo
