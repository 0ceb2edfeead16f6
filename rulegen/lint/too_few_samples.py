"""A gauge that is withheld at the expected traffic."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mlslo.catalogue import METRICS, Layer
from rulegen.lint.finding import Finding, Run
from rulegen.promql.expressions import exact, number

# These are told whatever the number of rows.
_TOLD = ("ml_predictions_per_second",)


def find(run: Run) -> Iterator[Finding]:
    for file in run.specs.models:
        expected, monitor = file.spec.expected, run.monitor(file.model)
        if expected is None or monitor is None:
            continue
        least, name = monitor.spec.minSamples, monitor.path.name
        for index, slo in enumerate(file.spec.slos):
            gauge = slo.sli.gauge
            metric = METRICS.get(gauge.metric) if gauge else None
            if gauge is None or metric is None or gauge.window is None:
                continue
            if metric.layer is Layer.META or metric.name in _TOLD or "window" not in metric.labels:
                continue
            rows = math.floor(expected.predictionsPerSecond * gauge.window.seconds)
            if rows < least:
                message = (
                    f"over {gauge.window} there are {rows} rows at {number(exact(expected.predictionsPerSecond))} "
                    f"predictions per second, minSamples of {name} is {least}: the gauge is withheld"
                )
                yield Finding(file.document, ("spec", "slos", index, "sli", "gauge", "window"), message)
