"""A `keepFiringFor` that ends before the next evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run


def find(run: Run) -> Iterator[Finding]:
    interval = run.routing.spec.evaluationInterval
    for file in run.specs.models:
        for index, slo in enumerate(file.spec.slos):
            for position, alert in enumerate(slo.alerts):
                kept = alert.keepFiringFor
                if kept is not None and kept.seconds < interval.seconds:
                    message = f"keepFiringFor {kept} has no effect: the next evaluation is {interval} later"
                    at = ("spec", "slos", index, "alerts", position, "keepFiringFor")
                    yield Finding(file.document, at, message)
