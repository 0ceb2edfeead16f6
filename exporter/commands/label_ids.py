"""Whether labels have the ids of predictions."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from exporter.commands.field_accounts import Records, shown
from exporter.daemon.models import Model
from exporter.records.features import FeatureSet
from exporter.records.labels import LabelDecoder
from exporter.records.predictions import PredictionDecoder, RequestedFields
from exporter.sinks import open_sink
from exporter.summary.windows import CLOCK_SKEW
from exporter.tasks import task_of

_LOOKED_FURTHER = 100_000


def unmatched(model: Model, predictions: Records, labels: Records, now: float) -> str | None:
    """Say that no label has the id of a prediction; None where one has, or where a side has no ids.

    ``predictions`` and ``labels``: the first records of each, which seldom suffice to say no: more are decoded before.
    """
    fields = model.monitor.spec.predictions.fields
    assert model.monitor.spec.labels is not None
    ours, theirs = fields.id, model.monitor.spec.labels.fields.id
    if ours is None:
        return None
    predicted, labelled = predictions.texts(ours), labels.texts(theirs)
    if not predicted or not labelled or predicted & labelled or _matched_further(model, now):
        return None
    said = (
        f"no label looked at has the id of a prediction looked at: labels have {shown(min(labelled))} at '{theirs}', "
        f"predictions {shown(min(predicted))} at '{ours}'"
    )
    if there := labels.path_of(predicted):
        return f"{said}; ids of predictions are at '{there}' of the labels"
    if there := predictions.path_of(labelled):
        return f"{said}; ids of labels are at '{there}' of the predictions"
    return said


def _matched_further(model: Model, now: float) -> bool:
    monitor = model.monitor
    assert monitor.spec.labels is not None
    latest = int(now * 1e6) + CLOCK_SKEW
    task = task_of(monitor.spec, model.references)
    with closing(open_sink(monitor, monitor.spec.predictions.sink, {})) as log:
        predictions = log.sample(_LOOKED_FURTHER).lines
    requested = RequestedFields(monitor.spec.predictions.fields, task, FeatureSet({}, {}))
    with closing(PredictionDecoder(requested)) as decoder:
        predicted = decoder.decode(predictions, latest).id
    with closing(open_sink(monitor, monitor.spec.labels.sink, {})) as log:
        labels = log.sample(_LOOKED_FURTHER).lines
    with closing(LabelDecoder(monitor.spec.labels.fields, task)) as decoder:
        labelled = decoder.decode(labels, latest).id
    return bool(np.isin(labelled, predicted[predicted != 0]).any())
