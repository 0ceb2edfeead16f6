"""The case of a gauge that is averaged over replicas by how many predictions each rests on."""

from __future__ import annotations

from decimal import Decimal

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import SLO
from rulegen.promql.expressions import OneOf
from rulegen.sli.gauge import GaugeSeries
from rulegen.unittests.case import GONE, NAN, Case
from rulegen.unittests.scraped import labels_of, of_pod, rows


def case(series: GaugeSeries, interval: Duration) -> Case:
    """(300 x 0.75 + 100 x 0.25) / 400, beside replicas that do not count; then none that does."""
    # Of several values that a label may have, one that the number of predictions does not have.
    last = {label: words.words[-1] for label, words in series.matchers.items() if isinstance(words, OneOf)}
    labels = {**series.example, **labels_of(series), **last}
    found = Case(f"Records of {series.slo}: replicas weigh as many predictions as they have", interval, [])
    for pod, value, many in (
        ("a", "0.75", "300"),
        ("b", "0.25", "100"),
        # Withholds the gauge, has NaN, has no predictions, is not counted.
        ("withheld", None, "5000"),
        ("nan", "NaN", "5000"),
        ("none", "0.125", "0"),
        ("uncounted", "0.125", None),
    ):
        count = 1 if pod in ("a", "b") else 2
        if value is not None:
            sample = NAN if value == "NaN" else Decimal(value)
            found.series.append(of_pod(series, labels, pod, [sample] * count + [GONE] * (2 - count)))
        if many is not None:
            found.series.append(rows(series, labels, pod, [Decimal(many)] * count + [GONE] * (2 - count)))
    recorded = f"{series.expression} + 0"
    found.gives(0, recorded, [({**labels_of(series), SLO: series.slo}, Decimal("0.625"))])
    found.gives(1, recorded, [])
    return found
