"""A pair of burn-rate windows that no share of bad events can raise."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run
from rulegen.promql.expressions import exact, number
from rulegen.slo import burn_rate
from rulegen.slo.plan import pairs_of


def find(run: Run) -> Iterator[Finding]:
    for file, at, slo in run.slos:
        if slo.objective is None or slo.timeWindow is None:
            continue
        for pair in burn_rate.that_can_fire(pairs_of(slo), slo.objective)[1]:
            share = number(pair.threshold(burn_rate.budget(slo.objective)) * 100)
            message = (
                f"the burn rate {number(pair.factor)} over {pair.long} and {pair.short} is left out: at an "
                f"objective of {number(exact(slo.objective))}% it would need {share}% bad events"
            )
            yield Finding(file.document, (*at, "objective"), message)
