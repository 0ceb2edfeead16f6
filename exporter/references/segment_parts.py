"""Segments in a reference file: counts over the bins of all rows, without what is 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np

from exporter.references.reference import Reference, SegmentCounts
from exporter.summary.base import Composite, Floats, Merge, Summary
from exporter.summary.outcomes import CalibrationSummary, GroupOutcomeSummary, calibration_arrays
from exporter.summary.traffic import AttributionSummary
from mlslo.yamlfile import StrictModel

Summarised = TypeVar("Summarised", bound=Summary)

Array = float | list[Any]
"""A number, or the numbers of an array; [n] among them stands for n zeros."""


class Segment(StrictModel):
    """Rows of one segment value. ``parts``: part -> array -> its numbers; one that is not there is of zeros."""

    rows: int
    parts: dict[str, dict[str, Array]]


class Outcomes(StrictModel):
    """Labelled predictions of all rows, of a classifier of the type ``of``."""

    of: Literal["binary", "multiclass"]
    arrays: dict[str, Array]

    @classmethod
    def data(cls, summary: CalibrationSummary) -> dict[str, Any]:
        """Convert to JSON."""
        of = next(name for name, nothing in _NO_OUTCOMES.items() if type(nothing) is type(summary))
        return {"of": of, "arrays": _data(summary, _NO_OUTCOMES[of])}

    def summary(self) -> CalibrationSummary:
        """Return the summary. Raises ValueError where the arrays are not its own."""
        return _summary(_NO_OUTCOMES[self.of], self.arrays)


_NOTHING, _NOWHERE = np.empty(0), np.empty(0, dtype=np.intp)
_NO_OUTCOMES: dict[str, CalibrationSummary] = {
    "binary": GroupOutcomeSummary.fold(_NOTHING, _NOWHERE, _NOWHERE, _NOWHERE, 1)[0],
    "multiclass": CalibrationSummary(**calibration_arrays(_NOTHING, _NOTHING > 0, _NOWHERE, 1))[0],
}

Segments = dict[str, dict[str, Segment]]
"""Segment, or attribute of groups, -> value -> its rows."""


def segments_data(reference: Reference) -> dict[str, Any]:
    """Convert the segments and the groups of a reference to JSON."""
    nothing = _nothing(reference)

    def data(found: SegmentCounts) -> dict[str, Any]:
        known = {part: _data(found.counts[part], nothing[part]) for part in found.counts if part in nothing}
        return {"rows": found.rows, "parts": known}

    return {
        name: {
            scope: {value: data(found) for value, found in values.items()} for scope, values in scopes.items()
        }
        for name, scopes in (("segments", reference.segments), ("groups", reference.groups))
    }


def with_segments(reference: Reference, segments: Segments, groups: Segments) -> Reference:
    """Return a reference of all rows with those of segments and groups. Raises ValueError where they do not fit."""
    nothing = _nothing(reference)

    def counts(item: Segment) -> SegmentCounts:
        known = {part: _summary(nothing[part], item.parts[part]) for part in item.parts if part in nothing}
        return SegmentCounts(item.rows, Composite(known))

    own, of_groups = (
        {scope: {value: counts(item) for value, item in values.items()} for scope, values in scopes.items()}
        for scopes in (segments, groups)
    )
    return replace(reference, segments=own, groups=of_groups)


def _nothing(reference: Reference) -> dict[str, Summary]:
    """Part -> the summary of no rows."""
    parts: dict[str, Summary] = dict(reference.counts)
    if reference.attributions:
        names = tuple(reference.attributions)
        parts["attributions"] = AttributionSummary.fold(names, np.empty((0, len(names))), _NOWHERE, 1)[0]
    return {part: _emptied(summary) for part, summary in parts.items()}


def _emptied(summary: Summary) -> Summary:
    neutral = np.array([0.0, np.inf, -np.inf])
    assert [rule.value for rule in (Merge.SUM, Merge.MINIMUM, Merge.MAXIMUM)] == [0, 1, 2]
    return summary.with_vector(neutral[summary.rules()])


def _data(summary: Summary, nothing: Summary) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for name in summary.merged_fields():
        array = np.asarray(getattr(summary, name))
        if not np.array_equal(array, getattr(nothing, name)):
            found[name] = _runs(array.ravel().tolist()) if array.ndim else _number(float(array))
    return found


def _runs(numbers: list[float]) -> list[Any]:
    found: list[Any] = []
    zeros = 0
    for number in [*numbers, None]:
        if number == 0:
            zeros += 1
            continue
        if zeros:
            found.append([zeros] if zeros > 1 else 0)
            zeros = 0
        if number is not None:
            found.append(_number(number))
    return found


def _number(number: float) -> float:
    return int(number) if number.is_integer() else number


def _summary(nothing: Summarised, arrays: Mapping[str, Array]) -> Summarised:
    if unknown := arrays.keys() - set(nothing.merged_fields()):
        raise ValueError(f"'{min(unknown)}' is no array of a {type(nothing).__name__}")
    return replace(nothing, **{name: _array(array, getattr(nothing, name)) for name, array in arrays.items()})


def _array(data: Array, like: Floats) -> Floats:
    """Return numbers as an array of the shape of ``like``. Raises ValueError where they are not as many."""
    size = np.size(like)
    numbers: list[Any] = []
    for item in data if isinstance(data, list) else [data]:
        if not isinstance(item, list):
            numbers.append(item)
        elif len(item) == 1 and type(item[0]) is int and 0 < item[0] <= size - len(numbers):
            numbers += [0] * item[0]
        else:
            raise ValueError(f"expected how many zeros, got {str(item)[:40]}")
    if len(numbers) != size:
        raise ValueError(f"expected {size} numbers in an array, got {len(numbers)}")
    try:
        return np.array(numbers, dtype=np.float64).reshape(np.shape(like))
    except TypeError:
        raise ValueError("expected numbers in an array") from None
