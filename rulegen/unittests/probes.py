"""Values at which a condition just holds, and just does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from mlslo.yamlfile import Duration
from rulegen.conditions import Edge, Kind, World
from rulegen.conditions.kind import Unusable
from rulegen.promql.expressions import Matcher
from rulegen.sli.gauge import GaugeSeries
from rulegen.unittests.given import comes_about


@dataclass(frozen=True)
class Probe:
    """A healthy value, and a pair of neighbours of which only ``beyond`` is bad."""

    world: World
    healthy: Decimal
    inside: Decimal
    beyond: Decimal


def probes(kind: Kind, interval: Duration) -> tuple[list[Probe], list[Kind]]:
    """At least one probe for each condition inside ``kind``, where it is the one that decides.

    Also the conditions for which there is none.
    """
    found: list[Probe] = []
    undecided: list[Kind] = []
    for leg in kind.legs():
        own = [
            probe
            for reference in kind.reference_guesses() or (None,)
            for probe in _leg(kind, leg, reference, interval)
        ]
        found += [probe for probe in own if probe not in found]
        if not own:
            undecided.append(leg)
    return found, undecided


def unusable(kind: Kind) -> Iterator[Probe]:
    """Probes that are quiet although a past that is hardly another one would make them bad."""
    for leg in kind.legs():
        for past in leg.unusable():
            found = _quiet(kind, past)
            if found is not None:
                yield found


def _quiet(kind: Kind, unusable: Unusable) -> Probe | None:
    healthy = unusable.healthy
    reference = next(iter(kind.reference_guesses()), None)
    worlds = [
        World({history.record.name: healthy for history in kind.histories()} | dict(past), reference)
        for past in (unusable.past, unusable.nearly)
    ]
    if kind.holds(healthy, _lasting(kind, worlds[0], healthy)):
        return None
    edges = [edge.value for leg in kind.legs() for edge in leg.edges(worlds[0])]
    guesses = [
        edge + sign * size for edge in (Decimal(0), *edges) for size in (1, nearby(edge)) for sign in (1, -1)
    ]
    for value in guesses:
        alike, other = (kind.holds(value, _lasting(kind, world, value)) for world in worlds)
        if other and not alike:
            return Probe(worlds[0], healthy, value, value)
    return None


def _leg(kind: Kind, leg: Kind, reference: Decimal | None, interval: Duration) -> list[Probe]:
    return [
        probe
        for regime in leg.regimes()
        for probe in _first(
            kind, leg, (*regime, *leg.healthy_guesses(), *kind.healthy_guesses()), reference, interval
        )
    ]


def _first(
    kind: Kind, leg: Kind, guesses: Sequence[Decimal], reference: Decimal | None, interval: Duration
) -> list[Probe]:
    tried = [(healthy, ahead) for healthy in guesses for ahead in (Decimal(0), *kind.leads(healthy))]
    for healthy, ahead in sorted(tried, key=lambda pair: pair[1] != 0):
        past = {
            history.record.name: history.of([(0.0, healthy)])
            if comes_about(history, interval)
            else history.steady(healthy)
            for history in kind.histories()
        }
        world = _lasting(kind, World(past, reference, ahead), healthy)
        if kind.holds(healthy, world):
            continue
        found = [
            Probe(world, healthy, inside, beyond)
            for edge in leg.edges(world)
            for inside, beyond in _pairs(kind, edge, world)
        ]
        if found:
            return found
    return []


def _pairs(kind: Kind, edge: Edge, world: World) -> Iterator[tuple[Decimal, Decimal]]:
    step = nearby(edge.value)
    values = [edge.value - step, edge.value + step]
    if edge.exact:
        values.insert(1, edge.value)
    for low, high in pairwise(values):
        holds_low, holds_high = (kind.holds(value, _lasting(kind, world, value)) for value in (low, high))
        if holds_low != holds_high:
            yield (high, low) if holds_low else (low, high)


def _lasting(kind: Kind, world: World, value: Decimal) -> World:
    """The world once the gauge was at ``value`` for long: a trend follows it soon."""
    soon = {history.record.name: value + world.ahead for history in kind.histories() if history.of_version}
    return replace(world, past={**world.past, **soon})


def nearby(value: Decimal) -> Decimal:
    """A step that is small beside ``value`` and still shows in four digits."""
    return Decimal(1).scaleb(value.adjusted() - 3) if value else Decimal("0.001")


def decoys(series: GaugeSeries) -> list[dict[str, str]]:
    """Labels of series that the rule is not about, each of which differs in one thing that it selects by."""
    return decoys_of(series.matchers)


def decoys_of(matchers: Mapping[str, Matcher]) -> list[dict[str, str]]:
    """Labels that each are selected by all of ``matchers`` but one."""
    return [
        {label: f"{value}-other" if isinstance(value, str) and value else "other"}
        for label, value in matchers.items()
    ]
