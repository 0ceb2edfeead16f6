"""Prediction gauges: what the model answers, before anybody knows the truth."""

from __future__ import annotations

import numpy as np

from exporter.measure.drift import NUMERIC, OF_SCORES, NumericPair
from exporter.measure.frame import WindowFrame
from exporter.measure.gauges import Gauges
from exporter.reference import NumericReference
from exporter.statistics.repetition import top_value_ratio
from exporter.summary.numeric import NumericSummary


def measure(frame: WindowFrame, gauges: Gauges, *, classes: tuple[str, str] | None, has_score: bool) -> None:
    """``classes``: names of the negative and the positive class, None where the task has no classes."""
    score: NumericSummary = frame.traffic["score"]
    counts = frame.traffic["classes"]
    if classes is not None:
        for name, count in zip(classes, counts.counts, strict=True):
            _set(frame, gauges, "ml_prediction_class_ratio", counts.present, float(count), **{"class": name})
    top = "ml_prediction_top_value_ratio"
    if not has_score:
        _set(frame, gauges, top, counts.present, float(counts.counts.max()))
        return
    if frame.enough(score.present):
        gauges.set("ml_prediction_mean", score.mean, **frame.labels)
        gauges.set("ml_prediction_stddev", float(np.sqrt(score.variance)), **frame.labels)
        constant = bool(score.minimum == score.maximum)
        gauges.set(top, top_value_ratio(frame.traffic["repetition"], constant=constant), **frame.labels)
    else:
        gauges.withhold("ml_prediction_mean", "too_few_samples", **frame.labels)
        gauges.withhold("ml_prediction_stddev", "too_few_samples", **frame.labels)
        gauges.withhold(top, "too_few_samples", **frame.labels)
    _drift(frame, gauges, score)


def _set(frame: WindowFrame, gauges: Gauges, name: str, rows: float, part: float, **labels: str) -> None:
    if frame.enough(rows):
        gauges.set(name, part / rows, **frame.labels, **labels)
    else:
        gauges.withhold(name, "too_few_samples", **frame.labels, **labels)


def _drift(frame: WindowFrame, gauges: Gauges, score: NumericSummary) -> None:
    known = [reference.score for reference in frame.static.values() if reference.score is not None]
    compared: list[tuple[str, NumericReference | None, NumericSummary | None]] = [
        (name, reference.score, None) for name, reference in frame.static.items()
    ]
    compared += [(name, known[0] if known else None, past["score"]) for name, past in frame.sliding.items()]
    for name, bins, past in compared:
        labels = {**frame.labels, "reference": name}
        for statistic in OF_SCORES:
            gauge = f"ml_prediction_{statistic}"
            if bins is None:
                gauges.withhold(gauge, "not_in_reference", **labels)
            elif not frame.enough(score.present):
                gauges.withhold(gauge, "too_few_samples", **labels)
            elif past is not None and not frame.enough(past.present):
                gauges.withhold(gauge, "reference_too_small", **labels)
            else:
                gauges.set(
                    gauge, NUMERIC[statistic](NumericPair(score, past or bins.summary, bins)), **labels
                )
