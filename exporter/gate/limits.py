"""Limits of ModelSLO files, by the gauges of a batch."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping

from exporter.gate.batch import Batch
from exporter.gate.verdict import Check, NotJudged, cut
from mlslo.catalogue import METRICS, Layer
from mlslo.limits import Limit

_ERRORS = 2
"""Standard errors of ``beyondNoise``, as the generator has them."""
_LAYERS = (Layer.DATA, Layer.PREDICTION, Layer.OUTCOME, Layer.FAIRNESS)
_COMPARE = {"above": operator.gt, "below": operator.lt, "atLeast": operator.ge, "atMost": operator.le}
_GOOD = {"above": "at most", "below": "at least", "atLeast": "below", "atMost": "above"}
Labels = Mapping[str, str]


def of_slos(batch: Batch, limits: list[Limit]) -> Iterator[Check | NotJudged]:
    """Judge the gauges of the batch by the conditions of ModelSLO files, whatever their windows.

    A condition that needs time, or a gauge that the batch has not, is not judged, with its reason.
    """
    for limit in limits:
        reason = limit.notJudged or _unlike_batch(batch, limit)
        series = [] if reason else _series(batch, limit)
        if not series:
            reason, where = reason or _withheld(batch, limit), limit.metric or limit.slo
            yield NotJudged(what=limit.name, where=where, reason=reason, source=limit.source)
        is_one = limit.series is None and limit.seriesRatio is None
        versions: dict[str, list[tuple[bool, str, str]]] = {}
        for labels, value in series:
            bad, good = _beyond(batch, limit, labels, value)
            where = f"{limit.metric} {_own(limit, labels)}".strip()
            if bad is None:
                yield NotJudged(what=limit.name, where=where, reason=good, source=limit.source)
            elif is_one:
                yield _check(limit, where, good, f"{value:.6g}", passed=not bad)
            else:
                own = _own(limit, labels, "version")
                versions.setdefault(labels.get("version", ""), []).append((bad, own, good))
        for version, judged in versions.items():
            several = [own for bad, own, _ in judged if bad]
            least = limit.series if limit.series is not None else (limit.seriesRatio or 0.0) * len(judged)
            expected = f"fewer than {least:.4g} of {len(judged)} not {judged[0][2]}"
            found = f"{len(several)}: {cut(', '.join(several))}" if several else "0"
            passed = not several or len(several) < least
            yield _check(limit, f"{limit.metric} {version}".strip(), expected, found, passed=passed)


def _unlike_batch(batch: Batch, limit: Limit) -> str | None:
    metric = METRICS.get(limit.metric or "")
    if metric is None:
        return "no gauge of this version of mlslo"
    if metric.layer not in _LAYERS:
        return f"a gauge of the {metric.layer.value} layer, which is of traffic and not of a batch"
    if limit.reference is not None and limit.reference not in batch.monitor.spec.references:
        return f"reference '{limit.reference}' is no static reference that is judged here"
    return None


def _series(batch: Batch, limit: Limit) -> list[tuple[dict[str, str], float]]:
    wanted = dict(limit.labels)
    if limit.reference is not None and "reference" in METRICS[limit.metric or ""].labels:
        wanted["reference"] = limit.reference
    return [
        (labels, value)
        for labels, value in batch.snapshot.having(limit.metric or "")
        if all(
            labels.get(name) in ([known] if isinstance(known, str) else known)
            for name, known in wanted.items()
        )
    ]


def _withheld(batch: Batch, limit: Limit) -> str:
    """Say why the gauge is not there, as `ml_gauge_withheld` does."""
    found = batch.snapshot.having("ml_gauge_withheld", gauge=limit.metric or "")
    reasons = sorted({labels["reason"] for labels, number in found if number})
    return f"withheld: {', '.join(reasons)}" if reasons else "the batch has no such gauge"


def _own(limit: Limit, labels: Labels, *others: str) -> str:
    """Name a series by what tells it apart from the others of the gauge."""
    common = ("model", "window", "reference", *limit.labels, *others)
    return " ".join(value for name, value in labels.items() if name not in common and value)


def _beyond(batch: Batch, limit: Limit, labels: Labels, value: float) -> tuple[bool | None, str]:
    """Return whether a value is bad, and what was expected; None, and why nothing tells."""
    assert limit.comparison is not None
    assert limit.threshold is not None
    bound, noise = limit.threshold, ""
    key = {"aboveReference": "above", "belowReference": "below"}.get(limit.comparison, limit.comparison)
    if key != limit.comparison:
        chosen = {**labels, **({"reference": limit.reference} if limit.reference else {})}
        reference = _other(batch, f"{limit.metric}_reference", chosen, max if key == "above" else min)
        if reference is None:
            return None, "the reference has no such figure"
        bound = max(bound * reference, limit.floor or 0.0) if key == "above" else bound * reference
    elif limit.beyondNoise:
        error = _other(batch, f"{limit.metric}_standard_error", labels, max) or 0.0
        value += _ERRORS * error * (-1 if key in ("above", "atLeast") else 1)
        noise = f", by {_ERRORS} × {error:.3g}"
    return _COMPARE[key](value, bound), f"{_GOOD[key]} {bound:.6g}{noise}"


def _other(batch: Batch, metric: str, labels: Labels, worst: Callable[[list[float]], float]) -> float | None:
    """Return the value of another gauge with the same labels, where it has them; the worst of several."""
    values = [value for _, value in batch.snapshot.having(metric, **labels)] if metric in METRICS else []
    return worst(values) if values else None


def _check(limit: Limit, where: str, expected: str, found: str, *, passed: bool) -> Check:
    return Check(
        what=limit.name, where=where, expected=expected, found=found, passed=passed, source=limit.source
    )
