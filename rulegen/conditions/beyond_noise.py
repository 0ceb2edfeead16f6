"""beyondNoise: beyond a limit by more than chance explains, two standard errors of the gauge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mlslo.catalogue import METRICS, Metric
from mlslo.yamlfile import quoted_list
from rulegen.conditions.kind import Line, World
from rulegen.conditions.threshold import Limit
from rulegen.promql import replicas
from rulegen.promql.annotations import Lookup, Text, format_of
from rulegen.promql.conventions import MODEL, SLO, record_name
from rulegen.promql.expressions import Matcher, exact
from rulegen.promql.rules import Record

ERRORS = 2
"""So many standard errors: of 40 windows that are just at the limit one is further beyond it."""

_SUFFIX = "_standard_error"


def error_of(metric: Metric) -> Metric | None:
    """The metric that is the standard error of ``metric``."""
    return METRICS.get(f"{metric.name}{_SUFFIX}")


def refusal(metric: Metric, title: str, labels: Sequence[str]) -> str | None:
    """Say why nothing of ``metric``, called ``title`` and chosen by ``labels``, is known to be noise, if it isn't."""
    if error_of(metric) is None:
        known = [name.removesuffix(_SUFFIX) for name in METRICS if name.endswith(_SUFFIX)]
        return f"'{title}' has no standard error, only {quoted_list(known)} has"
    if "class" in labels:
        return f"'{title}' has a standard error of averages, none of a single class"
    return None


@dataclass(frozen=True)
class BeyondNoise(Limit):
    """The gauge beyond a constant by more than two of its standard errors; beyond it, where it has no error."""

    @property
    def error(self) -> Metric:
        """The metric of the standard error."""
        found = error_of(self.series.metric)
        if found is None:
            raise ValueError(f"{self.series.metric.name} has no standard error")
        return found

    @property
    def matchers(self) -> dict[str, Matcher]:
        """Matchers of the standard error's series."""
        return {label: value for label, value in self.series.matchers.items() if label in self.error.labels}

    @property
    def record(self) -> Record:
        """The standard error of the gauge as it is recorded: of the replica that counts, or of their mean."""
        series = self.series
        name = record_name(series.level, self.error.name, f"of_{series.aggregation}")
        if series.aggregation == replicas.WEIGHTED:
            expression = replicas.weighted_error(self.error, self.matchers, series.labels)
        else:
            expression = replicas.error_of_worst(
                self.error, self.matchers, series.metric, series.matchers, series.labels, series.expression
            )
        return Record(name, expression, {SLO: series.slo})

    @property
    def _noise(self) -> str:
        """PromQL: two standard errors; 0 where there are none, so that a limit holds beside an older exporter."""
        gauge = self.series.expression
        return f"{ERRORS} * ({self.series.select(self.record.name)} or {gauge} * 0)"

    @property
    def _sign(self) -> int:
        return 1 if self.kind in ("above", "atLeast") else -1

    def expression(self, *, valued: bool = True) -> str:
        sign = "+" if self._sign > 0 else "-"
        return f"{super().expression(valued=valued)} {sign} {self._noise}"

    def phrase(self, *, values: bool = True) -> Text:
        said = Text.of(super().phrase(values=values), f" by more than {ERRORS} standard errors")
        if not values:
            return said
        series = self.series
        fixed = ((MODEL, series.model), (SLO, series.slo))
        looked_up = Lookup(self.record.name, fixed, series.varying, format_of(series.metric.unit))
        return Text.of(said, " (one is ", looked_up, ")")

    def holds(self, value: Decimal, world: World) -> bool:
        return super().holds(value - self._sign * ERRORS * (world.error or 0), world)

    def edges(self, world: World) -> Sequence[Decimal]:
        return (self.limit + self._sign * ERRORS * (world.error or 0),)

    def is_exact(self, world: World) -> bool:
        (edge,) = self.edges(world)
        return float(self.limit) + self._sign * ERRORS * float(world.error or 0) == float(edge)

    def references(self) -> Sequence[Record]:
        return (self.record,)

    def error_guesses(self) -> Sequence[Decimal | None]:
        size = abs(self.limit) or Decimal(1)
        return (exact(f"{float(size / 40):.1g}"), None)

    def lines(self) -> Sequence[Line]:
        gauge, varying = self.series.expression, self.series.varying
        return tuple(
            Line(f"{gauge} {sign} {self._noise}", f"at {word}, but for chance", varying)
            for sign, word in (("-", "least"), ("+", "most"))
        )
