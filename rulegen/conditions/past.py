"""The gauge's own past, which a condition compares it with."""

from __future__ import annotations

import math

from exporter.yamlfile import Duration
from rulegen.conditions.kind import History
from rulegen.conventions import MODEL, SLO, baseline_record, past_record
from rulegen.gauge import GaugeSeries
from rulegen.promql import number
from rulegen.rules import Record
from rulegen.texts import Lookup, format_of

_DAY = 86_400.0
# The mean may not rest on less than this, nor on less than half of a shorter window.
LEAST_HISTORY = _DAY


def value_ago(series: GaugeSeries, offset: Duration) -> History:
    """The gauge ``offset`` ago, averaged over the versions of then."""
    name = past_record(_level(series), series.metric.name, series.aggregation, offset)
    expression = f"avg without (version) ({series.expression} offset {offset})"
    return History(Record(name, expression, {SLO: series.slo}), offset.seconds, 0.0, 1)


def mean_before(series: GaugeSeries, window: Duration, offset: Duration) -> History:
    """The mean of every evaluation in ``window``, which ends ``offset`` ago.

    Sum and count are taken over all versions, never the mean of means.
    """
    name = baseline_record(_level(series), series.metric.name, series.aggregation, window, offset)
    past = f"{series.expression}[{window}] offset {offset}"
    least = max(math.ceil(min(LEAST_HISTORY, window.seconds / 2) / series.interval.seconds), 1)
    expression = (
        f"sum without (version) (sum_over_time({past}))\n"
        f"/\n(sum without (version) (count_over_time({past})) >= {number(least)})"
    )
    return History(Record(name, expression, {SLO: series.slo}), offset.seconds, window.seconds, least)


def lookup(series: GaugeSeries, record: Record) -> Lookup:
    """The past of the series that fires, for a text."""
    fixed = {MODEL: series.model, SLO: series.slo}
    varying = tuple(label for label in series.entities)
    return Lookup(record.name, tuple(fixed.items()), varying, format_of(series.metric.unit))


def _level(series: GaugeSeries) -> tuple[str, ...]:
    return tuple(label for label in series.level if label != "version")
