"""Ranking: one record is one list of items, best first."""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from exporter.leaves import Leaves
from exporter.monitor import Spec
from exporter.parser import filled
from exporter.summary.base import Floats, Groups, Summary
from exporter.summary.ranking import RankingOutcomeSummary, list_quality
from exporter.tasks.answers import Answers
from exporter.tasks.task import Column, Labelled, Mask, Task, reject

_LONGEST = 100
"""Items of a list that are kept until its label comes."""

_SHOWN = np.dtype([("item", np.uint32), ("score", np.float32)])
_RELEVANT = np.dtype([("item", np.uint32), ("gain", np.float32)])


class RankingTask(Task):
    """``prediction``: items, best first. ``score``: their scores, where logged; ties are averaged.

    A label is a list of the relevant items, or an object item -> gain.
    """

    def __init__(self, spec: Spec) -> None:
        self._fields = spec.predictions.fields
        self._label = spec.labels.fields.label if spec.labels else None
        self._cutoffs = tuple(sorted(set(spec.predictions.cutoffs)))
        self.scored = self._fields.score is not None

    def answer_expressions(self, leaves: Leaves) -> dict[str, str]:
        return {
            "items": leaves.text(self._fields.prediction),
            "scores": leaves.text(self._fields.score),
        }

    def answers(self, raw: Mapping[str, Column], usable: Mask, rejected: Counter[str]) -> Answers:
        items, scores = filled(raw["items"], None)[usable], filled(raw["scores"], None)[usable]
        size = len(items)
        payloads = np.full(size, None, dtype=object)
        first, highest = np.full(size, np.nan), np.full(size, np.nan)
        impossible = np.zeros(size, dtype=bool)
        for row in range(size):
            shown, known = _parsed(items[row]), _parsed(scores[row])
            if items[row] is None:
                continue
            if not isinstance(shown, list) or not shown or not _fits(known, shown):
                impossible[row] = True
                continue
            record = np.empty(min(len(shown), _LONGEST), dtype=_SHOWN)
            record["item"] = [_hashed(item) for item in shown[:_LONGEST]]
            record["score"] = known[:_LONGEST] if known else np.nan
            payloads[row] = record.tobytes()
            first[row] = record["item"][0]
            highest[row] = known[0] if known else np.nan
        reject(rejected, "invalid_score", impossible)
        unknown = np.full(size, np.nan)
        return Answers(
            score=highest,
            predicted=np.full(size, -1, dtype=np.intp),
            confidence=unknown,
            entropy=unknown,
            value=first,
            payload=payloads,
        )

    def label_expression(self, leaves: Leaves) -> str:
        return leaves.text(self._label)

    def labels(self, raw: Column) -> tuple[Column, Mask]:
        texts = filled(raw, None)
        labels = np.full(len(texts), b"", dtype=object)
        none = np.zeros(len(texts), dtype=bool)
        for row, text in enumerate(texts):
            gains = _gains(_parsed(text))
            if gains is None:
                none[row] = True
                continue
            record = np.empty(len(gains), dtype=_RELEVANT)
            record["item"] = [_hashed(item) for item in gains]
            record["gain"] = list(gains.values())
            labels[row] = record.tobytes()
        return labels, none

    def fold_outcome(self, rows: Labelled, groups: Groups, size: int, *, pivot: float) -> dict[str, Summary]:
        quality = self._quality(rows)
        return {"outcomes": RankingOutcomeSummary.fold(self._cutoffs, quality, groups, size, rows.weight)}

    def quality(self, rows: Labelled) -> Floats:
        found: Floats = self._quality(rows)[:, 0, -1]
        return found

    def _quality(self, rows: Labelled) -> Floats:
        shown = [np.frombuffer(content or b"", dtype=_SHOWN) for content in rows.payload]
        relevant = [np.frombuffer(label, dtype=_RELEVANT) for label in rows.label]
        gains = []
        for items, known in zip(shown, relevant, strict=True):
            gain = dict(zip(known["item"].tolist(), known["gain"].tolist(), strict=True))
            # An item that is shown twice is found once.
            gains.append([gain.pop(item, 0.0) for item in items["item"].tolist()])
        return list_quality(
            self._cutoffs,
            np.array([gain for row in gains for gain in row], dtype=np.float64),
            np.array([len(items) for items in shown], dtype=np.intp),
            _joined(relevant, "gain"),
            np.array([len(known) for known in relevant], dtype=np.intp),
            _joined(shown, "score") if self.scored else None,
        )


def _joined(records: list[np.ndarray], field: str) -> Floats:
    if not records:
        return np.empty(0)
    return np.concatenate([record[field] for record in records]).astype(np.float64)


def _parsed(text: Any) -> Any:
    """The JSON in ``text``; None where there is none."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _fits(scores: Any, items: list[Any]) -> bool:
    """Whether there are no scores, or a finite one for each item."""
    if scores is None:
        return True
    return (
        isinstance(scores, list)
        and len(scores) == len(items)
        and all(
            isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
            for score in scores
        )
    )


def _gains(label: Any) -> dict[str, float] | None:
    """Item -> gain; None where the label is neither a list of items nor an object of gains."""
    if isinstance(label, dict):
        usable = all(
            isinstance(gain, int | float) and not isinstance(gain, bool) and 0 <= gain < math.inf
            for gain in label.values()
        )
        return {_text(item): float(gain) for item, gain in label.items()} if usable else None
    if isinstance(label, list):
        return {_text(item): 1.0 for item in label}
    return None


def _text(item: Any) -> str:
    return item if isinstance(item, str) else json.dumps(item, sort_keys=True)


def _hashed(item: Any) -> int:
    """32 bits that no upgrade changes; two of a hundred items share theirs once in a million lists."""
    return zlib.crc32(_text(item).encode("utf-8", "surrogatepass"))
