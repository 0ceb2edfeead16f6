"""A gauge that is withheld at the expected traffic."""

import math
from collections.abc import Iterator

from mlslo.catalogue import METRICS, Layer
from rulegen.lint.finding import Finding, Run
from rulegen.promql.expressions import exact, number

# Exported whatever the number of rows.
_ALWAYS = ("ml_predictions_per_second",)


def find(run: Run) -> Iterator[Finding]:
    for file, at, slo in run.slos:
        expected, monitor, gauge = file.spec.expected, run.monitor(file.model), slo.sli.gauge
        if expected is None or monitor is None or gauge is None or gauge.window is None:
            continue
        metric = METRICS[gauge.metric]
        if metric.layer is Layer.META or metric.name in _ALWAYS or "window" not in metric.labels:
            continue
        least, rows = (
            monitor.spec.minSamples,
            math.floor(expected.predictionsPerSecond * gauge.window.seconds),
        )
        if rows < least:
            message = (
                f"over {gauge.window} there are {rows} rows at {number(exact(expected.predictionsPerSecond))} "
                f"predictions per second, minSamples of {monitor.path.name} is {least}: the gauge is withheld"
            )
            yield Finding(file.document, (*at, "sli", "gauge", "window"), message)
