"""The interface of a kind of condition: as a spec file writes it, and lowered on a gauge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import Field

from mlslo.catalogue import Metric
from mlslo.yamlfile import Duration, StrictModel
from rulegen.promql.annotations import Lookup, Text, format_of
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.rules import Record
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.metric_ranges import ALL, Range


@dataclass(frozen=True)
class World:
    """The values that a gauge is compared with: its own past, by the name of its record, and its reference.

    ``ahead``: how far forecasts are from the gauge. ``error``: the gauge's standard error, where it has one.
    """

    past: Mapping[str, Decimal] = field(default_factory=dict)
    reference: Decimal | None = None
    ahead: Decimal = Decimal(0)
    error: Decimal | None = None

    def of(self, history: History) -> Decimal | None:
        """Return the value of a record of the past, if it is there."""
        return self.past.get(history.record.name)


# How many seconds ago, and the value.
Sample = tuple[float, Decimal]
# Lowest and highest good values; None where nothing is too low, or too high.
Bounds = tuple[Decimal | None, Decimal | None]


@dataclass(frozen=True)
class History:
    """A record of the gauge's past that a condition needs.

    It averages what the gauge was from ``offset + window`` ago until ``offset`` ago (just the value
    at ``offset`` where the window is zero), given ``least`` evaluations, over all versions. ``title`` says it in words.
    """

    series: GaugeSeries
    record: Record
    title: str
    offset: float
    window: float
    least: int

    @property
    def expression(self) -> str:
        """PromQL: the record of the gauge's own SLO."""
        return self.series.select(self.record.name)

    @property
    def lookup(self) -> Lookup:
        """The record of the series that fires, for a text."""
        fixed = {MODEL: self.series.model, SLO: self.series.slo}
        return Lookup(
            self.record.name, tuple(fixed.items()), self.varying, format_of(self.series.metric.unit)
        )

    @property
    def varying(self) -> tuple[str, ...]:
        """Labels that tell its series apart."""
        return self.series.varying if self.of_version else self.series.entities

    @property
    def of_version(self) -> bool:
        """Return whether each version has its own."""
        return False

    def of(self, samples: Sequence[Sample]) -> Decimal:
        """Compute it from ``samples``. Not derived from the PromQL: the tests rest on it."""
        return sum((value for _, value in samples), Decimal(0)) / len(samples)


class Unusable(NamedTuple):
    """The past of a gauge, by the names of records; ``bad``: far enough to be bad, were it compared with that."""

    past: Mapping[str, Decimal]
    bad: Decimal


@dataclass(frozen=True)
class Line:
    """A line of a dashboard: PromQL, what it is called, and the labels that tell its series apart."""

    expression: str
    name: str
    varying: tuple[str, ...]


class Kind(ABC):
    """One kind of condition on one gauge."""

    @abstractmethod
    def expression(self, *, valued: bool = True) -> str:
        """PromQL: the gauge, where it is bad; unless ``valued``, any value will do."""

    def condition(self) -> str:
        """PromQL: something, where the gauge is bad. That it is there, and no NaN, is known already."""
        return self.expression(valued=False)

    @abstractmethod
    def phrase(self, *, values: bool = True) -> Text:
        """Describe what is bad about it: "above 0.25"; ``values``: with the value that it is compared with."""

    def bounds(self, world: World) -> Bounds:
        """Return values below and above which the gauge is bad. Not derived from the PromQL: the tests rest on it."""
        return None, None

    def holds(self, value: Decimal, world: World) -> bool:
        """Return whether the gauge is bad at ``value``."""
        low, high = self.bounds(world)
        return (low is not None and value < low) or (high is not None and value > high)

    def edges(self, world: World) -> Sequence[Decimal]:
        """Return the values at which ``holds`` changes."""
        return [edge for edge in self.bounds(world) if edge is not None]

    def is_exact(self, world: World) -> bool:
        """Return whether Prometheus calculates its edges to the last digit, so that they can be tested themselves."""
        return False

    def legs(self) -> Sequence[Kind]:
        """The conditions inside it, or itself."""
        return (self,)

    def histories(self) -> Sequence[History]:
        """Records of the past that it needs."""
        return ()

    def references(self) -> Sequence[Record]:
        """Records of references, and of standard errors, that it needs."""
        return ()

    def healthy_guesses(self) -> Sequence[Sequence[Decimal]]:
        """Values at which the gauge may be healthy; the first of each group that is will be used in tests.

        Each group makes another part of the condition decide.
        """
        return ()

    def unusable(self) -> Sequence[Unusable]:
        """Pasts that nothing can be compared with."""
        return ()

    def leads(self, healthy: Decimal) -> Sequence[Decimal]:
        """Return distances of a forecast from a gauge that is ``healthy``, so that the one or the other decides."""
        return ()

    def lines(self) -> Sequence[Line]:
        """Lines that a dashboard shows beside the gauge."""
        return [Line(history.expression, history.title, history.varying) for history in self.histories()]

    def limits(self) -> Sequence[tuple[float, Literal["above", "below"]]]:
        """Constants beyond which the gauge is bad."""
        return ()

    def reference_guesses(self) -> Sequence[Decimal]:
        """Values of the reference, of which each makes another part of the condition decide."""
        return ()

    def error_guesses(self) -> Sequence[Decimal | None]:
        """Standard errors of the gauge, of which each makes another part of it decide; None: there is none."""
        return ()


Positive = Annotated[float, Field(gt=0)]


class Comparison(StrictModel, ABC):
    """Base of the conditions that compare a gauge with something else than a constant, as a file writes them."""

    # The key of the duration over which evaluations are looked at: two of them at least.
    sampled: ClassVar[str | None] = None

    @abstractmethod
    def lower(self, series: GaugeSeries) -> Kind:
        """Bind it to a gauge."""

    @property
    def looks_low(self) -> bool:
        """Return whether the smallest of several values is the worst."""
        return False

    def refusal(self, metric: Metric, title: str) -> str | None:
        """Say why ``metric``, called ``title``, cannot be compared so, if it can't."""
        return None

    def look_back(self) -> Iterator[tuple[str, Duration, str]]:
        """Yield a key, how far its rules look back for it, and what comes of a shorter history."""
        yield from ()

    def reach(self, possible: Range) -> Range:
        """Return between which values it may hold, the ends left out, whatever the history and the reference are."""
        return ALL
