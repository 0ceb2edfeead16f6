"""Tests of the alert that too many features are not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import FEATURES_UNMONITORED
from rulegen.slo.companions import Companion
from rulegen.slo.companions.features import (
    EXPECTED,
    FEATURE,
    MISSING,
    MONITORED,
    PREDICTIONS,
    VERSION,
    in_service,
    share,
)
from rulegen.slo.plan import Plan
from rulegen.unittests.alertstate import evaluations
from rulegen.unittests.companions import pods
from rulegen.unittests.companions.told import Told, proof
from rulegen.unittests.timeline import GONE, InputSeries, Sample, expanded

_ALL, _FEW, _NAN = Decimal(10_000), Decimal(0), Decimal("NaN")


def unmonitored(plan: Plan, companion: Companion, interval: Duration) -> dict[str, Any]:
    """One of two pods: just enough features, too few nearly for long enough, with a gap, for long enough; then
    NaN, and gone for good while they are too few.

    Then version 1, which is retired, for as long as it is held to be in service. Version 3 has just begun, a
    short window has less: they do not count.
    """
    assert plan.file.spec.companions is not None
    assert plan.file.spec.companions.unmonitored is not None
    wait = evaluations(companion.demand.after, interval)
    limit = share(plan.file.spec.companions.unmonitored.atLeastRatio) * _ALL
    few = limit.to_integral_value(rounding="ROUND_FLOOR")
    found: list[tuple[Sample, int]] = [(few + 1, 2), (few, wait), (few + 1, 1), (few, wait), (GONE, 1)]
    ends: list[tuple[Sample, int]] = [(few, 1), (_NAN, 1), (few, 1), (GONE, 2)]
    counts = expanded([*found, (few, wait + 1), (_ALL, 1), *ends])
    # The other version predicts once, so that it is in service until the end of all this.
    lasts = evaluations(in_service(interval), interval)
    began = max(1, len(counts) + wait + 1 - lasts)
    ended = began + lasts
    # Versions of Prometheus differ in whether it still is at the evaluation after: there it has all.
    retired = expanded([(_ALL, ended - 1 - wait), (_FEW, wait + 1), (_ALL, 1), (_FEW, 2)])
    size = len(retired)
    counts += [GONE] * (size - len(counts))

    def gauge(name: str, pod: str, samples: Sequence[Sample], labels: Mapping[str, str]) -> InputSeries:
        return pods.series(plan, name, pod, samples, labels)

    given: list[InputSeries] = []
    for pod, samples in (("1", counts), ("2", [_ALL] * size)):
        given.append(gauge(EXPECTED, pod, [_ALL] * size, {}))
        missing = Decimal(1) if pod == "1" else Decimal(0)
        for version, window, monitored in (
            ("2", "1d", samples),
            ("2", "1h", [count if count is None or count.is_nan() else Decimal(0) for count in samples]),
            ("1", "1d", retired),
            ("3", "1d", [Decimal(0)] * size),
        ):
            labels = {VERSION: version, "window": window}
            given.append(gauge(MONITORED, pod, monitored, labels))
            if version != "3":
                given.append(gauge(MISSING, pod, [missing] * size, {**labels, FEATURE: "amount"}))
                given.append(gauge(MISSING, pod, [Decimal("0.5")] * size, {**labels, FEATURE: "age"}))
        # Segments of a new version with rows enough, were there any, do not make all of it large enough.
        for segment in ({"segment": "sex"}, {"segment_value": "1"}):
            labels = {VERSION: "3", "window": "1d", FEATURE: "amount", **segment}
            given.append(gauge(MISSING, pod, [Decimal(0)] * size, labels))
        served: dict[str, list[Sample]] = {
            "1": [*[GONE] * began, Decimal(1000), *[Decimal(1001)] * (size - began - 1)],
            "2": [1000 + now * Decimal("0.01") for now in range(size)],
            "3": [Decimal(1000 + now) for now in range(size)],
        }
        for version, total in served.items():
            predicted = gauge(PREDICTIONS, pod, total, {VERSION: version})
            given.append(predicted)
            # Another model's version of that name does predict.
            given.append(pods.of_another(predicted, [Decimal(1000 + now) for now in range(size)]))
    given += [
        pods.of_another(gauge(EXPECTED, "1", [], {}), [_ALL] * size),
        pods.of_another(gauge(MONITORED, "1", [], {VERSION: "2", "window": "1d"}), [Decimal(0)] * size),
        pods.of_another(
            gauge(MISSING, "1", [], {VERSION: "2", "window": "1d", FEATURE: "amount"}), [Decimal(1)] * size
        ),
    ]
    told = []
    for version, own in (("1", retired), ("2", counts)):
        known = [_ALL if count is None or count.is_nan() else count for count in own]
        held = [count <= limit for count in known]
        if version == "1":
            held = [holds and began < now < ended for now, holds in enumerate(held)]
        members = [({FEATURE: "amount", VERSION: version}, 1.0)]
        values = [float(count / _ALL) for count in known]
        told.append(Told(companion.rule, held, values, {VERSION: version}, members))
    name = (
        f"{FEATURES_UNMONITORED}: fires once one pod measures too few features for {companion.demand.after}"
    )
    return proof(name, interval, given, told, FEATURES_UNMONITORED)
