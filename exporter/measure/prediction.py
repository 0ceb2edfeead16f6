"""Prediction gauges: what the model predicts, before anybody knows the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from exporter.features.binning import CategoricalBinning
from exporter.measure import drift, multilabel
from exporter.measure.gauges import Reason, WindowSummaries
from exporter.references.reference import Reference, ViewReference
from exporter.statistics.hashed_counts import top_value_ratio
from exporter.summary.base import ratio
from exporter.tasks.binary import BinaryTask
from exporter.tasks.task import Task

MOST_SHOWN = 200
"""Of more classes none has a series of its own."""

OF_SCORES = ("psi", "ks_statistic", "js_distance", "wasserstein_distance")
_OF_CLASSES = ("psi", "js_distance")


def export(window: WindowSummaries) -> None:
    """Export classes, scores, confidence and drift of the predictions; nothing where neither is logged."""
    task, fields = window.task, window.spec.predictions.fields
    if fields.score is None and fields.prediction is None:
        return
    score, means = window.traffic["score"], window.traffic["means"]
    if len(task.classes) > MOST_SHOWN:
        window.withhold("ml_prediction_class_ratio", Reason.TOO_MANY_CLASSES)
    elif task.classes:
        counts = window.traffic["classes"]
        for name, number in zip(task.classes, counts.counts, strict=True):
            share = ratio(number, counts.present)
            window.set("ml_prediction_class_ratio", share, counts.present, **{"class": name})
    elif "label sets" in window.traffic:
        multilabel.export_sets(window, "ml_prediction", window.traffic["label sets"])
    _top_value(window)
    if task.scored:
        window.set("ml_prediction_mean", score.mean, score.present)
        window.set("ml_prediction_stddev", float(np.sqrt(score.variance)), score.present)
        if task.classes:
            for name in ("confidence", "entropy"):
                window.set(f"ml_prediction_{name}_mean", means.mean(name), means.present(name))
    if fields.fallback is not None:
        window.set("ml_prediction_fallback_ratio", means.mean("fallback"), means.present("fallback"))
    _drift(window)
    if "support" in window.traffic and window.schema.binnings:
        support = window.traffic["support"]
        for reference, outside in zip(support.references, support.outside, strict=True):
            share = ratio(outside, support.rows)
            window.set("ml_prediction_out_of_distribution_ratio", share, support.rows, reference=reference)


def _top_value(window: WindowSummaries) -> None:
    name, score, task = "ml_prediction_top_value_ratio", window.traffic["score"], window.task
    if task.scored or not task.classes:
        repetition = window.traffic["repetition"]
        constant = bool(score.minimum == score.maximum) if task.scored else True
        if _is_multiclass(task):
            constant = constant and int(np.count_nonzero(window.traffic["classes"].counts)) <= 1
        value = top_value_ratio(repetition, constant=constant)
        window.set(name, value, repetition.counts.sum())
    else:
        counts = window.traffic["classes"]
        window.set(name, ratio(counts.counts.max(), counts.present), counts.present)


def _drift(window: WindowSummaries) -> None:
    """Of the score; of the class where that is what the model predicts."""
    found = compared_part(window)
    if found is not None:
        part, statistics, of_reference = found
        drift.export(window, "ml_prediction", part, statistics, of_reference)


def compared_part(
    window: WindowSummaries,
) -> tuple[str, tuple[str, ...], Callable[[Reference], ViewReference | None]] | None:
    """Return what drift of the predictions is measured on: the part, its statistics, and what a reference has of it."""
    task = window.task
    if "label sets" in window.traffic:
        return "label sets", _OF_CLASSES, lambda known: known.classes
    if task.classes and (not task.scored or _is_multiclass(task)):
        return "classes", _OF_CLASSES, lambda known: classes_of_reference(known, task)
    if task.scored:
        return "score", OF_SCORES, lambda known: known.score
    return None


def _is_multiclass(task: Task) -> bool:
    return bool(task.classes) and not isinstance(task, BinaryTask)


def classes_of_reference(reference: Reference, task: Task) -> ViewReference | None:
    """Return the predicted classes of a reference, by the names that the task has for them."""
    found = reference.classes
    if found is None or _is_multiclass(task):
        return found
    renamed = replace(found.summary, categories=task.classes)
    return replace(found, binning=CategoricalBinning(task.classes), summary=renamed)
