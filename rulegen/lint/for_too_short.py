"""An alert that a single evaluation raises."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.yamlfile import Duration
from rulegen.lint.finding import Finding, Lint, Location, Run

EVALUATIONS = 2


def _find(run: Run) -> Iterator[Finding]:
    interval = run.routing.spec.evaluationInterval
    least = Duration.of_seconds(EVALUATIONS * interval.seconds)
    once = f"one evaluation, such as one bad scrape, is enough; expected at least {least}, two evaluations"
    for file in run.specs.models:
        for index, slo in enumerate(file.spec.slos):
            for position, alert in enumerate(slo.alerts):
                at: Location = ("spec", "slos", index, "alerts", position)
                if alert.for_ is not None and alert.for_.seconds < least.seconds:
                    yield Finding(file.document, (*at, "for"), f"for {alert.for_} is short: {once}")
                elif alert.for_ is None and alert.breaches is None:
                    yield Finding(file.document, (*at, "name"), f"no for and no breaches: {once}")
                elif alert.for_ is None and alert.breaches is not None and alert.breaches.atLeast == 1:
                    message = f"one bad evaluation of the last {alert.breaches.ofLast} is enough; expected 2 or more"
                    yield Finding(file.document, (*at, "breaches", "atLeast"), message)


LINT = Lint("for-too-short", "warning", "An alert that a single evaluation raises.", _find)
