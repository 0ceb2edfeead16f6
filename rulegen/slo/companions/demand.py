"""How urgently, and how soon, an SLO wants to be told of something that concerns all of its model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlslo.yamlfile import Duration


@dataclass(frozen=True)
class Demand:
    """To be told at ``tier`` once it has lasted for ``after``. The names of tiers sort by urgency."""

    tier: str
    after: Duration


def needed(demands: Iterable[Demand]) -> tuple[Demand, ...]:
    """Those without which somebody would be told later or less urgently, the most urgent first.

    What raises a P1 after ten minutes needs no P2 after an hour: one cause, one alert.
    """
    kept: list[Demand] = []
    for demand in sorted(demands, key=lambda demand: (demand.tier, demand.after.seconds)):
        if all(demand.after.seconds < other.after.seconds for other in kept):
            kept.append(demand)
    return tuple(kept)


def soonest(demands: Sequence[Demand], tier: str) -> Duration | None:
    """When it is told at least as urgently as ``tier``, if it is."""
    found = [demand.after for demand in demands if demand.tier <= tier]
    return min(found, key=lambda after: after.seconds, default=None)
