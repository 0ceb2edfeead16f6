"""What a model answers and what its labels are, one task a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from exporter.references.reference import CategoricalReference, Reference
from exporter.tasks.task import Task
from mlslo.monitor import Spec


def task_of(spec: Spec, references: Mapping[str, Reference]) -> Task:
    """The task of a monitor file; classes that it does not list are those of the static references."""
    match spec.task:
        case "binary":
            from exporter.tasks.binary import BinaryTask

            return BinaryTask(spec)
        case "regression":
            from exporter.tasks.regression import RegressionTask

            return RegressionTask(spec)
        case "ranking":
            from exporter.tasks.ranking import RankingTask

            return RankingTask(spec)
    from exporter.tasks.multiclass import MulticlassTask, distinct_classes

    given = spec.predictions.classes
    return MulticlassTask(spec, distinct_classes(given if given else sorted(_known(references))))


def _known(references: Mapping[str, Reference]) -> Iterator[str]:
    """Classes that were predicted, that were labels, or that had a probability: a rare one is seldom all of them."""
    for reference in references.values():
        for counted in (reference.classes, reference.labels):
            if isinstance(counted, CategoricalReference):
                yield from counted.summary.categories
        yield from reference.class_calibration
