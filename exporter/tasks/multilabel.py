"""Multilabel classification: a set of classes, a probability for each class, or both."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from exporter.parse.field_paths import FieldPaths
from exporter.parse.label_sets import LabelSets
from exporter.references.reference import Reference
from exporter.summary.base import Flags, Floats, Groups, Summary
from exporter.summary.multilabel import LabelSetsSummary, MultilabelOutcomeSummary
from exporter.summary.outcomes import ROUNDING
from exporter.tasks.task import Column, Labelled, Outputs, Payloads, Task, objects, reject
from mlslo.monitor import Spec

_THRESHOLD = 0.5
_NUMBERS = 1 << 22
"""Numbers of a table of rows and classes that are worked on at a time: a batch of 200 classes would take gigabytes."""


class MultilabelTask(Task):
    """``names``: the classes of the monitor file. No answer is one of them, so that ``classes`` is empty.

    What waits for its label is a mark of the classes, a bit for each, one for other names, and the probabilities in
    single precision where they are logged: 30 bytes of 200 classes, and 800 more.
    """

    def __init__(self, spec: Spec, references: Mapping[str, Reference]) -> None:
        super().__init__(spec, references)
        self.names = tuple(spec.predictions.classes or ())
        self._sets = LabelSets(self.names)
        # Bits that wait for a label mean nothing once the classes are others.
        self._mark = zlib.crc32("\0".join(self.names).encode()).to_bytes(4, "little")
        # Where bits and probabilities end.
        bits = len(self._mark) + (len(self.names) + 8) // 8
        self._ends = bits, bits + 4 * len(self.names)

    def logged(self, paths: FieldPaths) -> dict[str, str]:
        return {}

    def output_expressions(self, paths: FieldPaths) -> dict[str, str]:
        return {"set": paths.whole(self._fields.prediction), "scores": paths.whole(self.score)}

    def outputs(self, raw: Mapping[str, Column], usable: Flags, rejected: Counter[str]) -> Outputs:
        sets, scores = raw["set"][usable].tolist(), raw["scores"][usable].tolist()
        parts = [self._outputs(sets[some], scores[some], rejected) for some in self._portions(len(sets))]
        payload = np.concatenate([part for _, part in parts])
        return Outputs.unknown(
            len(sets),
            score=np.concatenate([part for part, _ in parts]),
            value=np.array(
                [np.nan if item is None else zlib.crc32(item) for item in payload], dtype=np.float64
            ),
            payload=payload,
        )

    def _outputs(self, sets: list[Any], scores: list[Any], rejected: Counter[str]) -> tuple[Floats, Payloads]:
        """Return the largest probability of each row, NaN where there is none, and what waits for its label."""
        logged, scored = (
            np.array([one is not None for one in texts], dtype=bool) for texts in (sets, scores)
        )
        members, given = self._sets.read(sets)
        probabilities, other = self._sets.probabilities(scores, _THRESHOLD, ROUNDING)
        possible = np.isfinite(probabilities).all(axis=1)
        # The model gave an answer: another one, from its scores, might not be its own.
        derived = ~logged & possible
        members[derived, :-1] = probabilities[derived] >= _THRESHOLD
        members[derived, -1] = other[derived]
        reject(rejected, "invalid_score", (logged & ~given) | (scored & ~possible))
        given |= derived
        reject(rejected, "unknown_class", given & members[:, -1])
        possible &= given
        largest = np.where(possible, probabilities.max(axis=1, initial=0.0), np.nan)
        return largest, self._packed(members, given, probabilities, possible)

    def answered(self, outputs: Outputs) -> Flags:
        members, known = self._unpacked(outputs.payload)
        return known & (members[:, :-1].any(axis=1) | ~members[:, -1])

    def label_expression(self, paths: FieldPaths) -> str:
        return paths.whole(self._label)

    def labels(self, raw: Column) -> tuple[Column, Flags]:
        texts = raw.tolist()
        parts = [self._sets.read(texts[some]) for some in self._portions(len(texts))]
        packed = [self._packed(members, np.ones(len(valid), dtype=bool)) for members, valid in parts]
        return np.concatenate(packed), ~np.concatenate([valid for _, valid in parts])

    def unknown(self, label: Column) -> Flags:
        place, bit = divmod(len(self.names), 8)
        return np.array([bool(item[4 + place] & (0x80 >> bit)) for item in label.tolist()], dtype=bool)

    def fold_answers(self, outputs: Outputs, groups: Groups, size: int) -> dict[str, Summary]:
        return {"label sets": self._fold_sets(outputs.payload, groups, size, np.ones(len(groups)))}

    def fold_labels(self, rows: Labelled, groups: Groups, size: int) -> dict[str, Summary]:
        return {"label sets": self._fold_sets(rows.label, groups, size, rows.weight)}

    def _fold_sets(self, contents: Column | None, groups: Groups, size: int, weights: Floats) -> Summary:
        def fold(some: slice) -> LabelSetsSummary:
            members, known = self._unpacked(None if contents is None else contents[some])
            return LabelSetsSummary.fold(
                self.names, members[known], groups[some][known], size, weights[some][known]
            )

        return reduce(add, map(fold, self._portions(len(groups))))

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> Summary:
        def fold(some: slice) -> MultilabelOutcomeSummary:
            part = rows.take(some)
            predicted, predicted_known = self._unpacked(part.payload)
            labels, labels_known = self._unpacked(part.label)
            known, probabilities = (predicted_known, labels_known), self._probabilities(part.payload)
            return MultilabelOutcomeSummary.fold(
                self.names, predicted, labels, probabilities, known, groups[some], size, part.weight
            )

        return reduce(add, map(fold, self._portions(len(groups))))

    def quality(self, rows: Labelled) -> Floats:
        parts = [self._right(rows.take(some)) for some in self._portions(len(rows.payload))]
        return np.concatenate(parts)

    def _right(self, rows: Labelled) -> Floats:
        predicted, predicted_known = self._unpacked(rows.payload)
        labels, labels_known = self._unpacked(rows.label)
        # Of other names there is no telling that they are the same.
        right = (predicted == labels).all(axis=1) & ~predicted[:, -1]
        return np.where(predicted_known & labels_known, right, np.nan)

    def shown(self, content: bytes | None) -> str:
        """Return the classes in a set, for a person."""
        ((*members, other),), (known,) = self._unpacked(objects([content or b""]))
        found = [name for name, member in zip(self.names, members, strict=True) if member]
        found += ["a class that is not known"] if other else []
        return (", ".join(found) or "no class") if known else "not known"

    def _portions(self, rows: int) -> Iterator[slice]:
        """Yield slices of ``rows``, at least one."""
        step = max(1, _NUMBERS // (len(self.names) + 2))
        return (slice(start, start + step) for start in range(0, max(rows, 1), step))

    def _packed(
        self, members: Flags, given: Flags, probabilities: Floats | None = None, possible: Flags | None = None
    ) -> Payloads:
        payloads = np.full(len(given), None, dtype=object)
        payloads[given] = objects(
            [self._mark + row for row in _bytes_of(np.packbits(members[given], axis=1))]
        )
        if probabilities is not None and possible is not None and possible.any():
            numbers = _bytes_of(np.ascontiguousarray(probabilities[possible], dtype=np.float32))
            payloads[possible] = objects(
                [item + row for item, row in zip(payloads[possible].tolist(), numbers, strict=True)]
            )
        return payloads

    def _unpacked(self, contents: Column | None) -> tuple[Flags, Flags]:
        """Return sets, shape (rows, names + 1), and which of them are known.

        Not known is what waited for a label under other classes.
        """
        rows = [] if contents is None else contents.tolist()
        end = self._ends[0]
        known = np.array([isinstance(row, bytes) and row[:4] == self._mark for row in rows], dtype=bool)
        members = np.zeros((len(rows), len(self.names) + 1), dtype=bool)
        bits = b"".join([row[4:end] for row, mine in zip(rows, known.tolist(), strict=True) if mine])
        packed = np.frombuffer(bits, dtype=np.uint8).reshape(-1, end - 4)
        members[known] = np.unpackbits(packed, axis=1, count=len(self.names) + 1)
        return members, known

    def _probabilities(self, contents: Column) -> Floats:
        """Return the probabilities of predictions that waited; NaN where there were none, or of other classes."""
        start, end = self._ends
        found = np.full((len(contents), len(self.names)), np.nan)
        mine = [
            row
            for row, item in enumerate(contents.tolist())
            if isinstance(item, bytes) and len(item) == end and item[:4] == self._mark
        ]
        numbers = b"".join([contents[row][start:] for row in mine])
        found[mine] = np.frombuffer(numbers, dtype=np.float32).reshape(-1, len(self.names))
        return found


def _bytes_of(rows: Column) -> list[bytes]:
    """Return each row of an array as bytes."""
    if not len(rows):
        return []
    content, width = rows.tobytes(), rows.shape[1] * rows.itemsize
    return [content[start : start + width] for start in range(0, len(content), width)]
