"""Limits of ModelSLO files, one for each condition and objective."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mlslo.catalogue import METRICS
from mlslo.limits import Limit
from mlslo.yamlfile import Duration, Location, did_you_mean
from rulegen.conditions import Condition
from rulegen.conditions.threshold import THRESHOLDS
from rulegen.promql.conventions import MODEL
from rulegen.promql.expressions import OneOf
from rulegen.sli import gauge
from rulegen.spec.model_slo import ModelSlo, Slo

_INTERVAL = Duration("1m")
_OPPOSITE = {"above": "atMost", "below": "atLeast", "atLeast": "below", "atMost": "above"}


def limits(files: Iterable[ModelSlo]) -> Iterator[Limit]:
    """Yield those of all files, in their order. Raises InputError where a metric is unknown."""
    for file in files:
        for at, slo in file.slos:
            yield from _of_slo(file, slo, at)


def _of_slo(file: ModelSlo, slo: Slo, at: Location) -> Iterator[Limit]:
    own: dict[str, Any] = {"slo": slo.name, "layer": slo.layer, "model": file.model}
    asked = slo.sli.gauge
    if asked is None:
        kind = "a PromQL query" if slo.sli.promql is not None else "an error budget of events"
        own |= {"source": _place(file, at), "notJudged": f"{kind}, which needs Prometheus"}
        for named in [{"alert": alert.name, "tier": alert.tier} for alert in slo.alerts] or [{}]:
            yield Limit.model_validate(own | named)
        return
    if asked.metric not in METRICS:
        message = f"unknown metric '{asked.metric}'{did_you_mean(asked.metric, METRICS)}"
        raise file.document.error((*at, "sli", "gauge", "metric"), message)
    matchers = gauge.of(file.model, slo.name, asked, _INTERVAL, looks_low=slo.looks_low).matchers
    chosen = {
        label: [*value.words] if isinstance(value, OneOf) else value
        for label, value in matchers.items()
        if label not in (MODEL, "window", "reference")
    }
    own |= {"metric": asked.metric, "reference": asked.reference, "labels": chosen}
    if slo.good is not None:
        key = slo.good.key
        limit = {"comparison": _OPPOSITE[key], "threshold": getattr(slo.good, key)}
        yield Limit.model_validate(own | limit | {"source": _place(file, at)})
    for place, alert in slo.placed_alerts(at):
        row = own | {"alert": alert.name, "tier": alert.tier, "source": _place(file, (*place, "when"))}
        if (several := alert.when.series) is not None:
            row |= {"series": several.atLeast, "seriesRatio": several.atLeastRatio}
        # Any of several limits rings; of each series that is the same as each limit by itself.
        for part in alert.when.any if alert.when.any and several is None else [alert.when]:
            yield Limit.model_validate(row | _of_condition(part))


def _of_condition(condition: Condition) -> dict[str, Any]:
    key = condition.key
    if key in THRESHOLDS:
        limit = getattr(condition, key)
        return {"comparison": key, "threshold": limit, "beyondNoise": condition.beyondNoise}
    if (above := condition.aboveReference) is not None:
        return {"comparison": key, "threshold": above.byFactor, "floor": above.floor}
    if (below := condition.belowReference) is not None:
        return {"comparison": key, "threshold": below.byFactor}
    reason = "several conditions at once" if key in ("all", "any") else "which needs the gauge's own past"
    return {"notJudged": f"{key}: {reason}"}


def _place(file: ModelSlo, at: Location) -> str:
    problem = file.document.problem(at, "", key=True)
    return f"{problem.file}:{problem.line}"
