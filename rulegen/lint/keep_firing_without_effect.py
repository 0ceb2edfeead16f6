"""A `keepFiringFor` that ends before the next evaluation."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run


def find(run: Run) -> Iterator[Finding]:
    interval = run.routing.spec.evaluationInterval
    for document, at, alert in run.gauge_alerts:
        kept = alert.keepFiringFor
        if kept is not None and kept.seconds < interval.seconds:
            message = f"keepFiringFor {kept} has no effect: the next evaluation is {interval} later"
            yield Finding(document, (*at, "keepFiringFor"), message)
