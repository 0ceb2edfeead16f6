"""The ids of labels, compared with those of predictions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from itertools import islice

import numpy as np

from exporter.daemon.models import Model
from exporter.parse.json_lines import Buffer
from exporter.records.accounts.field_accounts import Records, shown
from exporter.records.features import FeatureSet
from exporter.records.labels import LabelDecoder
from exporter.records.predictions import PredictionDecoder, RequestedFields
from exporter.records.reshaping import plain, reshapings
from exporter.sinks import SinkError, open_sink
from exporter.state import Store
from exporter.summary.base import Integers
from exporter.summary.windows import CLOCK_SKEW
from exporter.tasks import task_of
from mlslo.monitor import Monitor, Sink

# A gigabyte of a file: some seconds.
_MOST_BATCHES = 32


def unmatched(model: Model, predictions: Records, labels: Records, now: float) -> str | None:
    """Say that no label has the id of a prediction; None where one has, or where a side has no ids.

    ``predictions`` and ``labels``: the first records of each, which seldom suffice to say no: more are decoded before.
    """
    fields = model.monitor.spec.predictions.fields
    assert model.monitor.spec.labels is not None
    ours, theirs = fields.id, model.monitor.spec.labels.fields.id
    if ours is None:
        return None
    written, spec = model.monitor, plain(model.monitor).spec
    assert spec.predictions.fields.id is not None
    assert spec.labels is not None
    predicted, labelled = predictions.texts(spec.predictions.fields.id), labels.texts(spec.labels.fields.id)
    if not predicted or not labelled or predicted & labelled or _matched_further(model, now):
        return None
    said = (
        f"no label looked at has the id of a prediction looked at: labels have {shown(min(labelled))} at '{theirs}', "
        f"predictions {shown(min(predicted))} at '{ours}'"
    )
    if spec is not written.spec:
        return said
    if there := labels.path_of(predicted):
        return f"{said}; ids of predictions are at '{there}' of the labels"
    if there := predictions.path_of(labelled):
        return f"{said}; ids of labels are at '{there}' of the predictions"
    return said


def _matched_further(model: Model, now: float) -> bool:
    """Return whether more of both logs share an id; True as well where one of them has no usable record."""
    monitor, spec = model.monitor, plain(model.monitor).spec
    assert spec.labels is not None
    latest = int(now * 1e6) + CLOCK_SKEW
    task = task_of(spec, model.references)
    requested = RequestedFields(
        spec.predictions.fields, task, FeatureSet({}, {}), times=spec.predictions.times
    )
    with (
        closing(PredictionDecoder(requested)) as predictions,
        closing(LabelDecoder(spec.labels, task)) as labels,
    ):
        predicted = _ids(
            monitor, "predictions", spec.predictions.sink, lambda lines: predictions.decode(lines, latest).id
        )
        labelled = _ids(monitor, "labels", spec.labels.sink, lambda lines: labels.decode(lines, latest).id)
    predicted = predicted[predicted != 0]
    return not len(predicted) or not len(labelled) or bool(np.isin(labelled, predicted).any())


def _ids(monitor: Monitor, name: str, sink: Sink, decode: Callable[[Buffer], Integers]) -> Integers:
    """Return the hashes of the ids in the first batches of a log."""
    found = [np.empty(0, dtype=np.int64)]
    with (
        closing(Store()) as store,
        closing(open_sink(monitor, sink, {})) as log,
        # What cannot be read is raised after all else was.
        suppress(SinkError),
        store.transaction(),
    ):
        reshaping = reshapings(monitor, store)[name]
        for batch in islice(log.batches(final=True), _MOST_BATCHES):
            found.append(decode(bytes(reshaping.plain(batch.lines, 0).lines)))
    return np.concatenate(found)
