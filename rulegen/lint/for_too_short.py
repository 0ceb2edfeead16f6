"""An alert that one evaluation, or two, raise."""

from collections.abc import Iterator

from mlslo.yamlfile import Duration
from rulegen.lint.finding import Finding, Run

# Of `for`. Prometheus asks after each evaluation whether it has lasted so long since the first, so that one interval,
# or half of one, takes two evaluations, and two intervals, or one and a half, three.
EVALUATIONS = 2


def find(run: Run) -> Iterator[Finding]:
    interval = run.routing.spec.evaluationInterval
    least = Duration.of_seconds(EVALUATIONS * interval.seconds)
    wanted = f"expected at least {least}, which takes three"
    once = f"one bad evaluation, such as of one bad scrape, is enough; {wanted}"
    for document, at, alert in run.gauge_alerts:
        if alert.for_ is not None and alert.for_.seconds <= (EVALUATIONS - 1) * interval.seconds:
            message = f"for {alert.for_} is short: two bad evaluations in a row are enough; {wanted}"
            yield Finding(document, (*at, "for"), message)
        elif alert.for_ is None and alert.breaches is None:
            yield Finding(document, (*at, "name"), f"no for and no breaches: {once}")
        elif alert.for_ is None and alert.breaches is not None and alert.breaches.atLeast == 1:
            message = f"one bad evaluation of the last {alert.breaches.ofLast} is enough; expected 2 or more"
            yield Finding(document, (*at, "breaches", "atLeast"), message)
