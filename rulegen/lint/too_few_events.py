"""A burn rate that the traffic to expect never has the events for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rulegen.lint.finding import Finding, Location, Run
from rulegen.promql.expressions import exact, number
from rulegen.slo import burn_rate
from rulegen.slo.plan import pairs_of


def find(run: Run) -> Iterator[Finding]:
    for file in run.specs.models:
        expected = file.spec.expected
        for index, slo in enumerate(file.spec.slos):
            counted = slo.sli.errors is not None or slo.sli.latency is not None
            if expected is None or not counted or slo.objective is None or slo.timeWindow is None:
                continue
            at: Location = ("spec", "slos", index)
            given = slo.alerting.minimumEvents if slo.alerting else None
            share = burn_rate.budget(slo.objective)
            for pair in burn_rate.that_can_fire(pairs_of(slo), slo.objective)[0]:
                events = math.floor(expected.predictionsPerSecond * pair.long.seconds)
                least = given or pair.least_events(share)
                if events < least:
                    message = (
                        f"the burn rate {number(pair.factor)} over {pair.long} needs {least} events, at "
                        f"{number(exact(expected.predictionsPerSecond))} predictions per second there are {events}: "
                        "it never fires"
                    )
                    where = (*at, "alerting", "minimumEvents") if given else (*at, "objective")
                    yield Finding(file.document, where, message)
