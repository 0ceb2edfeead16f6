"""A burn rate that the traffic to expect never has the bad events for."""

import math
from collections.abc import Iterator

from mlslo.yamlfile import Duration
from rulegen.lint.finding import Finding, Run
from rulegen.promql.expressions import exact, number
from rulegen.slo import burn_rate
from rulegen.slo.plan import pairs_of
from rulegen.spec.model_slo import Alerting, Expected, Slo


def find(run: Run) -> Iterator[Finding]:
    interval = run.specs.routing.spec.evaluationInterval
    for file, at, slo in run.slos:
        counted = _counted(slo, file.spec.expected, interval)
        if slo.objective is None or slo.timeWindow is None or counted is None:
            continue
        per_second, said = counted
        alerting = slo.alerting or Alerting.model_validate({})
        for pair in burn_rate.that_can_fire(pairs_of(slo), slo.objective)[0]:
            events = math.floor(per_second * pair.long.seconds + 1e-9)
            if alerting.minimumEvents and events < alerting.minimumEvents:
                key, least = "minimumEvents", str(alerting.minimumEvents)
            elif events < alerting.minimumBadEvents:
                key, least = "minimumBadEvents", f"{alerting.minimumBadEvents} bad"
            else:
                continue
            burning = f"the burn rate {number(pair.factor)} over {pair.long} needs {least} events"
            where = ("alerting", key) if key in alerting.model_fields_set else ("objective",)
            yield Finding(file.document, (*at, *where), f"{burning}, {said} {events}: it never fires")


def _counted(slo: Slo, expected: Expected | None, interval: Duration) -> tuple[float, str] | None:
    """Return the events per second, and how to say where that is from."""
    if slo.sli.gauge is not None or slo.sli.promql is not None:
        return 1 / interval.seconds, f"at an evaluation every {interval} there are"
    if expected is None:
        return None
    rate = expected.predictionsPerSecond
    return rate, f"at {number(exact(rate))} predictions per second there are"
