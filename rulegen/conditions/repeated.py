"""breaches: how many of the last evaluations must have been bad."""

from __future__ import annotations

from dataclasses import dataclass

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import SLO, breach_record
from rulegen.promql.expressions import selector
from rulegen.promql.rules import Record


@dataclass(frozen=True)
class Repeated:
    """At least ``least`` of the last ``last`` evaluations.

    Each evaluation records 1 or 0, so that evaluations are counted, not scrapes: a range of
    ``last`` intervals less a second has exactly ``last`` of them, in Prometheus 2 and 3.
    """

    alert: str
    labels: dict[str, str]
    least: int
    last: int
    interval: Duration

    @property
    def record_name(self) -> str:
        """The record of each evaluation."""
        return breach_record(self.alert)

    def record(self, bad: str, measured: str) -> Record:
        """1 where ``bad`` has a series, 0 where only ``measured`` has; NaN counts as 0."""
        expression = f"(\n  {_indented(bad)}\n) >= bool -Inf\nor\n(\n  {_indented(measured)}\n) > bool +Inf"
        return Record(self.record_name, expression, {SLO: self.labels[SLO]})

    def record_of_count(self, count: str, least: str, zero: str) -> Record:
        """1 where ``count`` is ``least`` or more, else 0; ``zero`` where there is no count."""
        expression = f"(\n  {_indented(count)}\n) >= bool {least}\nor\n{zero}"
        return Record(self.record_name, expression, {SLO: self.labels[SLO]})

    def expression(self, value: str) -> str:
        """PromQL: ``value``, where it was bad often enough."""
        length = self.last * self.interval.seconds
        shorter = min(1.0, self.interval.seconds / 2)
        window = Duration.of_seconds(length - shorter)
        recorded = selector(self.record_name, self.labels)
        return f"(\n  {_indented(value)}\n)\nand\nsum_over_time({recorded}[{window}]) >= {self.least}"


def _indented(expression: str) -> str:
    return expression.replace("\n", "\n  ")
