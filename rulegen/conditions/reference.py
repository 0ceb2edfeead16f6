"""aboveReference, belowReference: more, or less, than a factor times the same figure of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from mlslo.catalogue import METRICS, Metric
from mlslo.yamlfile import quoted_list
from rulegen.conditions.kind import Bounds, Comparison, Kind, Line, Positive, World
from rulegen.conditions.threshold import shown
from rulegen.promql.annotations import Lookup, Text, format_of
from rulegen.promql.conventions import MODEL, SLO, record_name
from rulegen.promql.expressions import Matcher, by, exact, number, on, selector
from rulegen.promql.rules import Record
from rulegen.sli.gauge import GaugeSeries
from rulegen.sli.metric_ranges import Range

_USUAL = Decimal("0.25")


def counterpart(metric: Metric) -> Metric | None:
    """The metric that says what ``metric`` is in the reference."""
    return METRICS.get(f"{metric.name}_reference")


class _OfReference(Comparison):
    """A comparison with the same figure of the reference."""

    def refusal(self, metric: Metric, title: str) -> str | None:
        if counterpart(metric) is not None:
            return None
        have = [name.removesuffix("_reference") for name in METRICS if name.endswith("_reference")]
        return (
            f"'{title}' has no figure in the reference, only {quoted_list(have)} have one; "
            "a gauge that is a distance from the reference is compared with above"
        )

    def _bound(self, series: GaugeSeries, factor: float, floor: float | None) -> Reference:
        metric = counterpart(series.metric)
        if metric is None:
            raise ValueError(f"{series.metric.name} has no figure in the reference")
        return Reference(series, metric, exact(factor), None if floor is None else exact(floor))


class AboveReference(_OfReference):
    """More than a factor times the same figure of the reference."""

    byFactor: Positive = Field(description="How many times the reference.")
    floor: Annotated[float, Field(ge=0)] = Field(
        0.0, description="At or below this it holds, whatever the reference is."
    )

    def lower(self, series: GaugeSeries) -> Reference:
        return self._bound(series, self.byFactor, self.floor)

    def reach(self, possible: Range) -> Range:
        return Range(low=self.floor)


class BelowReference(_OfReference):
    """Less than a factor times the same figure of the reference."""

    byFactor: Positive = Field(description="How many times the reference; 0.9 is a tenth less.")

    @property
    def looks_low(self) -> bool:
        return True

    def lower(self, series: GaugeSeries) -> Reference:
        return self._bound(series, self.byFactor, None)


@dataclass(frozen=True)
class Reference(Kind):
    """The gauge compared with its reference: more than ``factor`` times that, and than the floor.

    Less, where there is no floor. Where no reference is named, with the largest of several, and with the smallest.
    """

    series: GaugeSeries
    metric: Metric
    factor: Decimal
    floor: Decimal | None

    @property
    def below(self) -> bool:
        """Return whether small values are bad."""
        return self.floor is None

    @property
    def shared(self) -> tuple[str, ...]:
        """Labels that the gauge and its reference have in common."""
        return tuple(label for label in self.series.labels if label in self.metric.labels)

    @property
    def _varying(self) -> tuple[str, ...]:
        """The labels that tell its series apart."""
        return tuple(label for label in self.shared if label not in self.series.fixed)

    @property
    def matchers(self) -> dict[str, Matcher]:
        """Matchers of the reference's series."""
        matchers = {
            label: value for label, value in self.series.matchers.items() if label in self.metric.labels
        }
        if self.series.reference is not None:
            matchers["reference"] = self.series.reference
        return matchers

    @property
    def record(self) -> Record:
        worst = "min" if self.below else "max"
        name = record_name((MODEL, *self._varying), self.metric.name, worst)
        expression = f"{worst} {by(self.shared)} ({selector(self.metric.name, self.matchers)})"
        return Record(name, expression, {SLO: self.series.slo})

    def expression(self, *, valued: bool = True) -> str:
        gauge, reference = self.series.expression, self.series.select(self.record.name)
        join = f"{on(self._varying)} group_left ()"
        beyond = f"{gauge} {'<' if self.below else '>'} {join} ({number(self.factor)} * {reference})"
        return f"{beyond}\nand\n{gauge} > {number(self.floor)}" if self.floor else beyond

    def phrase(self, *, values: bool = True) -> Text:
        fixed = ((MODEL, self.series.model), (SLO, self.series.slo))
        looked_up = Lookup(self.record.name, fixed, self._varying, format_of(self.series.metric.unit))
        floor = f"above {shown(self.floor, self.series.metric.unit)} and " if self.floor else ""
        side = "below" if self.below else "above"
        said = f"{floor}{side} {number(self.factor)} times that of the reference"
        return Text.of(said, " (", looked_up, ")") if values else Text.of(said)

    def bounds(self, world: World) -> Bounds:
        if world.reference is None:
            return None, None
        limit = self.factor * world.reference
        return (limit, None) if self.floor is None else (None, max(limit, self.floor))

    def is_exact(self, world: World) -> bool:
        reference = world.reference or Decimal(0)
        product = self.factor * reference
        # The floor is a literal.
        return product < (self.floor or 0) or float(self.factor) * float(reference) == float(product)

    def lines(self) -> Sequence[Line]:
        return (Line(self.series.select(self.record.name), "reference", self._varying),)

    def references(self) -> Sequence[Record]:
        return (self.record,)

    def healthy_guesses(self) -> Sequence[Sequence[Decimal]]:
        if self.below:
            limit = self.factor * _USUAL
            return (((limit + 1) / 2, limit * 2),)
        return (((self.floor or self.factor / 4) / 2,),)

    def reference_guesses(self) -> Sequence[Decimal]:
        # Three digits, so that a person can read the tests.
        even = exact(float(f"{self.floor / self.factor:.3g}")) if self.floor else None
        return (2 * even, even / 2) if even else (_USUAL,)
