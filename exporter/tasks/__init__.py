"""What a model answers and what its labels are, one task a file."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.monitor import Spec
from exporter.reference import Reference
from exporter.tasks.binary import BinaryTask
from exporter.tasks.multiclass import MulticlassTask
from exporter.tasks.ranking import RankingTask
from exporter.tasks.regression import RegressionTask
from exporter.tasks.task import Task


def task_of(spec: Spec, references: Mapping[str, Reference]) -> Task:
    """The task of a monitor file; classes that it does not list are those of the static references."""
    match spec.task:
        case "binary":
            return BinaryTask(spec)
        case "regression":
            return RegressionTask(spec)
        case "ranking":
            return RankingTask(spec)
    known = {
        category
        for reference in references.values()
        if reference.classes is not None
        for category in reference.classes.summary.categories
    }
    return MulticlassTask(spec, tuple(spec.predictions.classes or sorted(known)))
