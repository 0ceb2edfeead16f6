"""An alert that every value of its gauge raises."""

from collections.abc import Iterator

from mlslo.yamlfile import Location
from rulegen.lint.finding import Finding, Run
from rulegen.lint.holds import may_hold, must_hold
from rulegen.sli.metric_ranges import possible


def find(run: Run) -> Iterator[Finding]:
    for model in run.models:
        for index, planned in enumerate(model.slos):
            if planned.series is None:
                continue
            at: Location = ("spec", "slos", index)
            metric, values, good = planned.series.metric, possible(planned.series.metric), planned.slo.good
            for place, alert in planned.slo.placed_alerts(at):
                if must_hold(alert.when, values):
                    message = f"it always fires: {metric.name} is {values}"
                    yield Finding(model.file.document, (*place, "when"), message)
            if good is not None and not may_hold(good, values):
                message = f"no evaluation is ever good: {metric.name} is {values}; the budget always burns"
                yield Finding(model.file.document, (*at, "good", good.key), message)
