"""Limits of ModelSLO files as rows of data: for a gate, which judges one batch, and for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from mlslo.catalogue import METRICS
from mlslo.yamlfile import Duration, Location
from rulegen.conditions import Condition
from rulegen.conditions.threshold import THRESHOLDS
from rulegen.promql.conventions import MODEL
from rulegen.promql.expressions import OneOf
from rulegen.sli import gauge
from rulegen.spec.model_slo import Alert, ModelSlo, Slo

_INTERVAL = Duration("1m")
_OPPOSITE = {"above": "atMost", "below": "atLeast", "atLeast": "below", "atMost": "above"}


@dataclass(frozen=True)
class LimitRow:
    """One condition on a gauge. ``series``, ``seriesRatio``: how many series must be bad at once.

    ``threshold``: a constant, or the factor of a comparison with the reference. ``notJudged``: why no single value of
    the gauge tells whether it holds. ``source``: file:line.
    """

    alert: str | None
    slo: str
    tier: str | None
    layer: str
    model: str
    source: str
    metric: str | None = None
    labels: dict[str, str | list[str]] = field(default_factory=dict)
    reference: str | None = None
    comparison: str | None = None
    threshold: float | None = None
    floor: float | None = None
    beyondNoise: bool = False
    series: int | None = None
    seriesRatio: float | None = None
    notJudged: str | None = None

    def as_data(self) -> dict[str, Any]:
        """Return the row as JSON has it."""
        return asdict(self)


def limits(files: Iterable[ModelSlo]) -> Iterator[LimitRow]:
    """Yield a row for each condition and objective, in the order of the files."""
    for file in files:
        for at, slo in file.slos:
            yield from _of_slo(file, slo, at)


def _of_slo(file: ModelSlo, slo: Slo, at: Location) -> Iterator[LimitRow]:
    own = LimitRow(None, slo.name, None, slo.layer, file.model, _place(file, at))
    asked = slo.sli.gauge
    if asked is None:
        kind = "a PromQL query" if slo.sli.promql is not None else "an error budget of events"
        for row in [replace(own, alert=alert.name, tier=alert.tier) for alert in slo.alerts] or [own]:
            yield replace(row, notJudged=f"{kind}, which needs Prometheus")
        return
    if asked.metric in METRICS:
        series = gauge.of(file.model, slo.name, asked, _INTERVAL, looks_low=slo.looks_low)
        chosen = {
            label: [*value.words] if isinstance(value, OneOf) else value
            for label, value in series.matchers.items()
            if label not in (MODEL, "window", "reference")
        }
        own = replace(own, labels=chosen)
    own = replace(own, metric=asked.metric, reference=asked.reference)
    if slo.good is not None:
        key = slo.good.key
        yield replace(own, comparison=_OPPOSITE[key], threshold=getattr(slo.good, key))
    for place, alert in slo.placed_alerts(at):
        row = replace(own, alert=alert.name, tier=alert.tier, source=_place(file, (*place, "when")))
        yield from _of_alert(row, alert)


def _of_alert(row: LimitRow, alert: Alert) -> Iterator[LimitRow]:
    if (several := alert.when.series) is not None:
        row = replace(row, series=several.atLeast, seriesRatio=several.atLeastRatio)
    # Any of several limits rings; of each series that is the same as each limit by itself.
    parts = alert.when.any if alert.when.any and several is None else [alert.when]
    for part in parts:
        yield _of_condition(row, part)


def _of_condition(row: LimitRow, condition: Condition) -> LimitRow:
    key = condition.key
    if key in THRESHOLDS:
        limit = getattr(condition, key)
        return replace(row, comparison=key, threshold=limit, beyondNoise=condition.beyondNoise)
    if (above := condition.aboveReference) is not None:
        return replace(row, comparison=key, threshold=above.byFactor, floor=above.floor)
    if (below := condition.belowReference) is not None:
        return replace(row, comparison=key, threshold=below.byFactor)
    reason = "several conditions at once" if key in ("all", "any") else "which needs the gauge's own past"
    return replace(row, notJudged=f"{key}: {reason}")


def _place(file: ModelSlo, at: Location) -> str:
    problem = file.document.problem(at, "", key=True)
    return f"{problem.file}:{problem.line}"
