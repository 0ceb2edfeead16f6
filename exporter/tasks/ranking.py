"""Ranking: one record is one list of items, best first."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.references.reference import Reference
from exporter.summary.base import Flags, Floats, Groups, Integers, Summary
from exporter.summary.ranking import RankingOutcomeSummary, list_quality
from exporter.tasks.task import Column, Labelled, Outputs, Payloads, Task, objects, reject
from mlslo.monitor import Spec

_LONGEST = 100
"""Items of a list that are kept until its label comes."""

_EMPTY = -1.0
"""The value of a list without items; hashes are not negative."""

# ``tie``: the same for neighbours of equal score.
_SHOWN = np.dtype([("item", np.uint32), ("tie", np.uint8)])
_RELEVANT = np.dtype([("item", np.uint32), ("gain", np.float32)])
_LARGEST_GAIN = float(np.finfo(np.float32).max)


class RankingTask(Task):
    """``prediction``: items, best first. ``score``: their scores, where logged; ties are averaged.

    A label is a list of the relevant items, or an object item -> gain.
    """

    def __init__(self, spec: Spec, references: Mapping[str, Reference]) -> None:
        super().__init__(spec, references)
        # Scores without their items are no ranking, and no invalid one either.
        self.scored = self.scored and self._fields.prediction is not None
        self._cutoffs = tuple(sorted(set(spec.predictions.cutoffs)))

    def logged(self, paths: FieldPaths) -> dict[str, str]:
        return {}

    def output_expressions(self, paths: FieldPaths) -> dict[str, str]:
        return {
            "items": paths.text(self._fields.prediction),
            "scores": paths.text(self.score if self.scored else None),
        }

    def outputs(self, raw: Mapping[str, Column], usable: Flags, rejected: Counter[str]) -> Outputs:
        items, scores = raw["items"][usable].tolist(), raw["scores"][usable].tolist()
        size = len(items)
        payloads = np.full(size, None, dtype=object)
        first, highest = np.full(size, np.nan), np.full(size, np.nan)
        pairs = zip(items, scores, strict=True)
        there = np.array([item is not None or score is not None for item, score in pairs], dtype=bool)
        rows, shown, known = [], [], []
        for row in np.flatnonzero(there).tolist():
            listed = _parsed(items[row])
            scored = _scores(_parsed(scores[row]), listed)
            if scored is not None:
                rows.append(row)
                shown.append(listed[:_LONGEST])
                known.append(scored[:_LONGEST])
        impossible = there.copy()
        impossible[rows] = False
        reject(rejected, "invalid_score", impossible)
        if rows:
            lengths = np.array([len(listed) for listed in shown], dtype=np.int64)
            records = np.empty(int(lengths.sum()), dtype=_SHOWN)
            records["item"] = _hashes(chain.from_iterable(shown))
            numbers = np.array(list(chain.from_iterable(known)), dtype=np.float64)
            starts = np.cumsum(lengths) - lengths
            records["tie"] = _ties(numbers, lengths)
            payloads[rows] = _split(records, lengths)
            some = lengths > 0
            first[rows] = _EMPTY
            first[np.array(rows)[some]] = records["item"][starts[some]]
            highest[np.array(rows)[some]] = numbers[starts[some]]
        return Outputs.unknown(size, score=highest, value=first, payload=payloads)

    def labels(self, raw: Column) -> tuple[Column, Flags]:
        found = [_gains(_parsed(text)) for text in raw.tolist()]
        none = np.array([gains is None for gains in found], dtype=bool)
        usable = [gains or {} for gains in found]
        lengths = np.array([len(gains) for gains in usable], dtype=np.int64)
        records = np.empty(int(lengths.sum()), dtype=_RELEVANT)
        records["item"] = _hashes(chain.from_iterable(usable))
        records["gain"] = list(chain.from_iterable(gains.values() for gains in usable))
        return _split(records, lengths), none

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> Summary:
        return RankingOutcomeSummary.fold(self._cutoffs, self._quality(rows), groups, size, rows.weight)

    def quality(self, rows: Labelled) -> Floats:
        found: Floats = self._quality(rows)[:, 0, -1]
        return found

    def _quality(self, rows: Labelled) -> Floats:
        shown, lengths = _joined(rows.payload, _SHOWN)
        relevant, relevant_lengths = _joined(rows.label, _RELEVANT)
        return list_quality(
            self._cutoffs,
            _found(_keys(shown, lengths), _keys(relevant, relevant_lengths), relevant["gain"]),
            lengths,
            relevant["gain"].astype(np.float64),
            relevant_lengths,
            shown["tie"].astype(np.float64),
        )


def _joined(contents: Column, of: np.dtype[np.void]) -> tuple[Column, Integers]:
    """The records of all lists one after the other, and how many each has."""
    lengths = np.array([len(content or b"") // of.itemsize for content in contents], dtype=np.int64)
    return np.frombuffer(b"".join(content or b"" for content in contents), dtype=of), lengths


def _keys(records: Column, lengths: Integers) -> Integers:
    """One number for each item of each list."""
    keys: Integers = (np.repeat(np.arange(len(lengths)), lengths) << 32) | records["item"]
    return keys


def _found(shown: Integers, relevant: Integers, gains: Column) -> Floats:
    """The gain of every item shown; one that is shown twice is found once."""
    found = np.zeros(len(shown))
    if not len(relevant) or not len(shown):
        return found
    keys, last = np.unique(relevant[::-1], return_index=True)
    gain = gains[::-1][last]
    distinct, first = np.unique(shown, return_index=True)
    places = np.minimum(np.searchsorted(keys, distinct), len(keys) - 1)
    hit = keys[places] == distinct
    found[first[hit]] = gain[places[hit]]
    return found


def _ties(scores: Floats, lengths: Integers) -> Integers:
    """A number that grows along each list where the score is another one than before, or unknown."""
    if not len(scores):
        return np.empty(0, dtype=np.int64)
    changes = np.ones(len(scores), dtype=np.int64)
    changes[1:] = scores[1:] != scores[:-1]
    numbers = np.cumsum(changes)
    starts = (np.cumsum(lengths) - lengths)[lengths > 0]
    since: Integers = numbers - np.repeat(numbers[starts], lengths[lengths > 0])
    return since


def _split(records: Column, lengths: Integers) -> Payloads:
    """The records of each list as bytes."""
    content, width = records.tobytes(), records.dtype.itemsize
    ends = np.cumsum(lengths) * width
    starts = ends - lengths * width
    return objects([content[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)])


def _parsed(text: Any) -> Any:
    """The JSON in ``text``; None where there is none."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _scores(scores: Any, items: Any) -> list[float] | None:
    """A finite score for each item, NaN for all where none is logged; None where there is no list of items."""
    if not isinstance(items, list):
        return None
    if scores is None:
        return [math.nan] * len(items)
    if not isinstance(scores, list) or len(scores) != len(items):
        return None
    # Nearly every list is of floats alone, and told in a fifth of the time.
    if set(map(type, scores)) <= {float} and all(map(math.isfinite, scores)):
        return scores
    found = [_number(score) for score in scores]
    return None if any(number is None for number in found) else found  # type: ignore[return-value]


def _gains(label: Any) -> dict[Any, float] | None:
    """Item -> gain; None where the label is neither a list of items nor an object of gains."""
    if isinstance(label, dict):
        gains = {item: _number(gain) for item, gain in label.items()}
        usable = all(gain is not None and 0 <= gain <= _LARGEST_GAIN for gain in gains.values())
        return gains if usable else None  # type: ignore[return-value]
    if isinstance(label, list):
        return {_text(item): 1.0 for item in label}
    return None


def _number(value: Any) -> float | None:
    """A finite number, None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _text(item: Any) -> str:
    """An item as the key of an object has it; 3.0 is 3, as of ids of records."""
    return sql.identity_text(item if isinstance(item, str) else json.dumps(item, sort_keys=True))


def _hashes(items: Iterable[Any]) -> list[int]:
    """32 bits that no upgrade changes; two of a hundred items share theirs once in a million lists."""
    texts = (item if type(item) is str and not item.endswith(".0") else _text(item) for item in items)
    return [zlib.crc32(text.encode("utf-8", "surrogatepass")) for text in texts]
