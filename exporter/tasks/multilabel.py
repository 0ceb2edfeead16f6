"""Multilabel classification: a set of classes, a probability for each class, or both."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
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

    def logged(self, paths: FieldPaths) -> dict[str, str]:
        return {}

    def output_expressions(self, paths: FieldPaths) -> dict[str, str]:
        return {"set": paths.whole(self._fields.prediction), "scores": paths.whole(self.score)}

    def outputs(self, raw: Mapping[str, Column], usable: Flags, rejected: Counter[str]) -> Outputs:
        sets, scores = raw["set"][usable].tolist(), raw["scores"][usable].tolist()
        logged, scored = (_there(texts) for texts in (sets, scores))
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
        payload = self._packed(members, given, probabilities, possible)
        return Outputs.unknown(
            len(sets),
            score=np.where(possible, probabilities.max(axis=1, initial=0.0), np.nan),
            value=np.array(
                [np.nan if item is None else zlib.crc32(item) for item in payload], dtype=np.float64
            ),
            payload=payload,
        )

    def answered(self, outputs: Outputs) -> Flags:
        members, known, _ = self._unpacked(outputs.payload)
        return known & (members[:, :-1].any(axis=1) | ~members[:, -1])

    def label_expression(self, paths: FieldPaths) -> str:
        return paths.whole(self._label)

    def labels(self, raw: Column) -> tuple[Column, Flags]:
        members, valid = self._sets.read(raw.tolist())
        return self._packed(members, np.ones(len(valid), dtype=bool)), ~valid

    def unknown(self, label: Column) -> Flags:
        found: Flags = self._unpacked(label)[0][:, -1]
        return found

    def fold_answers(self, outputs: Outputs, groups: Groups, size: int) -> dict[str, Summary]:
        members, known, _ = self._unpacked(outputs.payload)
        return {"label sets": LabelSetsSummary.fold(self.names, members[known], groups[known], size)}

    def fold_labels(self, rows: Labelled, groups: Groups, size: int) -> dict[str, Summary]:
        members, known, _ = self._unpacked(rows.label)
        weight = rows.weight[known]
        return {"label sets": LabelSetsSummary.fold(self.names, members[known], groups[known], size, weight)}

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> Summary:
        predicted, predicted_known, probabilities = self._unpacked(rows.payload)
        labels, labels_known, _ = self._unpacked(rows.label)
        known = predicted_known, labels_known
        return MultilabelOutcomeSummary.fold(
            self.names, predicted, labels, probabilities, known, groups, size, rows.weight
        )

    def quality(self, rows: Labelled) -> Floats:
        predicted, predicted_known, _ = self._unpacked(rows.payload)
        labels, labels_known, _ = self._unpacked(rows.label)
        # Of other names there is no telling that they are the same.
        right = (predicted == labels).all(axis=1) & ~predicted[:, -1]
        return np.where(predicted_known & labels_known, right, np.nan)

    def shown(self, content: bytes | None) -> str:
        """Return the classes in a set, for a person."""
        ((*members, other),), (known,), _ = self._unpacked(objects([content or b""]))
        found = [name for name, member in zip(self.names, members, strict=True) if member]
        found += ["a class that is not known"] if other else []
        return (", ".join(found) or "no class") if known else "not known"

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

    def _unpacked(self, contents: Column | None) -> tuple[Flags, Flags, Floats]:
        """Return sets, shape (rows, names + 1), where they are known, and probabilities, NaN where there are none.

        Not known is what waited for a label under other classes.
        """
        rows = [] if contents is None else contents.tolist()
        width, many = (len(self.names) + 8) // 8, len(self.names)
        members = np.zeros((len(rows), many + 1), dtype=bool)
        probabilities = np.full((len(rows), many), np.nan)
        lengths = np.array(
            [len(row) if isinstance(row, bytes) and row[:4] == self._mark else 0 for row in rows],
            dtype=np.int64,
        )
        known = np.zeros(len(rows), dtype=bool)
        for length, scored in ((4 + width, False), (4 + width + 4 * many, True)):
            mine = np.flatnonzero(lengths == length)
            if not len(mine):
                continue
            content = np.frombuffer(b"".join([rows[row] for row in mine.tolist()]), dtype=np.uint8)
            content = content.reshape(len(mine), length)
            known[mine] = True
            bits = np.unpackbits(content[:, 4 : 4 + width], axis=1, count=many + 1)
            members[mine] = bits.astype(bool)
            if scored:
                numbers = np.ascontiguousarray(content[:, 4 + width :])
                probabilities[mine] = numbers.view(np.float32)
        return members, known, probabilities


def _there(texts: list[Any]) -> Flags:
    return np.array([text is not None for text in texts], dtype=bool)


def _bytes_of(rows: Column) -> list[bytes]:
    """Return each row of an array as bytes."""
    if not len(rows):
        return []
    content, width = rows.tobytes(), rows.shape[1] * rows.itemsize
    return [content[start : start + width] for start in range(0, len(content), width)]
