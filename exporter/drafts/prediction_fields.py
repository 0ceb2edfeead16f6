"""The fields of a prediction log: those of a preset, or found by their names and contents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.drafts import roles
from exporter.drafts.log_sample import LogSample, has, members, objects, values_of
from exporter.records.features import FeatureSet
from exporter.records.predictions import PredictionDecoder, RequestedFields
from exporter.records.reshaping import plain, reshapings
from exporter.state import Store
from exporter.tasks import task_of
from mlslo.monitor import PREDICTION_PRESETS, FeatureArray, Monitor, from_document
from mlslo.yamlfile import InputError, parse, quoted_list
from mlslo.yamlfile.commented import one_line

_SINGLE = ("version", "status", "latency", "fallback", "attributions")
_OWN = ("latency", "version", "status")
_NAMED = 3
_FEW_IDS = 20
_SHOWN = 20
_TRIED = 100
_NOT_FEATURES = ("timestamp", "label")


@dataclass
class PredictionFields:
    """``data``: keys of `predictions` but `sink`. ``notes``: field -> comment. ``doubts``: what to look at.

    ``values``: field -> its values but null, one a prediction; of ``features`` the values of each feature by its name.
    ``left_out``: paths that are no features, where features are a list of paths.
    """

    data: dict[str, Any]
    notes: dict[str, str] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    values: dict[str, list[Any]] = field(default_factory=dict)
    features: dict[str, list[Any]] = field(default_factory=dict)
    rows: int = 0
    left_out: list[str] = field(default_factory=list)

    @property
    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data["fields"]
        return found


def of_log(sample: LogSample, known: Sequence[str]) -> PredictionFields:
    """Return the fields of a log. Raises InputError where it has no time.

    ``known``: the columns of its training data, as far as there is any.
    """
    found = _of_preset(sample) or _by_name(sample, known)
    if "preset" not in found.data and "timestamp" not in found.fields:
        paths = quoted_list(values_of(sample.records), _SHOWN)
        raise InputError.of_file(
            sample.files[0], f"no field holds a time such as 2026-01-31T12:00:00Z; there is {paths}"
        )
    read(found, sample)
    if found.features == {} and found.values.get("features"):
        _name_elements(found, known)
        read(found, sample)
    return found


def plain_lines(data: Mapping[str, Any], sample: LogSample, task: str = "binary") -> tuple[Monitor, bytes]:
    """Return a log's predictions as plain records, and the monitor file as it is for those.

    ``data``: keys of `predictions` but `sink`. Raises InputError where they cannot be.
    """
    content = {
        "apiVersion": "mlslo/v1", "kind": "ModelMonitor", "metadata": {"name": "draft"},
        "spec": {"task": task, "windows": ["1h"], "predictions": {"sink": {"file": {"path": "log"}}, **data}},
    }  # fmt: skip
    monitor = from_document(parse(Path("draft"), one_line(content)))
    with closing(Store()) as store, store.transaction():
        lines = reshapings(monitor, store)["predictions"].plain(sample.lines, 0).lines
    return plain(monitor), bytes(lines)


def rows_per_second(data: Mapping[str, Any], sample: LogSample) -> float | None:
    """Return the rate of predictions in the sample; None where its times do not tell."""
    monitor, lines = plain_lines(data, sample)
    task = task_of(monitor.spec, {})
    predictions = monitor.spec.predictions
    requested = RequestedFields(predictions.fields, task, FeatureSet({}, {}), times=predictions.times)
    with closing(PredictionDecoder(requested)) as decoder:
        times = decoder.decode(lines, 2**62).time
    span = float(times.max() - times.min()) / 1e6 if len(times) > 1 else 0.0
    return len(times) / span if span > 0 else None


def read(found: PredictionFields, sample: LogSample, task: str = "binary") -> None:
    """Fill in what is at the fields."""
    monitor, lines = plain_lines(found.data, sample, task)
    rows = objects(lines)
    fields = monitor.spec.predictions.fields
    found.rows = len(rows)
    values = values_of(rows)
    found.values = {}
    for name, path in fields:
        where = path.field if name == "latency" and path else path
        where = getattr(path, "path", where) if name == "features" else where
        if isinstance(where, str):
            found.values[name] = [value for value in values.get(where, ()) if value is not None]
    found.features = {}
    if isinstance(fields.features, FeatureArray):
        lists = [value for value in values.get(fields.features.path, ()) if isinstance(value, list)]
        fitting = [value for value in lists if len(value) == len(fields.features.names)]
        found.features = {
            name: [value[i] for value in fitting] for i, name in enumerate(fields.features.names)
        }
    elif isinstance(fields.features, list):
        found.features = {path: values.get(path, []) for path in fields.features}
    elif fields.features is not None:
        prefix = f"{fields.feature_container or 'mlslo:features'}."
        inner = {
            path.removeprefix(prefix): there for path, there in values.items() if path.startswith(prefix)
        }
        found.features = {
            name: there
            for name, there in inner.items()
            if not any(isinstance(value, dict) for value in there) and "*" not in name.split(".")
        }


def _of_preset(sample: LogSample) -> PredictionFields | None:
    """Return the preset by which most predictions have an output and features; None where none has any."""
    best, most = None, 0
    first = sample._replace(lines=b"\n".join(sample.lines.split(b"\n", _TRIED)[:_TRIED]))
    for name, preset in PREDICTION_PRESETS.items():
        if not {"score", "prediction"} & preset["fields"].keys():
            continue
        found = PredictionFields({"preset": name, "fields": {}})
        read(found, first)
        answers = max(len(found.values.get("score", ())), len(found.values.get("prediction", ())))
        number = min(answers, len(found.values["features"]) or len(found.features))
        if number and answers + len(found.values["features"]) > most:
            best, most = found, answers + len(found.values["features"])
    if best is None:
        return None
    read(best, sample)
    top = {path: there for path, there in values_of(sample.records).items() if "." not in path}
    for role in _OWN:
        own = [path for path in roles.find(role, top).paths if roles.named(role, path) == 0]
        if not best.values.get(role) and own:
            best.fields[role] = _latency(own[0], top[own[0]], best) if role == "latency" else own[0]
    return best


def _by_name(sample: LogSample, known: Sequence[str]) -> PredictionFields:
    in_rows = roles.row_lists(sample.records, members)
    values = {
        path: there
        for path, there in values_of(sample.records).items()
        if (path.split(".*")[0] in in_rows) == ("*" in path.split("."))
    }
    found = PredictionFields({"fields": {}})
    fields = found.fields
    container = _container(values, known)
    inside = {
        path for path in values if container and (path == container or path.startswith(f"{container}."))
    }
    taken = set(inside)
    for role in ("timestamp", "id", *_SINGLE):
        _take(found, role, values, taken)
    objects_ = {path for path, there in values.items() if any(isinstance(value, dict) for value in there)}
    for role in ("score", "prediction"):
        _take(found, role, values, taken, set() if role == "score" else objects_)
        taken |= {path for path in values if (outer := fields.get(role)) and path.startswith(f"{outer}.")}
    if container:
        fields["features"] = container
    else:
        _flat(found, values, taken, known)
    chosen = roles.telling_apart(sample.records, lambda record: _has(record, fields))
    if chosen:
        found.data["where"] = chosen
    return found


def _take(
    found: PredictionFields,
    role: str,
    values: Mapping[str, Sequence[Any]],
    taken: set[str],
    without: Collection[str] = (),
) -> None:
    """Choose the path of a field; others that it may be are told."""
    candidates = roles.find(role, values, taken.union(without))
    if candidates.path is None:
        return
    chosen = candidates.path
    taken.add(chosen)
    found.fields[role] = _latency(chosen, values[chosen], found) if role == "latency" else chosen
    others = [path for path in candidates.paths[1:] if path not in taken]
    if others and not candidates.certain:
        found.notes[role] = f"or {', '.join(others[:_NAMED])}"
        found.doubts.append(f"{role}: '{chosen}', or {', '.join(map(repr, others[:_NAMED]))}")


def _latency(path: str, values: Sequence[Any], found: PredictionFields) -> dict[str, str]:
    unit, told = roles.latency_unit(path, values)
    if not told:
        found.notes["latency"] = "the unit is told by the size of the numbers: s, ms, us or ns"
        found.doubts.append(f"latency: '{path}' is taken for {unit}, by its size")
    return {"field": path, "unit": unit}


def _container(values: Mapping[str, Sequence[Any]], known: Collection[str]) -> str | None:
    """Return the path of the object, or of the list, that has the features; None where they are beside the rest."""
    candidates = roles.find("features", values).paths
    fitting = [path for path in candidates if not _holds_others(path, values)]
    objects_ = [
        path
        for path, there in values.items()
        if sum(isinstance(value, dict) for value in there) * 2 > len(there)
    ]
    trained = max(objects_, key=lambda path: _shared(path, values, known), default=None)
    if trained is not None and 2 * _shared(trained, values, known) > len(known):
        return trained
    return next((path for path in fitting if _is_vector(values[path]) or path in objects_), None)


def _holds_others(path: str, values: Mapping[str, Sequence[Any]]) -> bool:
    """Return whether an object has the time or the output too."""
    inner = {known: there for known, there in values.items() if known.startswith(f"{path}.")}
    return any(
        roles.named(role, known) == 0 and roles.holds(role, there)
        for known, there in inner.items()
        for role in ("timestamp", "score", "prediction", "features")
    )


def _shared(path: str, values: Mapping[str, Sequence[Any]], known: Collection[str]) -> int:
    return sum(f"{path}.{name}" in values for name in known)


def _is_vector(values: Sequence[Any]) -> bool:
    """Return whether most are lists of scalars, of one length."""
    lengths = [
        len(value)
        for value in values
        if isinstance(value, list) and not any(isinstance(one, list | dict) for one in value)
    ]
    return bool(lengths) and 0.9 * len(values) <= lengths.count(max(set(lengths), key=lengths.count))


def _flat(
    found: PredictionFields, values: Mapping[str, Sequence[Any]], taken: set[str], known: Sequence[str]
) -> None:
    """Take what is left as features: scalars that vary, but no ids, no times and no labels."""
    features: list[str] = []
    for path, there in values.items():
        usable = [value for value in there if value is not None]
        if path in taken or not usable or not all(map(roles.is_scalar, usable)):
            continue
        distinct = len(set(roles.texts(usable)))
        of_others = any(
            rank is not None and rank < 2 and roles.holds(role, usable)
            for role in _NOT_FEATURES
            if (rank := roles.named(role, path)) is not None
        )
        # Of few records each value is its own, or all are the same.
        few, looks_like_id = len(usable) < _FEW_IDS, roles.named("id", path) is not None
        is_id = (looks_like_id and (few or distinct > max(_FEW_IDS, len(usable) // 20))) or (
            not few and isinstance(usable[0], str) and distinct > 1 and roles.holds("id", usable)
        )
        varies = (distinct > 1 or few) and not (of_others or is_id)
        is_feature = path in known if set(known) & set(values) else varies
        (features if is_feature else found.left_out).append(path)
    if not features:
        return
    parents = {path.rpartition(".")[0] for path in features}
    parent = parents.pop() if len(parents) == 1 else ""
    beside = [path for path in found.left_out if parent and path.startswith(f"{parent}.")]
    found.fields["features"] = parent if parent and not beside and not _takes(found, parent) else features


def _takes(found: PredictionFields, parent: str) -> bool:
    """Return whether another field is within ``parent``."""
    paths = [value["field"] if isinstance(value, dict) else value for value in found.fields.values()]
    return any(isinstance(path, str) and path.startswith(f"{parent}.") for path in paths)


def _has(record: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """Return whether a record has the features; of one without features, the output."""
    wanted = fields.get("features") or fields.get("score") or fields.get("prediction")
    paths = wanted if isinstance(wanted, list) else [wanted]
    return any(path is not None and has(record, path) for path in paths)


def _name_elements(found: PredictionFields, known: Sequence[str]) -> None:
    """Give names to features that are a list: those of the training data, where it has as many."""
    lengths = [len(value) for value in found.values["features"] if isinstance(value, list)]
    if not lengths:
        return
    length = max(set(lengths), key=lengths.count)
    others = ("timestamp", "id", "label", "score", "prediction")
    names = [
        name
        for name in known
        if all((roles.named(role, name) or 0) != 0 or roles.named(role, name) is None for role in others)
    ]
    if len(names) == length:
        found.notes["features"] = "the log has no names: these are the training data's, in its order"
    else:
        names = [f"feature_{position}" for position in range(length)]
        found.notes["features"] = "the log has no names: write those that the model knows, in their order"
        found.doubts.append(
            f"features: the log has no names for the {length} elements of a list; write them under 'names'"
        )
    path = found.fields.get("features")
    found.fields["features"] = {**({"path": path} if path else {}), "names": names}
