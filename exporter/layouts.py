"""The layouts of a model's versions: one for all, unless references are kept by version."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from exporter.features.kind import Kind
from exporter.frames.categorical import CategoricalFrame
from exporter.frames.frame import Frame
from exporter.layout import Layout
from exporter.monitor import Monitor, scope_name
from exporter.records import FeatureSet, Wanted
from exporter.reference import Reference
from exporter.references import load_of_version, of_versions
from exporter.tasks.task import Task
from exporter.yamlfile import InputError

logger = logging.getLogger(__name__)


class Layouts:
    """``segments``, ``attributes``: the names of what rows are split by; the latter for binary tasks only.

    ``revision`` changes whenever there is something new to decode.
    """

    def __init__(self, monitor: Monitor, task: Task, static: Mapping[str, Reference]) -> None:
        """``static``: the references that all versions share. Raises InputError where they contradict the file."""
        self._monitor = monitor
        self._task = task
        self._static = dict(static)
        self._shared = Layout(monitor, task, self._static)
        self._by_version: dict[str, Layout] = {}
        self._own: dict[str, dict[str, Reference]] = {}
        spec = monitor.spec
        self._names = [
            *of_versions(monitor),
            *(name for name, item in spec.references.items() if item.first is not None),
        ]
        attributes = spec.fairness.attributes if spec.fairness and len(task.classes) == 2 else []
        self._scopes = list({scope_name(paths): paths for paths in (*spec.segments, *attributes)}.values())
        self.segments = [scope_name(paths) for paths in spec.segments]
        self.attributes = [scope_name(paths) for paths in attributes]
        self.revision = 0
        try:
            self.wanted().expressions()
        except ValueError as error:
            raise monitor.document.error(("spec", "predictions", "fields"), str(error), key=True) from None

    def of(self, version: str) -> Layout:
        """The layout of a version by its name."""
        return self._by_version.get(version, self._shared)

    def all(self) -> list[Layout]:
        """Every layout once."""
        return [self._shared, *self._by_version.values()]

    def missing(self, version: str) -> list[str]:
        """References by version that ``version`` does not have."""
        own = self._own.get(version, {})
        return [name for name in self._names if name not in own]

    def refresh(self, versions: Iterable[str]) -> None:
        """Look for the references of ``versions`` that were not there before."""
        for version in versions:
            found = {}
            for name in self.missing(version):
                try:
                    reference = load_of_version(self._monitor, name, version)
                except InputError as error:
                    logger.warning("model %s: %s", self._monitor.model, error)
                    continue
                if reference is not None:
                    found[name] = reference
            if found:
                self.adopt(version, found)

    def adopt(self, version: str, references: Mapping[str, Reference]) -> None:
        """Take ``references`` as those of one version, beside the ones that it has."""
        own = {**self._own.get(version, {}), **references}
        order = {name: position for position, name in enumerate(self._monitor.spec.references)}
        merged = {**self._static, **own}
        try:
            layout = Layout(
                self._monitor,
                self._task,
                {name: merged[name] for name in sorted(merged, key=order.__getitem__)},
            )
        except InputError as error:
            logger.warning("model %s: version %s: %s", self._monitor.model, version, error)
            return
        self._own[version] = own
        self._by_version[version] = layout
        self.revision += 1

    def wanted(self) -> Wanted:
        """What is wanted of a prediction record: all that any layout counts."""
        return Wanted(
            self._monitor.spec.predictions.fields,
            self._task,
            self._features(),
            identified=self._monitor.spec.labels is not None,
            scopes=self._scopes,
        )

    def _features(self) -> FeatureSet:
        kinds: dict[str, Kind] = {}
        frames: dict[str, Frame] = {}
        for layout in self.all():
            for feature, kind in layout.kinds.items():
                kinds.setdefault(feature, kind)
            for view, frame in layout.frames.items():
                known = frames.setdefault(view, frame)
                if isinstance(known, CategoricalFrame) and isinstance(frame, CategoricalFrame):
                    together = dict.fromkeys((*known.categories, *frame.categories))
                    frames[view] = CategoricalFrame(tuple(together))
        attributed = dict.fromkeys(name for layout in self.all() for name in layout.attributed)
        return FeatureSet(kinds, frames, tuple(attributed))
