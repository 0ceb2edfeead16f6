"""ModelMonitor file, validated, and where it stands on disk."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mlslo.monitor.fields import ALTERNATIVE, FeatureArray, PredictionFields, needs_rows
from mlslo.monitor.privacy import MOST_PERIODS
from mlslo.monitor.sinks import OTLP_PATH, PushSink
from mlslo.monitor.spec import Spec
from mlslo.yamlfile import File, Loaded, Name, Problem, StrictModel, did_you_mean, quoted_list


class Metadata(StrictModel):
    """Whose file it is."""

    name: Name = Field(description='The model; the label `model="…"` of every metric.')


class MonitorFile(File[Metadata, Spec]):
    """One model and how to watch it. Written by the model's engineer."""

    kind: Literal["ModelMonitor"] = Field(description="What this file is.")


class Monitor(Loaded[Metadata, Spec]):
    """A validated ModelMonitor file, and where it stands on disk."""

    model_type = MonitorFile

    @property
    def model(self) -> str:
        """The label ``model``."""
        return self.metadata.name

    def resolve(self, path: str) -> Path:
        """``path`` of the file, which is relative to the file's own folder."""
        return (self.path.parent / path).absolute()

    def pattern(self, path: str) -> Path:
        """``resolve`` for a glob: what looks like one in the name of the file's own folder is none."""
        return Path(glob.escape(str(self.path.parent.absolute()))) / path

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong between the fields of a record."""
        fields = self.spec.predictions.fields
        at: tuple[Any, ...] = ("spec", "predictions", "fields")
        if self.spec.labels is not None and fields.id is None:
            yield self.document.problem(at, "missing key 'id': labels are joined to predictions by it")
        predictions = self.spec.predictions
        if self.spec.task == "binary" and predictions.classes and predictions.positiveClass:
            positive, classes = predictions.positiveClass, predictions.classes
            if positive not in classes:
                message = f"'{positive}' is none of classes, expected one of {quoted_list(classes)}"
                near = did_you_mean(positive, classes)
                yield self.document.problem(("spec", "predictions", "positiveClass"), message + near)
        if self.spec.task == "multilabel":
            yield from self._problems_of_sets()
        if self.spec.skew is not None and fields.id is None:
            message = "missing key 'id': offline features are joined to predictions by it"
            yield self.document.problem(at, message)
        if self.spec.skew is not None and fields.features is None:
            message = "missing key 'features': offline features need served ones to be compared with"
            yield self.document.problem(at, message)
        yield from self._problems_of_skew()
        if self.spec.labels is not None and fields.score is None and fields.prediction is None:
            yield self.document.problem(at, "labels need a 'score' or a 'prediction' to be compared with")
        yield from self._problems_of_join()
        if isinstance(fields.features, FeatureArray):
            names = fields.features.names
            for feature in self.spec.features:
                if feature not in names:
                    message = (
                        f"'{feature}' is none of the names in '{fields.features.path}', expected one of "
                    )
                    message += quoted_list(names) + did_you_mean(feature, names)
                    yield self.document.problem(("spec", "features", feature), message)
        yield from self._problems_of_standard_input()
        yield from self._problems_of_push()
        yield from self._problems_of_groups()
        yield from self._problems_of_privacy()
        features = fields.features.path if isinstance(fields.features, FeatureArray) else fields.features
        if isinstance(features, str):
            for name, path in _single_paths(fields).items():
                if path == features or features.startswith(path + "."):
                    message = f"'{path}' is where the features are; expected the path of a single value"
                    yield self.document.problem((*at, *name), message)

    def _problems_of_join(self) -> Iterator[Problem]:
        join, fields = self.spec.predictions.join, self.spec.predictions.fields
        if join is None:
            return
        if join.request == join.response:
            message = "the same as 'request'; expected what tells a response from it"
            yield self.document.problem(("spec", "predictions", "join", "response"), message)
        for name in ("timestamp", "score", "prediction", "features"):
            value = getattr(fields, name)
            for path in value if isinstance(value, list) else [getattr(value, "path", value)]:
                # A request that never has a response needs a time as well.
                starts = ("request.",) if name == "timestamp" else ("request.", "response.")
                if path is not None and not any(part.startswith(starts) for part in path.split(ALTERNATIVE)):
                    known = " or ".join(f"'{start}'" for start in starts)
                    message = f"expected a path that begins with {known}, where 'join' puts records"
                    at = ("spec", "predictions", "fields", name)
                    yield self.document.problem(at, f"{message}, got '{path}'")

    def _problems_of_sets(self) -> Iterator[Problem]:
        at: tuple[Any, ...] = ("spec", "predictions")
        classes = self.spec.predictions.classes
        if classes is None:
            message = "missing key 'classes': a multilabel model needs the list of its classes"
            yield self.document.problem(at, message)
        for position, name in enumerate(classes or ()):
            if classes and name in classes[:position]:
                yield self.document.problem((*at, "classes", position), f"'{name}' is listed twice")

    def _problems_of_skew(self) -> Iterator[Problem]:
        """Yield features to be compared that are no features, or cannot be."""
        spec = self.spec
        if spec.skew is None:
            return
        served = spec.predictions.fields.feature_names, "predictions.fields.features"
        offline = spec.skew.fields.feature_paths, "skew.fields.features"
        named: list[tuple[Any, str, tuple[Any, ...]]] = [
            (("features", index), name, (served, offline))
            for index, name in enumerate(spec.skew.features or ())
        ]
        if isinstance(spec.skew.fields.features, dict):
            named += [(("fields", "features", name), name, (served,)) for name in spec.skew.fields.features]
        for place, name, all_known in named:
            at = "spec", "skew", *place
            for known, where in all_known:
                if known is not None and name not in known:
                    message = f"'{name}' is none of {where}, expected one of {quoted_list([*known])}"
                    yield self.document.problem(at, message + did_you_mean(name, [*known]))
            if name in spec.features and spec.features[name].type == "embedding":
                yield self.document.problem(at, f"'{name}' is an embedding; expected a single value")

    def standard_input(self) -> list[tuple[Any, ...]]:
        """Return where the file says that records come on standard input."""
        return [
            ("spec", name, "sink", "file", "path")
            for name, log in self.spec.logs.items()
            if log.sink.is_standard_input
        ]

    def _problems_of_standard_input(self) -> Iterator[Problem]:
        """Yield what cannot be done with records that come once and in no file."""
        places = self.standard_input()
        for at in places[1:]:
            yield self.document.problem(
                at, f"standard input is read by '{places[0][1]}' already; expected a file"
            )
        for at in places:
            file = self.spec.logs[at[1]].sink.file
            if file is not None and file.format == "parquet":
                message = "Parquet cannot be read on standard input, expected one of csv, jsonl"
                yield self.document.problem((*at[:-1], "format"), message)
        if self.spec.predictions.sink.is_standard_input:
            for name, reference in self.spec.references.items():
                if reference.first is not None:
                    message = "'first' reads the predictions apart, and standard input comes only once; expected a file"
                    yield self.document.problem(("spec", "references", name, "first"), message)

    def pushed(self) -> dict[str, PushSink]:
        """Return the push sinks, by the log (predictions, labels, skew) that they take."""
        return {name: log.sink.push for name, log in self.spec.logs.items() if log.sink.push}

    def _problems_of_push(self) -> Iterator[Problem]:
        """Yield what cannot be done with records that are pushed."""
        pushed = self.pushed()
        taken: dict[str, str] = {}
        for name, sink in pushed.items():
            if sink.path in taken:
                message = f"the push path of '{taken[sink.path]}' already; expected another one"
                yield self.document.problem(("spec", name, "sink", "push", "path"), message)
            taken |= {sink.path + end: name for end in ("", OTLP_PATH)}
        if "predictions" in pushed:
            for name, reference in self.spec.references.items():
                if reference.first is not None:
                    message = "'first' reads the predictions apart, and pushed events are gone once they are counted"
                    yield self.document.problem(
                        ("spec", "references", name, "first"), f"{message}; expected a file sink"
                    )

    def _problems_of_privacy(self) -> Iterator[Problem]:
        """Yield what would break the promise that one record changes a few counts of one release."""
        privacy, predictions = self.spec.privacy, self.spec.predictions
        if privacy is None:
            return
        paths = [*predictions.fields.paths(), *self.spec.further_paths]
        if predictions.join is not None or any(map(needs_rows, paths)):
            message = "'privacy' protects one record of the log, and here a record is not one prediction"
            yield self.document.problem(("spec", "privacy"), f"{message}: 'join', '*' and '|' cannot be used")
        for name, reference in self.spec.references.items():
            if reference.static is None or "{version}" in reference.static:
                message = (
                    "'privacy' counts all versions over the bins of static references, without '{version}'"
                )
                yield self.document.problem(("spec", "references", name), message, key=True)
        longest = max(window.seconds for window in self.spec.windows)
        if longest < privacy.shortest_window:
            message = "the longest window must reach over two periods of 'privacy' and its grace: "
            message += f"{privacy.shortest_window / 3600:g}h"
            yield self.document.problem(("spec", "windows"), message)
        if longest > MOST_PERIODS * privacy.period.seconds:
            message = f"the longest window has more than {MOST_PERIODS} periods; expected a longer one"
            yield self.document.problem(("spec", "privacy"), message)

    def _problems_of_groups(self) -> Iterator[Problem]:
        """Yield where both logs would share the records of one topic, as replicas do."""
        topics = [log.sink.kafka for log in (self.spec.predictions, self.spec.labels) if log is not None]
        if len(topics) == 2 and None not in topics:
            groups = {(topic.topic, topic.group) for topic in topics if topic is not None and topic.group}
            if len(groups) == 1 and all(topic is not None and topic.group for topic in topics):
                message = "the topic and the group of 'predictions' already: each record would come to one of both logs"
                yield self.document.problem(("spec", "labels", "sink", "kafka", "group"), message)


def _single_paths(fields: PredictionFields) -> dict[tuple[str, ...], str]:
    """Key of each field that is one value -> its path."""
    paths: dict[tuple[str, ...], str | None] = {
        (name,): getattr(fields, name)
        for name in ("timestamp", "id", "version", "status", "score", "prediction")
    }
    if fields.latency is not None:
        paths["latency", "field"] = fields.latency.field
    return {name: path for name, path in paths.items() if path is not None}
