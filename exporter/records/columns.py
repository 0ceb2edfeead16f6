"""Decoded records as columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from exporter.summary.base import Codes, Flags, Floats, Integers, Rows, taken
from exporter.tasks.task import Outputs

PREDICTION_REASONS = (
    "malformed",
    "missing_timestamp",
    "invalid_timestamp",
    "future_timestamp",
    "invalid_score",
    "invalid_features",
    "unknown_class",
    "missing_id",
    "duplicate",
    "too_long",
    "not_selected",
    "uneven_lists",
    "unpaired",
    "not_a_record",
)
LABEL_REASONS = (
    "malformed",
    "missing_id",
    "invalid_label",
    "unknown_class",
    "invalid_timestamp",
    "future_timestamp",
    "duplicate",
    "too_late",
    "sampled_out",
    "too_long",
    "not_selected",
    "uneven_lists",
    "not_a_record",
)
OFFLINE_REASONS = (
    "malformed",
    "missing_id",
    "invalid_timestamp",
    "future_timestamp",
    "duplicate",
    "sampled_out",
    "too_long",
    "not_selected",
    "uneven_lists",
    "not_a_record",
)
REASONS = {"predictions": PREDICTION_REASONS, "labels": LABEL_REASONS, "skew": OFFLINE_REASONS}
"""Reasons for which records are rejected, by sink."""
NO_TIME = np.iinfo(np.int64).min
ERROR = 400
"""From this status on a prediction is an error."""
NO_RESPONSE = 999
"""The status of a request that never had a response."""


@dataclass(frozen=True)
class Texts:
    """A column of text: ``codes`` of shape (rows,) into ``names``."""

    codes: Codes
    names: list[str]

    @classmethod
    def encode(cls, values: npt.NDArray[Any], default: str) -> Texts:
        """Names in order of appearance; ``default`` stands for what is masked."""
        there = ~np.ma.getmaskarray(values)
        texts = np.ma.getdata(values)[there].tolist()
        index = {name: code for code, name in enumerate(dict.fromkeys(texts))}
        codes = np.full(len(values), -1, dtype=np.intp)
        codes[there] = np.fromiter(map(index.__getitem__, texts), dtype=np.intp, count=len(texts))
        if len(texts) < len(values):
            codes[~there] = index.setdefault(default, len(index))
        return cls(codes, list(index))

    def __getitem__(self, rows: Rows) -> Texts:
        return Texts(self.codes[rows], self.names)

    def compact(self) -> Texts:
        """Return the same without the names that no row has."""
        used, codes = np.unique(self.codes, return_inverse=True)
        return Texts(codes.astype(np.intp), [self.names[code] for code in used.tolist()])


@dataclass(frozen=True)
class PredictionColumns:
    """Usable prediction records; every array has shape (rows,).

    ``time``: epoch µs. ``id``: 64-bit hash, 0 where the record has none. ``status``: -1 where there is none.
    ``latency``: seconds or NaN. ``features``: view -> its values as its kind decodes them. ``has_features``:
    False where an erroneous record carries no features at all. ``scopes``: segment or attribute -> its values.
    ``fallback``: 1, 0 or -1 where unknown. ``attributions``: (rows, features), NaN where missing. ``classified``: rows
    whose class was logged, not told by the score; None where no class is mapped. ``row``: number of the record among
    those that were decoded. ``ages``: of features at the time of the prediction, seconds or NaN. ``compared``: codes of
    the values that offline ones are compared with, shape (rows, features).
    """

    records: int
    rejected: Counter[str]
    time: Integers
    id: Integers
    version: Texts
    status: npt.NDArray[np.int32]
    latency: Floats
    outputs: Outputs
    features: Mapping[str, Any]
    has_features: Flags
    scopes: Mapping[str, Texts]
    fallback: npt.NDArray[np.int8]
    attributions: Floats | None
    classified: Flags | None = None
    row: Integers | None = None
    ages: Mapping[str, Floats] = field(default_factory=dict)
    compared: Integers | None = None

    def without(self, rows: Flags, reason: str) -> PredictionColumns:
        """Return all but ``rows``, which are counted as rejected for ``reason``."""
        gone = int(np.count_nonzero(rows))
        return self._having(~rows, self.records, self.rejected + Counter({reason: gone}))

    def until(self, time: int) -> PredictionColumns:
        """Return the records of up to ``time`` (epoch µs), as if the later ones had not been logged yet."""
        known = self.time <= time
        if known.all():
            return self
        return self._having(known, self.records - int(np.count_nonzero(~known)), self.rejected)

    def since(self, time: int) -> PredictionColumns:
        """Return the records of after ``time`` (epoch µs), as if the earlier ones had never been logged."""
        new = self.time > time
        if new.all():
            return self
        return self._having(new, self.records - int(np.count_nonzero(~new)), self.rejected)

    def _having(self, rows: Flags, number: int, rejected: Counter[str]) -> PredictionColumns:
        kept = np.flatnonzero(rows)
        columns = {item.name: getattr(self, item.name) for item in fields(self)}
        del columns["records"], columns["rejected"]
        found = {name: taken(column, kept) for name, column in columns.items()}
        found["version"] = found["version"].compact()
        found["scopes"] = {name: texts.compact() for name, texts in found["scopes"].items()}
        return replace(self, records=number, rejected=rejected, **found)


class LabelColumns(NamedTuple):
    """Usable label records. ``time``: epoch µs, or the smallest int64 where the record has none.

    ``label``: int64, float64 or bytes, as the task has them.
    """

    records: int
    rejected: Counter[str]
    id: Integers
    label: npt.NDArray[Any]
    time: Integers

    def until(self, time: int) -> LabelColumns:
        """Return the labels of up to ``time`` (epoch µs), in the order of their times; those without one stay."""
        rows = np.argsort(self.time, kind="stable")
        rows = rows[self.time[rows] <= time]
        return self.having(rows)

    def having(self, rows: Integers) -> LabelColumns:
        """Return some of the labels, as if the others had not been logged yet."""
        number = self.records - len(self.id) + len(rows)
        return self._replace(records=number, id=self.id[rows], label=self.label[rows], time=self.time[rows])
