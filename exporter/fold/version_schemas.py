"""Schemas of a model's versions: one for all, unless references are kept by version."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.features.binning import Binning, CategoricalBinning
from exporter.features.kind import Kind
from exporter.fold.schema import Schema
from exporter.parse.field_paths import FieldPaths
from exporter.records.features import FeatureSet
from exporter.records.predictions import RequestedFields
from exporter.references.configured import fingerprint, of_versions, path_of_version
from exporter.references.reference import Reference
from exporter.references.reference_file import load
from exporter.summary.base import Shape
from exporter.summary.windows import Buckets
from exporter.tasks.task import Task
from mlslo.monitor import Monitor, scope_name
from mlslo.yamlfile import InputError

DIGEST = ("features", "static references", "windows and sliding references", "segments", "privacy")
"""Names of the pieces of ``VersionSchemas.digest``."""

logger = logging.getLogger(__name__)


class VersionSchemas:
    """``segments``, ``attributes``: the names of what rows are split by; the latter for binary tasks only.

    ``revision`` changes whenever there is something new to decode.
    """

    def __init__(self, monitor: Monitor, task: Task, static: Mapping[str, Reference]) -> None:
        """``static``: the references that all versions share. Raises InputError where they contradict the file."""
        self._monitor = monitor
        self._task = task
        self._static = dict(static)
        self._shared = Schema(monitor, task, self._static)
        self._by_version: dict[str, Schema] = {}
        self._own: dict[str, dict[str, Reference]] = {}
        spec = monitor.spec
        self._files = of_versions(monitor)
        self._fingerprints: dict[Path, tuple[int, ...] | None] = {}
        self._names = [
            *self._files,
            *(name for name, item in spec.references.items() if item.first is not None),
        ]
        attributes = spec.fairness.attributes if spec.fairness and len(task.classes) == 2 else []
        self._scopes = list({scope_name(paths): paths for paths in (*spec.segments, *attributes)}.values())
        self.segments = [scope_name(paths) for paths in spec.segments]
        self.attributes = [scope_name(paths) for paths in attributes]
        self.revision = 0
        try:
            self.requested().expressions(FieldPaths())
        except ValueError as error:
            raise monitor.document.error(("spec", "predictions", "fields"), str(error), key=True) from None

    def of(self, version: str) -> Schema:
        """Return the schema of a version by its name."""
        return self._by_version.get(version, self._shared)

    def digest(self, buckets: Buckets, presence: Shape) -> str:
        """Return what is equal for exporters whose summaries may be added up, a piece for each of ``DIGEST``."""
        privacy = self._monitor.spec.privacy
        parts = (
            [f"{shape.kind} {shape.digest}" for shape in (*self._shared.shapes.values(), presence)],
            [f"{name} {reference.hash}" for name, reference in sorted(self._static.items())],
            [f"{level}" for level in buckets.levels],
            [*self.segments, "", *self.attributes],
            [] if privacy is None else [privacy.model_dump_json()],
        )
        return "-".join(hashlib.sha256("\0".join(part).encode()).hexdigest()[:12] for part in parts)

    def all(self) -> list[Schema]:
        """Return every schema once."""
        return [self._shared, *self._by_version.values()]

    def missing(self, version: str) -> list[str]:
        """Return the references by version that ``version`` does not have."""
        own = self._own.get(version, {})
        return [name for name in self._names if name not in own]

    def refresh(self, versions: Iterable[str]) -> None:
        """Look for the reference files of ``versions`` that were not there before, or were another.

        What cannot be used is logged once; a version keeps what it had before.
        """
        for version in versions:
            found = {}
            for name in self._files:
                reference = self._new_reference(name, version)
                if reference is not None:
                    found[name] = reference
            if found:
                self.adopt(version, found)

    def _new_reference(self, name: str, version: str) -> Reference | None:
        path = path_of_version(self._monitor, name, version)
        content = None if path is None else fingerprint(path)
        if path is None or content == self._fingerprints.get(path):
            return None
        self._fingerprints[path] = content
        if content is None:
            return None
        try:
            reference = load(path)
        except InputError as error:
            logger.warning(
                "model %s: reference '%s' of version '%s': %s", self._monitor.model, name, version, error
            )
            return None
        own = self._own.get(version, {}).get(name)
        return reference if own is None or own.hash != reference.hash else None

    def adopt(self, version: str, references: Mapping[str, Reference]) -> None:
        """Take ``references`` as those of one version, beside the ones that it has."""
        own = {**self._own.get(version, {}), **references}
        merged = {**self._static, **own}
        ordered = {name: merged[name] for name in self._monitor.spec.references if name in merged}
        try:
            schema = Schema(self._monitor, self._task, ordered)
            self._hold_to_kinds(version, schema)
        except InputError as error:
            logger.warning("model %s: version '%s': %s", self._monitor.model, version, error)
            return
        self._own[version] = own
        self._by_version[version] = schema
        self.revision += 1

    def _hold_to_kinds(self, version: str, schema: Schema) -> None:
        """Raises InputError where another schema reads a feature as another kind: a record is decoded once."""
        for other in [self._shared, *(known for name, known in self._by_version.items() if name != version)]:
            for feature, kind in schema.kinds.items():
                known = other.kinds.get(feature, kind)
                if known.name != kind.name:
                    raise self._monitor.document.error(
                        ("spec", "references"),
                        f"its reference knows feature '{feature}' as {kind.name}, another as {known.name}; "
                        f"say what it is under 'features' and build them again",
                    )

    def requested(self) -> RequestedFields:
        """Return the fields that any schema counts."""
        kinds: dict[str, Kind] = {}
        binnings: dict[str, Binning] = {}
        for schema in self.all():
            kinds |= {feature: kind for feature, kind in schema.kinds.items() if feature not in kinds}
            for view, binning in schema.binnings.items():
                known = binnings.setdefault(view, binning)
                if isinstance(known, CategoricalBinning) and isinstance(binning, CategoricalBinning):
                    binnings[view] = CategoricalBinning.common([known, binning])
        attributed = dict.fromkeys(name for schema in self.all() for name in schema.attributed)
        return RequestedFields(
            self._monitor.spec.predictions.fields,
            self._task,
            FeatureSet(kinds, binnings, tuple(attributed)),
            identified=self._monitor.spec.labels is not None or self._monitor.spec.skew is not None,
            scopes=self._scopes,
            times=self._monitor.spec.predictions.times,
            made=self._monitor.spec.featureTimestamps,
            compared={feature: kind for schema in self.all() for feature, kind in schema.compared.items()},
        )
