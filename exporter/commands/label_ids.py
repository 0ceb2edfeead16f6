"""The ids of another log, compared with those of predictions."""

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
from exporter.records.offline import OfflineDecoder
from exporter.records.predictions import PredictionDecoder, RequestedFields
from exporter.records.reshaping import plain, reshapings
from exporter.sinks import SinkError, open_sink
from exporter.state import Store
from exporter.summary.base import Integers
from exporter.summary.windows import CLOCK_SKEW
from exporter.tasks import task_of
from mlslo.monitor import Labels, Monitor, Sink, Skew

# A gigabyte of a file: some seconds.
_MOST_BATCHES = 32


_NOUNS = {"labels": ("label", "labels"), "skew": ("offline row", "offline rows")}


def unmatched(model: Model, log: str, predictions: Records, others: Records, now: float) -> str | None:
    """Say that no record of ``log`` (labels, skew) has the id of a prediction; None where one has, or a side has none.

    ``predictions`` and ``others``: the first records of each, which seldom suffice to say no: more are decoded before.
    """
    fields = model.monitor.spec.predictions.fields
    ours, theirs = fields.id, model.monitor.spec.logs[log].fields.id
    if ours is None:
        return None
    written, spec = model.monitor, plain(model.monitor).spec
    our_path, their_path = spec.predictions.fields.id, spec.logs[log].fields.id
    assert our_path is not None
    assert their_path is not None
    predicted, known = predictions.texts(our_path), others.texts(their_path)
    if not predicted or not known or predicted & known or _matched_further(model, log, now):
        return None
    one, many = _NOUNS[log]
    said = (
        f"no {one} looked at has the id of a prediction looked at: {many} have {shown(min(known))} at '{theirs}', "
        f"predictions {shown(min(predicted))} at '{ours}'"
    )
    if spec is not written.spec:
        return said
    if there := others.path_of(predicted):
        return f"{said}; ids of predictions are at '{there}' of the {many}"
    if there := predictions.path_of(known):
        return f"{said}; ids of {many} are at '{there}' of the predictions"
    return said


def _matched_further(model: Model, log: str, now: float) -> bool:
    """Return whether more of both logs share an id; True as well where one of them has no usable record."""
    monitor, spec = model.monitor, plain(model.monitor).spec
    latest = int(now * 1e6) + CLOCK_SKEW
    task = task_of(spec, model.references)
    requested = RequestedFields(
        spec.predictions.fields, task, FeatureSet({}, {}), times=spec.predictions.times
    )
    settings = spec.logs[log]
    assert isinstance(settings, Labels | Skew)
    other = OfflineDecoder(settings, {}) if isinstance(settings, Skew) else LabelDecoder(settings, task)
    with closing(PredictionDecoder(requested)) as predictions, closing(other):
        predicted = _ids(
            monitor, "predictions", spec.predictions.sink, lambda lines: predictions.decode(lines, latest).id
        )
        known = _ids(monitor, log, settings.sink, lambda lines: other.decode(lines, latest).id)
    predicted = predicted[predicted != 0]
    return not len(predicted) or not len(known) or bool(np.isin(known, predicted).any())


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
