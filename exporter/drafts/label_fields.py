"""The fields of a label log: its ids are those that predictions have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.drafts import roles
from exporter.drafts.log_sample import LogSample, objects, read_log, values_of
from exporter.drafts.prediction_fields import PredictionFields, plain_lines
from exporter.records.accounts.field_accounts import as_text
from mlslo.yamlfile import InputError

_FURTHER = 100_000
_MOST_TRIED = 20


class LabelFields(NamedTuple):
    """``data``: keys of `labels` but `sink`. ``values``: the labels. ``matched``: how many have a prediction's id.

    ``id``: the path of the predictions' id that matches. ``other``: further paths that may be the label.
    """

    data: dict[str, Any]
    values: list[Any]
    matched: int
    looked_at: int
    id: str | None
    other: list[str]


def of_log(sample: LogSample, predictions: LogSample, found: PredictionFields) -> LabelFields | None:
    """Return the fields of a label log; None where no field of it can be a label.

    More of both logs is read where the first records have no id in common.
    """
    best = _joined(sample, predictions, found)
    if best[0] == 0:
        sample, predictions = read_log(sample.files, _FURTHER), read_log(predictions.files, _FURTHER)
        best = _joined(sample, predictions, found)
    matched, own, theirs = best
    values = values_of(sample.records)
    time = roles.find("timestamp", values, {theirs} if theirs else ()).path
    labels = [path for path in roles.find("label", values).paths if path not in (time, theirs)]
    if not labels:
        labels = [
            path
            for path in [*roles.find("score", values).paths, *roles.find("prediction", values).paths, *values]
            if path not in (time, theirs)
            and "*" not in path
            and roles.named("id", path) is None
            and roles.holds("label", values[path])
        ]
    if not labels or theirs is None:
        return None
    fields = {"id": theirs, "label": labels[0], **({"timestamp": time} if time else {})}
    data: dict[str, Any] = {"fields": fields}
    chosen = roles.telling_apart(sample.records, lambda record: labels[0].split(".")[0] in record)
    if chosen:
        data["where"] = chosen
    known = [value for value in values[labels[0]] if value is not None]
    return LabelFields(data, known, matched, len(sample.records), own, list(dict.fromkeys(labels[1:])))


def _joined(
    sample: LogSample, predictions: LogSample, found: PredictionFields
) -> tuple[int, str | None, str | None]:
    """Return how many ids both logs share, and at which paths; those of the likeliest names where they share none."""
    values = values_of(sample.records)
    named = roles.find("id", values).paths
    unique = [
        path for path in values if path not in named and "*" not in path and roles.holds("id", values[path])
    ]
    theirs = {
        path: {as_text(value) for value in values[path]} - {""} for path in [*named, *unique][:_MOST_TRIED]
    }
    best: tuple[int, str | None, str | None] = (
        0,
        found.fields.get("id") or ("of the preset" if found.values.get("id") else None),
        next(iter(theirs), None),
    )
    for own, ids in _predicted(predictions, found):
        for path, labelled in theirs.items():
            if (shared := len(ids & labelled)) > best[0]:
                best = (shared, own, path)
    return best


def _predicted(sample: LogSample, found: PredictionFields) -> Iterator[tuple[str | None, set[str]]]:
    """Yield paths at which predictions may have their ids, None for that of a preset, with the ids."""
    values = values_of(sample.records)
    named = roles.find("id", values).paths
    chosen = found.fields.get("id")
    unique = [path for path, there in values.items() if path not in named and roles.holds("id", there)]
    paths: Sequence[str | None] = [chosen] if chosen else [None]
    for path in [*paths, *[path for path in [*named, *unique] if path != chosen][:_MOST_TRIED]]:
        data: Mapping[str, Any] = found.data
        if path is not None:
            data = {**found.data, "fields": {**found.fields, "id": path}}
        try:
            monitor, lines = plain_lines(data, sample)
        except InputError:
            continue
        plain = monitor.spec.predictions.fields.id
        if plain is None:
            continue
        there = values_of(objects(lines)).get(plain, [])
        ids = {as_text(value) for value in there} - {""}
        if 2 * len(ids) >= len(there):
            yield path, ids


def unmatched(found: LabelFields) -> str:
    """Say that no label has the id of a prediction."""
    theirs, own = found.data["fields"]["id"], found.id
    return (
        f"labels: none of {found.looked_at} has the id of a prediction, neither at '{theirs}' (predictions: "
        f"'{own}') nor at any other path; they stand as a comment"
    )
