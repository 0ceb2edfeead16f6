"""Tasks: what a model's outputs and its labels are, one task a file.

From outside: ``task_of``, ``Task``, and the columns ``Outputs`` and ``Labelled``. A new task is a file with a ``Task``
and a line in ``TASKS``, beside its name in ``Spec.task`` of the monitor file.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.references.reference import Reference
from exporter.tasks.binary import BinaryTask
from exporter.tasks.multiclass import MulticlassTask
from exporter.tasks.multilabel import MultilabelTask
from exporter.tasks.ranking import RankingTask
from exporter.tasks.regression import RegressionTask
from exporter.tasks.task import Labelled, Outputs, Task
from mlslo.monitor import Spec

__all__ = ["Labelled", "Outputs", "Task", "task_of"]

TASKS: dict[str, type[Task]] = {
    "binary": BinaryTask,
    "multiclass": MulticlassTask,
    "multilabel": MultilabelTask,
    "ranking": RankingTask,
    "regression": RegressionTask,
}


def task_of(spec: Spec, references: Mapping[str, Reference]) -> Task:
    """Return the task of a monitor file; classes that it does not list are those of the static references."""
    return TASKS[spec.task](spec, references)
