"""The fields that a monitor file maps, and which of them the decoder read in some record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from exporter.features import KINDS, Kind
from exporter.features.binning import Numbers
from exporter.records.accounts.field_accounts import SCALAR, MappedField, Records
from exporter.records.columns import NO_TIME, LabelColumns, PredictionColumns
from exporter.records.features import present
from exporter.records.offline import OfflineColumns
from exporter.records.predictions import RequestedFields
from exporter.state import NO_VALUE
from exporter.summary.skew import NO_CODE
from exporter.tasks.task import Task
from mlslo.monitor import PREDICTION_PRESETS, FeatureArray, Features, LabelFields, Skew

_NUMBER = ("number", "text")
_TIME = (_NUMBER, "a time such as 2026-01-31T12:00:00Z or epoch seconds")
_FLAG = (("boolean", "number", "text"), "true or false")
_ATTRIBUTIONS = (("object",), "an object of a number for each feature")
_SET = ("list", "object", "text")
_CONTAINER = "features"
_OPTIONAL = ("version", "status", "latency", "prediction")

_SCORES = {
    "binary": ((*_NUMBER, "list"), "a number from 0 to 1"),
    "multiclass": (("object", "list"), "an object or a list of probabilities that sum to 1"),
    "multilabel": (("object", "list"), "an object or a list of a probability for each class"),
    "regression": (_NUMBER, "a number"),
    "ranking": (("list",), "a list of a number for each item"),
}
_PREDICTIONS = {
    "binary": (SCALAR, "a class that is known"),
    "multiclass": (SCALAR, "a class that is known"),
    "multilabel": (_SET, "a set of classes"),
    "regression": (_NUMBER, "a number"),
    "ranking": (("list",), "a list of items"),
}
_LABELS = {
    "binary": (SCALAR, "a class that is known"),
    "multiclass": (SCALAR, "a class"),
    "multilabel": (_SET, "a set of classes"),
    "regression": (_NUMBER, "a number"),
    "ranking": (("list", "object"), "a list of items or an object of their gains"),
}
_KINDS: dict[str, tuple[str, ...]] = {
    "numeric": _NUMBER,
    "embedding": ("list", "text"),
    "timestamp": _NUMBER,
}


NO_CLASS = "no class is known: list them under 'predictions.classes', or build a reference"


class Mapped(NamedTuple):
    """A field, and whether the decoder ``read`` it in some record; None where that cannot be told.

    ``why``: what keeps each value from being read, where that is not the value.
    """

    field: MappedField
    read: bool | None = None
    feature: bool = False
    why: str | None = None


class Judged(NamedTuple):
    """``found``: field -> a warning, for each that is never there, or never of its kind.

    ``blind``: whether that is true of every feature.
    """

    found: dict[str, str]
    blind: bool

    @property
    def warnings(self) -> list[str]:
        """The warnings, in the order of the fields."""
        return list(self.found.values())


def of_predictions(
    columns: PredictionColumns,
    requested: RequestedFields,
    task: str,
    untyped: Sequence[str],
    preset: str | None = None,
) -> list[Mapped]:
    """List what is mapped in prediction records. ``untyped``: listed features of no known kind.

    ``preset``: that of the log, which maps more than every log of its format has.
    """
    container = requested.fields.features
    found = [*_fields(columns, requested, task), *_scopes(columns, requested), *_made(columns, requested)]
    features = list(_features(columns, requested))
    some = _read_of(any(item.read for item in features), 0)
    if isinstance(container, str):
        members = tuple(requested.features.kinds)
        field = MappedField(
            "features", "field 'features'", container, ("object",), "an object", members=members
        )
        found.append(Mapped(field, some, not requested.features.kinds))
    if isinstance(container, FeatureArray):
        noun = f"a list of {len(container.names)} values"
        field = MappedField("features", "field 'features'", container.path, ("list",), noun)
        found.append(Mapped(field, some, not requested.features.kinds))
    found += features
    for name in untyped:
        outer, inner = _place(container, name)
        found.append(Mapped(MappedField(name, f"feature '{name}'", inner, container=outer), feature=True))
    rejected = columns.rejected
    timed = _read_of(len(columns.time) > 0 or rejected["future_timestamp"] > 0, rejected["invalid_timestamp"])
    stamp = Mapped(_field("timestamp", requested.fields.timestamp, *_TIME), timed)
    if preset is not None:
        known = PREDICTION_PRESETS[preset]["fields"]
        found = [item for item in found if item.read or not _is_optional(item.field, known)]
    return [stamp, *(item if len(columns.time) else item._replace(read=None) for item in found)]


def _is_optional(field: MappedField, known: Mapping[str, Any]) -> bool:
    """Return whether a field is that of the preset, and one that not every log has."""
    path = known.get(field.name)
    return field.name in _OPTIONAL and field.path == (path["field"] if isinstance(path, dict) else path)


def of_labels(columns: LabelColumns, fields: LabelFields, task: Task, kind: str) -> list[Mapped]:
    """List what is mapped in label records. ``kind``: of the task, as in the file."""
    usable, rejected = len(columns.label) > 0, columns.rejected
    why = None if task.classes or kind != "multiclass" else NO_CLASS
    label = _field("label", fields.label, *_LABELS[kind])
    found = [
        Mapped(_field("id", fields.id), True if usable else None),
        Mapped(label, _read_of(usable, rejected["invalid_label"]), why=why),
    ]
    if fields.timestamp is not None:
        timed = _read_of(bool((columns.time != NO_TIME).any()), rejected["invalid_timestamp"])
        found.insert(0, Mapped(_field("timestamp", fields.timestamp, *_TIME), timed))
    return found


def of_offline(columns: OfflineColumns, skew: Skew, features: Mapping[str, str]) -> list[Mapped]:
    """List what is mapped in offline records. ``features``: feature -> kind, of the columns of their codes."""
    fields = skew.fields
    found = [Mapped(_field("id", fields.id), True if len(columns.id) else None)]
    if fields.timestamp is not None:
        timed = _read_of(bool((columns.time != NO_TIME).any()), columns.rejected["invalid_timestamp"])
        found.append(Mapped(_field("timestamp", fields.timestamp, *_TIME), timed))
    container = None if isinstance(fields.features, dict) else fields.features
    for place, (name, kind) in enumerate(features.items()):
        outer, inner = _place(container, (fields.feature_paths or {}).get(name, name))
        noun = KINDS[kind].noun if kind in _KINDS else "text or a number"
        field = MappedField(name, f"feature '{name}'", inner, _KINDS.get(kind, SCALAR), noun, outer)
        read = bool((columns.codes[:, place] != NO_CODE).any()) if len(columns.id) else None
        found.append(Mapped(field, read, feature=True))
    return found


def judge(records: Records, mapped: Sequence[Mapped]) -> Judged:
    """Find the fields that are never there, or never of their kind.

    Where that is true of the object of all features, nothing is said of its members.
    """
    if (garbage := records.no_object()) is not None:
        return Judged({"": garbage}, blind=False)
    found: dict[str, str] = {}
    features = []
    gone: str | None = None
    for (field, read, feature, why), account in zip(mapped, records.accounts, strict=True):
        inside = field.container == gone
        # Lists and objects are read as text where nothing else is meant.
        bad = inside or not (account.fits if read is None else read)
        if bad and not inside:
            if why is not None and account.fits:
                found[field.what] = f"{field.what}: {why}"
            else:
                found[field.what] = account.of_another_kind() if account.there else records.nothing(account)
            gone = field.path if field.name == _CONTAINER else gone
        if feature:
            features.append(bad)
    return Judged(found, blind=bool(features) and all(features))


def has_answers(columns: PredictionColumns, requested: RequestedFields) -> bool:
    """Return whether some record has an answer that can be measured: a class that is known, or a number."""
    outputs = columns.outputs
    scored = ~np.isnan(outputs.score)
    return bool((scored | requested.task.answered(outputs)).any())


def _read_of(read: bool, refused: int) -> bool | None:
    """Return None where nothing was read, and nothing refused either."""
    return read if read or refused else None


def _field(
    name: str, path: str, fits: tuple[str, ...] = SCALAR, noun: str = "text or a number"
) -> MappedField:
    return MappedField(name, f"field '{name}'", path, fits, noun)


def _fields(columns: PredictionColumns, requested: RequestedFields, task: str) -> Iterator[Mapped]:
    fields, outputs = requested.fields, columns.outputs
    scored = bool((~np.isnan(outputs.score)).any()) if requested.task.scored else None
    # What is predicted is told by the score, too, where there is one.
    alone = fields.score is None and (task != "multiclass" or bool(requested.task.classes))
    predicted = has_answers(columns, requested) if alone else None
    attributed = None if columns.attributions is None else bool(np.isfinite(columns.attributions).any())
    latency = fields.latency.field if fields.latency else None
    for name, path, read, kind in (
        ("id", fields.id, bool((columns.id != 0).any()) if requested.identified else None, ()),
        ("version", fields.version, any(columns.version.names), ()),
        ("status", fields.status, bool((columns.status >= 0).any()), (_NUMBER, "a whole number")),
        ("latency", latency, not np.isnan(columns.latency).all(), (_NUMBER, "a number")),
        ("score", fields.score, scored, _SCORES[task]),
        ("prediction", fields.prediction, predicted, _PREDICTIONS[task]),
        ("fallback", fields.fallback, bool((columns.fallback >= 0).any()), _FLAG),
        ("attributions", fields.attributions, attributed, _ATTRIBUTIONS),
    ):
        if path is not None:
            yield Mapped(_field(name, path, *kind), read)


def _scopes(columns: PredictionColumns, requested: RequestedFields) -> Iterator[Mapped]:
    """Segments and attributes; a feature that is one is told of among the features."""
    fields = requested.fields
    for path in requested.scopes:
        if isinstance(path, str) and not (
            isinstance(fields.features, str | FeatureArray) and path in requested.features.kinds
        ):
            field = MappedField(f"segment {path}", f"segment or attribute '{path}'", path)
            yield Mapped(field, columns.scopes[path].names != [NO_VALUE])


def _made(columns: PredictionColumns, requested: RequestedFields) -> Iterator[Mapped]:
    for name, path in requested.made.items():
        field = MappedField(f"made {name}", f"timestamp of feature '{name}'", path, *_TIME)
        yield Mapped(field, not np.isnan(columns.ages[name]).all())


def _features(columns: PredictionColumns, requested: RequestedFields) -> Iterator[Mapped]:
    container = requested.fields.features
    for name, kind in requested.features.kinds.items():
        outer, inner = _place(container, name)
        field = MappedField(
            name,
            f"feature '{name}'",
            inner,
            _KINDS.get(kind.name, SCALAR),
            "text" if kind.name == "text" else kind.noun,
            outer,
        )
        yield Mapped(field, _read(columns, requested, name, kind), feature=True)


def _place(container: Features | None, name: str) -> tuple[str, str]:
    """Return the container of a feature, and its path in there."""
    if isinstance(container, FeatureArray):
        return container.path, str(container.names.index(name)) if name in container.names else name
    return container if isinstance(container, str) else "", name


def _read(columns: PredictionColumns, requested: RequestedFields, name: str, kind: Kind) -> bool | None:
    """Return whether some value of a feature is of its kind; None where no reference says what that is."""
    values = columns.features.get(kind.primary(name))
    if values is None or (kind.name == "categorical" and not requested.features.categories(name)):
        return None
    usable = present(values) if isinstance(values, Numbers) else values >= 0
    return bool(usable.any())
