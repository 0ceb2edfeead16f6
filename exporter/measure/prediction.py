"""Prediction gauges: what the model answers, before anybody knows the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exporter.measure.data import withheld
from exporter.measure.drift import compare, noise
from exporter.measure.gauges import Gauges
from exporter.measure.reasons import Reason
from exporter.measure.window_frame import WindowFrame
from exporter.references.reference import CategoricalReference, Reference, ViewReference
from exporter.statistics.repetition import top_value_ratio
from exporter.summary.base import Summary
from exporter.summary.numeric import NumericSummary
from exporter.tasks.binary import BinaryTask
from exporter.tasks.task import Task

MOST_SHOWN = 200
"""Of more classes none has a series of its own."""

_OF_SCORES = ("psi", "ks_statistic", "js_distance", "wasserstein_distance")
_OF_CLASSES = ("psi", "js_distance")


def measure(frame: WindowFrame, gauges: Gauges, task: Task, *, has_fallback: bool) -> None:
    """Classes, scores, certainty and drift of the answers."""
    score: NumericSummary = frame.traffic["score"]
    means = frame.traffic["means"]
    if len(task.classes) > MOST_SHOWN:
        gauges.withhold("ml_prediction_class_ratio", Reason.TOO_MANY_CLASSES, **frame.labels)
    elif task.classes:
        counts = frame.traffic["classes"]
        for name, number in zip(task.classes, counts.counts, strict=True):
            ratio = float(number) / counts.present if counts.present else None
            enough = frame.enough(counts.present)
            gauges.set_if(enough, "ml_prediction_class_ratio", ratio, **frame.labels, **{"class": name})
    _top_value(frame, gauges, task)
    if task.scored:
        enough, present = frame.enough(score.present), score.present
        gauges.set_if(enough, "ml_prediction_mean", score.mean, **frame.labels)
        deviation = float(np.sqrt(score.variance)) if present else None
        gauges.set_if(enough, "ml_prediction_stddev", deviation, **frame.labels)
        if task.classes:
            for name in ("confidence", "entropy"):
                enough = frame.enough(means.present(name))
                gauges.set_if(enough, f"ml_prediction_{name}_mean", means.mean(name), **frame.labels)
    if has_fallback:
        enough = frame.enough(means.present("fallback"))
        gauges.set_if(enough, "ml_prediction_fallback_ratio", means.mean("fallback"), **frame.labels)
    _drift(frame, gauges, task)
    _support(frame, gauges)


def _top_value(frame: WindowFrame, gauges: Gauges, task: Task) -> None:
    name, score = "ml_prediction_top_value_ratio", frame.traffic["score"]
    if task.scored or not task.classes:
        repetition = frame.traffic["repetition"]
        constant = bool(score.minimum == score.maximum) if task.scored else True
        if _is_multiclass(task):
            constant = constant and int(np.count_nonzero(frame.traffic["classes"].counts)) <= 1
        enough = frame.enough(float(repetition.counts.sum()))
        gauges.set_if(enough, name, top_value_ratio(repetition, constant=constant), **frame.labels)
        return
    counts = frame.traffic["classes"]
    ratio = float(counts.counts.max()) / counts.present if counts.present else None
    gauges.set_if(frame.enough(counts.present), name, ratio, **frame.labels)


def _drift(frame: WindowFrame, gauges: Gauges, task: Task) -> None:
    """Of the score; of the class where that is what the model answers."""
    by_class = bool(task.classes) and (not task.scored or _is_multiclass(task))
    part = "classes" if by_class else "score"
    statistics = _OF_CLASSES if by_class else _OF_SCORES
    if part not in frame.traffic or not (by_class or task.scored):
        return
    current: Summary = frame.traffic[part]
    known = [
        _classes(reference, task) if by_class else reference.score for reference in frame.static.values()
    ]
    fixed = next((bins for bins in known if bins is not None), None)
    compared: list[tuple[str, ViewReference | None, Summary | None]] = [
        (name, bins, None) for name, bins in zip(frame.static, known, strict=True)
    ]
    compared += [(name, fixed, past[part]) for name, past in frame.past.items()]
    for name, bins, past in compared:
        labels = {**frame.labels, "reference": name}
        reason = withheld(frame, current, bins, past)
        if reason is not None or bins is None:
            for statistic in statistics:
                gauges.withhold(f"ml_prediction_{statistic}", reason or Reason.NOT_IN_REFERENCE, **labels)
            continue
        values = compare(current, bins, past).values
        levels = {} if frame.segment else noise(current, bins, past)
        for statistic in statistics:
            gauges.set(f"ml_prediction_{statistic}", values[statistic], **labels)
            if statistic in levels:
                level = levels[statistic]
                gauges.set("ml_prediction_drift_noise_level", level, **labels, statistic=statistic)
    for name, reason in frame.absent.items():
        for statistic in statistics:
            gauges.withhold(f"ml_prediction_{statistic}", reason, **frame.labels, reference=name)


def _is_multiclass(task: Task) -> bool:
    return bool(task.classes) and not isinstance(task, BinaryTask)


def _classes(reference: Reference, task: Task) -> CategoricalReference | None:
    """The predicted classes of a reference, by the names that the task has for them."""
    found = reference.classes
    if found is None or _is_multiclass(task):
        return found
    return CategoricalReference(replace(found.summary, categories=task.classes))


def _support(frame: WindowFrame, gauges: Gauges) -> None:
    name = "ml_prediction_out_of_distribution_ratio"
    if "support" not in frame.traffic or not frame.schema.binnings:
        return
    support = frame.traffic["support"]
    rows = float(support.rows)
    for reference, outside in zip(support.references, support.outside, strict=True):
        ratio = float(outside) / rows if rows else None
        gauges.set_if(frame.enough(rows), name, ratio, **frame.labels, reference=reference)
