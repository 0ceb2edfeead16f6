"""Labels that found their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.state.revisions import Joined
from exporter.summary.base import Codes, Floats, Integers

Objects = npt.NDArray[np.object_]
Labels = Sequence[int | float | bytes]


@dataclass(frozen=True)
class Matches:
    """Labels that found their predictions, in the order of the predictions' times; arrays of shape (matches,).

    ``time``: the prediction's, epoch µs. ``label_time``: epoch µs, or the smallest int64 where unknown; where a label
    was revised, that of the first.
    ``label``: int64, float64 or an object array of bytes, as they were given. ``scope``: as it was given.
    ``weight``: how many predictions each stands for, the inverse of the chance that the pair was kept
    (Horvitz and Thompson, 1952): sums over matches times their weight are unbiased.
    ``payload``: object array of bytes or None.

    ``corrections``: predictions whose label another one replaces, and ``replaced``: the labels that counted before, as
    those of ``label``. Both None where nothing was corrected.

    ``unmatched``: labels whose prediction is not known. ``duplicate``: labels of ids that have one already.
    ``sampled_out``: labels of ids that are not in the sample. ``revised``: labels that say something else than the one
    that counted before. ``too_late``: those whose outcome cannot be corrected. All count labels, not weights.
    """

    version: Integers
    time: Integers
    score: Floats
    predicted: Codes
    label: npt.NDArray[Any]
    label_time: Integers
    scope: Integers
    weight: Floats
    payload: Objects
    replaced: npt.NDArray[Any] | None = None
    corrections: Matches | None = None
    unmatched: int = 0
    duplicate: int = 0
    sampled_out: int = 0
    revised: int = 0
    too_late: int = 0

    @classmethod
    def of_rows(
        cls,
        rows: Sequence[tuple[Any, ...]],
        labels: Labels = (),
        label_times: Integers | None = None,
        weights: Floats | None = None,
    ) -> Matches:
        """Convert rows of the table ``pending``: id, time, version, scope, score, predicted, payload, ..."""
        columns: Sequence[tuple[Any, ...]] = list(zip(*rows, strict=True)) if rows else [()] * 7
        _, time, version, scope, score, predicted, payload = columns[:7]
        payloads = np.empty(len(payload), dtype=object)
        payloads[:] = payload
        return cls(
            version=np.array(version, dtype=np.int64),
            time=np.array(time, dtype=np.int64),
            score=np.array([np.nan if value is None else value for value in score], dtype=np.float64),
            predicted=np.array(predicted, dtype=np.intp),
            label=_label_column(labels),
            label_time=np.empty(0, dtype=np.int64) if label_times is None else label_times,
            scope=np.array(scope, dtype=np.int64),
            weight=np.empty(0) if weights is None else weights,
            payload=payloads,
        )

    @classmethod
    def of_joined(cls, joined: Joined) -> Matches:
        """Convert predictions whose label has changed."""
        joined = joined.by_time()
        found = cls.of_rows(
            joined.rows,
            [standing.value for standing in joined.standing],
            np.array([standing.first for standing in joined.standing], dtype=np.int64),
            np.array(joined.weights, dtype=np.float64),
        )
        return replace(found, replaced=_label_column(joined.replaced)) if joined.replaced else found

    def within(self, wait: int) -> Matches:
        """Return those whose label came within ``wait`` (µs) of their prediction; the others as not matched."""
        found = self._of_time(wait)
        corrections = None if self.corrections is None else self.corrections._of_time(wait)
        late = len(self.time) - len(found.time)
        return replace(found, corrections=corrections, unmatched=self.unmatched + late)

    def _of_time(self, wait: int) -> Matches:
        # One that does not say when it came is that smallest number, and in time.
        rows = np.flatnonzero(self.label_time <= self.time + wait)
        columns = {item.name: getattr(self, item.name) for item in fields(self) if item.default is MISSING}
        found = replace(self, **{name: column[rows] for name, column in columns.items()})
        return found if self.replaced is None else replace(found, replaced=self.replaced[rows])

    @classmethod
    def joined(cls, parts: Sequence[Matches]) -> Matches:
        """Return the matches of all of ``parts``, by time; nothing is counted."""
        columns: dict[str, Any] = {
            field.name: np.concatenate([getattr(part, field.name) for part in [cls.of_rows([]), *parts]])
            for field in fields(cls)
            if field.default is MISSING
        }
        order = np.argsort(columns["time"], kind="stable")
        return cls(**{name: values[order] for name, values in columns.items()})


def _label_column(values: Labels) -> npt.NDArray[Any]:
    """Return ``values`` as int64, float64 or, where some are bytes, objects."""
    kinds = set(map(type, values))
    if kinds <= {int}:
        return np.array(values, dtype=np.int64)
    return np.array(values, dtype=np.float64 if kinds <= {int, float} else object)
