"""A burn rate that the traffic to expect never has the bad events for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlslo.yamlfile import Duration
from rulegen.lint.finding import Finding, Location, Run
from rulegen.promql.expressions import exact, number
from rulegen.slo import burn_rate
from rulegen.slo.plan import pairs_of
from rulegen.spec.model_slo import Alerting, Expected, Slo


def find(run: Run) -> Iterator[Finding]:
    interval = run.specs.routing.spec.evaluationInterval
    for file in run.specs.models:
        for index, slo in enumerate(file.spec.slos):
            if slo.objective is None or slo.timeWindow is None:
                continue
            counted = _counted(slo, file.spec.expected, interval)
            if counted is None:
                continue
            per_second, said = counted
            for pair in burn_rate.that_can_fire(pairs_of(slo), slo.objective)[0]:
                events = math.floor(per_second * pair.long.seconds + 1e-9)
                if finding := _few(slo, events):
                    key, least = finding
                    burning = f"the burn rate {number(pair.factor)} over {pair.long} needs {least} events"
                    at: Location = ("spec", "slos", index)
                    own = slo.alerting is not None and key in slo.alerting.model_fields_set
                    where = (*at, "alerting", key) if own else (*at, "objective")
                    yield Finding(file.document, where, f"{burning}, {said} {events}: it never fires")


def _counted(slo: Slo, expected: Expected | None, interval: Duration) -> tuple[float, str] | None:
    """Return the events per second, and how to say where that is from."""
    if slo.sli.gauge is not None or slo.sli.promql is not None:
        return 1 / interval.seconds, f"at an evaluation every {interval} there are"
    if expected is None:
        return None
    rate = expected.predictionsPerSecond
    return rate, f"at {number(exact(rate))} predictions per second there are"


def _few(slo: Slo, events: int) -> tuple[str, str] | None:
    """The key that asks for more events than there are, and for how many."""
    alerting = slo.alerting or Alerting.model_validate({})
    if alerting.minimumEvents and events < alerting.minimumEvents:
        return "minimumEvents", str(alerting.minimumEvents)
    if events < alerting.minimumBadEvents:
        return "minimumBadEvents", f"{alerting.minimumBadEvents} bad"
    return None
