"""Values at which a condition just holds and just does not, in the numbers that a person would pick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from rulegen.conditions import Kind, World
from rulegen.conditions.history import Deviation
from rulegen.promql.expressions import Matcher


@dataclass(frozen=True)
class Probe:
    """A healthy value, and two values close to each other of which only ``beyond`` is bad."""

    world: World
    healthy: Decimal
    inside: Decimal
    beyond: Decimal


def probes(kind: Kind) -> tuple[list[Probe], list[Kind]]:
    """At least one probe for each condition inside ``kind``, where it is the one that decides.

    Also the conditions for which there is none.
    """
    found: list[Probe] = []
    undecided: list[Kind] = []
    for leg in kind.legs():
        others = [guess for one in (leg, *kind.legs()) for group in one.healthy_guesses() for guess in group]
        own: list[Probe] = []
        for errors in _errors(kind):
            own = own or [
                probe
                for reference in _references(kind) or (None,)
                for error in errors
                for group in leg.healthy_guesses()
                for probe in _first(kind, leg, [*group, *others], reference, error)
            ]
        found += [probe for probe in own if probe not in found]
        if not own:
            undecided.append(leg)
    return found, undecided


def _first(
    kind: Kind, leg: Kind, guesses: Sequence[Decimal], reference: Decimal | None, error: Decimal | None
) -> list[Probe]:
    tried = [
        (even(guess), ahead)
        for guess in guesses
        for ahead in (Decimal(0), *(lead for one in kind.legs() for lead in one.leads(guess)))
    ]
    for healthy, ahead in sorted(tried, key=lambda pair: pair[1] != 0):
        world = lasting(kind, World(past_of(kind, healthy), reference, ahead, error), healthy)
        if kind.holds(healthy, world):
            continue
        found = [
            Probe(world, healthy, inside, beyond)
            for edge in leg.edges(world)
            for inside, beyond in _pairs(kind, leg, edge, world, healthy)
        ]
        if found:
            return found
    return []


def past_of(kind: Kind, healthy: Decimal) -> dict[str, Decimal]:
    """Return the records of a long healthy past."""
    return {
        history.record.name: even(abs(healthy) / 20 or Decimal(1) / 20)
        if isinstance(history, Deviation)
        else healthy
        for history in kind.histories()
    }


def _pairs(
    kind: Kind, leg: Kind, edge: Decimal, world: World, healthy: Decimal
) -> Iterator[tuple[Decimal, Decimal]]:
    """The values on both sides of an edge; the edge itself where Prometheus calculates just that."""
    exact = leg.is_exact(world)
    step = nearby(edge) if exact else min(nearby(edge), nearby(edge - healthy))
    middle = edge if exact else _rounded(edge, step)
    values = [middle - step, edge, middle + step] if exact else [middle - step, middle + step]
    for low, high in pairwise(values):
        holds_low, holds_high = (kind.holds(value, lasting(kind, world, value)) for value in (low, high))
        if holds_low != holds_high:
            yield (high, low) if holds_low else (low, high)


def lasting(kind: Kind, world: World, value: Decimal) -> World:
    """The world once the gauge was at ``value`` for long: its trend is flat."""
    flat = {history.record.name: value + world.ahead for history in kind.histories() if history.of_version}
    return replace(world, past={**world.past, **flat})


def unusable(kind: Kind) -> Iterator[Probe]:
    """Probes that are quiet only because their past cannot be compared with."""
    reference = next(iter(_references(kind)), None)
    for past, bad in (unusable for leg in kind.legs() for unusable in leg.unusable()):
        healthy = next(iter(past.values()))
        world = World({history.record.name: healthy for history in kind.histories()} | dict(past), reference)
        if not kind.holds(bad, lasting(kind, world, bad)):
            yield Probe(world, healthy, bad, bad)


def _references(kind: Kind) -> list[Decimal]:
    return [guess for leg in kind.legs() for guess in leg.reference_guesses()]


def _errors(kind: Kind) -> list[list[Decimal | None]]:
    """Standard errors to try; then larger ones, beside which another limit may decide."""
    found = list(dict.fromkeys(guess for leg in kind.legs() for guess in leg.error_guesses()))
    return [found or [None], [10 * guess for guess in found if guess is not None]]


def nearby(value: Decimal) -> Decimal:
    """A step beside a limit, as fine as that is and at most a twentieth: 0.01 for 0.25, 0.005 for 0.1, 1 for 42."""
    if not value:
        return Decimal("0.1")
    normal = value.normalize()
    tenth = Decimal(1).scaleb(value.adjusted() - 1)
    step = tenth / 2 if normal.as_tuple().digits[0] == 1 else tenth
    exponent = normal.as_tuple().exponent
    assert isinstance(exponent, int)
    return min(step, Decimal(1).scaleb(exponent)) if exponent > value.adjusted() - 4 else step / 10


def even(value: Decimal) -> Decimal:
    """``value`` to two digits."""
    return _rounded(value, Decimal(1).scaleb(value.adjusted() - 1)) if value else value


def _rounded(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value() * step


def decoys(matchers: Mapping[str, Matcher]) -> list[dict[str, str]]:
    """Labels that each are selected by all of ``matchers`` but one."""
    return [
        {label: f"{value}-other" if isinstance(value, str) and value else "other"}
        for label, value in matchers.items()
    ]
