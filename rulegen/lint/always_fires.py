"""An alert that every value of its gauge raises."""

from __future__ import annotations

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Lint, Location, Run
from rulegen.lint.holds import limit, must_hold
from rulegen.lint.ranges import possible, words
from rulegen.spec import THRESHOLDS


def _find(run: Run) -> Iterator[Finding]:
    for model in run.models:
        file = model.file
        for index, planned in enumerate(model.plan.slos):
            if planned.series is None:
                continue
            slo, metric = planned.slo, planned.series.metric
            at: Location = ("spec", "slos", index)
            values = possible(metric)
            for position, alert in enumerate(slo.alerts):
                if must_hold(alert.when, values) >= values:
                    message = f"it always fires: {metric.name} is {words(values)}"
                    yield Finding(file.document, (*at, "alerts", position, "when"), message)
            good = limit(slo.good) if slo.good is not None else None
            if slo.good is not None and good is not None and not good & values:
                key = next(key for key in THRESHOLDS if getattr(slo.good, key) is not None)
                message = (
                    f"no evaluation is ever good: {metric.name} is {words(values)}; the budget always burns"
                )
                yield Finding(file.document, (*at, "good", key), message)


LINT = Lint("always-fires", "error", "An alert that every value of its gauge raises.", _find)
