"""The models that one exporter watches."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from exporter.daemon.cycle import Cycle
from exporter.fold.version_schemas import VersionSchemas
from exporter.inbox import inbox_folder, inbox_path
from exporter.references.configured import load_static
from exporter.references.reference import Reference
from exporter.state import Store
from exporter.tasks import task_of
from mlslo.monitor import OTLP_PATH, Monitor, load
from mlslo.yamlfile import InputError, Problem

_LONGEST_NAME = 200


class PushedLog(NamedTuple):
    """A log that comes over HTTP: the ``path`` of its endpoint, its ``inbox``, the most bytes that wait there."""

    path: str
    inbox: Path
    most_bytes: int


@dataclass(frozen=True)
class Model:
    """A validated monitor file with its references, ready to be run."""

    monitor: Monitor
    references: dict[str, Reference]

    @property
    def name(self) -> str:
        return self.monitor.model

    @property
    def content(self) -> object:
        """Equal where nothing that matters has changed."""
        return self.monitor.file, {name: reference.hash for name, reference in self.references.items()}

    def state_file(self, state_directory: Path) -> Path:
        """Return the path of the model's state file."""
        name = quote(self.name, safe="")
        if len(name) > _LONGEST_NAME:
            # Any file system takes it: letters beyond ASCII are six characters each.
            name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(self.name.encode()).hexdigest()[:16]}"
        return state_directory / f"{name}.sqlite"

    def pushed_logs(self, state_directory: Path) -> list[PushedLog]:
        """Return the logs whose records are sent to the exporter."""
        folder = inbox_folder(self.state_file(state_directory))
        return [
            PushedLog(sink.path, inbox_path(folder, log), sink.maxBytes)
            for log, sink in self.monitor.pushed().items()
        ]

    def cycle(self, store: Store) -> Cycle:
        """Return the cycle of the model over ``store``. Raises StoreError where what is in it is damaged."""
        return Cycle(self.monitor, self.references, store)

    def open(self, state_directory: Path | None) -> Cycle:
        """Raises StoreError where the state file cannot be used; ``RecoveringCycle`` does something about it."""
        store = Store(None if state_directory is None else self.state_file(state_directory))
        try:
            return self.cycle(store)
        except BaseException:
            store.close()
            raise


def load_all(paths: Sequence[Path]) -> list[Model]:
    """Validate monitor files with all that they refer to.

    Raises InputError with the problems of all files; also where two are of one model, or read standard input.
    """
    models: dict[str, Model] = {}
    problems: list[Problem] = []
    reader: str | None = None
    pushed: list[tuple[str, str]] = []
    for path in paths:
        try:
            monitor = load(path)
            references = load_static(monitor)
            VersionSchemas(monitor, task_of(monitor.spec, references), references)
        except InputError as error:
            problems += error.problems
            continue
        if monitor.model in models:
            other = models[monitor.model].monitor.document.path
            message = f"model '{monitor.model}' is already monitored by {other}"
            problems.append(monitor.document.problem(("metadata", "name"), message))
        if places := monitor.standard_input():
            if reader is not None:
                message = f"standard input is read by model '{reader}' already; expected a file"
                problems.append(monitor.document.problem(places[0], message))
            reader = monitor.model
        for log, sink in monitor.pushed().items():
            if taken := next((model for path, model in pushed if _collide(path, sink.path)), None):
                message = (
                    f"events pushed to {sink.path} are of model '{taken}' already; expected another path"
                )
                problems.append(monitor.document.problem(("spec", log, "sink", "push", "path"), message))
        pushed += [(sink.path, monitor.model) for sink in monitor.pushed().values()]
        models[monitor.model] = Model(monitor, references)
    if problems:
        raise InputError(problems)
    return list(models.values())


def without_skew(model: Model) -> Model:
    """Return ``model`` without its log of offline features."""
    changed = model.monitor.spec.model_copy(update={"skew": None})
    monitor = Monitor(model.monitor.document, model.monitor.file.model_copy(update={"spec": changed}))
    return replace(model, monitor=monitor)


def _collide(one: str, other: str) -> bool:
    """Return whether two push paths are the same, or one of them the other's for OTLP."""
    return one == other or one == f"{other}{OTLP_PATH}" or other == f"{one}{OTLP_PATH}"
