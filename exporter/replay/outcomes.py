"""Labels joined to their predictions step by step, and folded as of a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exporter.fold.folding import Folding
from exporter.fold.grouping import BucketKeys, ScopeValues
from exporter.records.columns import NO_TIME
from exporter.replay.counting import PastCounters
from exporter.replay.ingestion import Columns, PastIngestion
from exporter.replay.steps import Grid
from exporter.state import Matches, Store
from exporter.summary.base import Integers
from exporter.summary.windows import MICROSECONDS
from exporter.tasks.task import Corrected, Labelled

_AT_ONCE = 500
"""Steps in one transaction."""


@dataclass(frozen=True)
class _Rows:
    """Joined predictions in the order of their times. ``step``: at which the label came, shape (rows,)."""

    matches: Matches
    step: Integers

    @classmethod
    def of(cls, parts: Sequence[tuple[int | Integers, Matches]]) -> _Rows:
        names = ["version", "time", "score", "predicted", "label", "label_time", "scope", "weight", "payload"]
        known = [(step, part) for step, part in parts if len(part.time)]
        if not known:
            return cls(Matches.of_rows([]), np.empty(0, dtype=np.int64))
        if known[0][1].replaced is not None:
            names.append("replaced")
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for _, part in known]) for name in names
        }
        steps = np.concatenate([np.broadcast_to(step, len(part.time)) for step, part in known])
        order = np.argsort(columns["time"], kind="stable")
        return cls(Matches(**{name: column[order] for name, column in columns.items()}), steps[order])


class Outcomes:
    """Labels known at each step."""

    def __init__(self) -> None:
        self._begin = 0
        self._waiting: list[int] = []
        self._ratios: list[float] = []
        self._first, self._corrections = _Rows.of([]), _Rows.of([])

    def join(
        self,
        ingestion: PastIngestion,
        store: Store,
        grid: Grid,
        steps: tuple[int, int],
        wait: int,
        progress: Callable[[int, int], None],
    ) -> None:
        """Join all labels, those of a step after its predictions, as a cycle at each step would have.

        ``steps``: the first and the last one. ``wait``: how long predictions wait, in µs.
        """
        waiting = ingestion.waiting()
        given, arrivals = ingestion.given(waiting)
        of_waiting, of_given = grid.first_from(waiting[1]), grid.first_from(arrivals)
        # Of what nobody knows when it came: before all else.
        known = [] if ingestion.past.first is None else [ingestion.past.first]
        before_all = min([steps[0], *grid.first_from(np.array(known, dtype=np.int64)).tolist()])
        of_given = np.where(arrivals == NO_TIME, before_all, of_given)
        first = min([before_all, *of_given[:1].tolist()])
        numbers = np.arange(first, steps[1] + 1)
        self._begin = first
        ends = np.searchsorted(of_waiting, numbers, side="right").tolist()
        given_ends = np.searchsorted(of_given, numbers, side="right").tolist()
        ingestion.past_presence.labels_at(of_given, given[2] != NO_TIME)
        counters = ingestion.past.counters
        counters.add_at("ml_sink_records_total", ("labels",), of_given)
        found: list[tuple[int | Integers, Matches]] = []
        corrected: list[tuple[int | Integers, Matches]] = []
        begin = begin_given = 0
        for some in range(0, len(numbers), _AT_ONCE):
            with store.transaction():
                for place in range(some, min(some + _AT_ONCE, len(numbers))):
                    number, end, given_end = int(numbers[place]), ends[place], given_ends[place]
                    now = grid.time(number)
                    if end > begin:
                        rows = slice(begin + int(np.searchsorted(waiting[1][begin:end], now - wait)), end)
                        found.append((number, store.pending.add(*_arguments(waiting, rows, now))))
                    if given_end > begin_given:
                        rows = slice(begin_given, given_end)
                        matches = store.pending.label(*_arguments(given, rows, now)).within(wait)
                        _count(counters, number, matches)
                        found.append((number, matches))
                        if matches.corrections is not None:
                            corrected.append((number, matches.corrections))
                    begin, begin_given = end, given_end
                    store.pending.expire(now - wait)
                    self._waiting.append(store.pending.waiting())
                    self._ratios.append(store.pending.sampling_ratio())
            progress(min(some + _AT_ONCE, len(numbers)), len(numbers))
        self._first, self._corrections = _Rows.of(found), _Rows.of(corrected)

    @classmethod
    def merged(cls, parts: Sequence[Outcomes], steps: tuple[int, int]) -> Outcomes:
        """Return the outcomes of all ids, of ``parts`` that have different ones, each joined up to the last step."""
        found, number = cls(), steps[1] - steps[0] + 1
        found._begin, found._ratios = steps[0], [1.0] * number
        found._waiting = np.sum([[0] * number, *(part._waiting[-number:] for part in parts)], axis=0).tolist()
        found._first, found._corrections = (
            _Rows.of([(rows.step, rows.matches) for rows in some])
            for some in ([part._first for part in parts], [part._corrections for part in parts])
        )
        return found

    def waiting(self, step: int) -> int:
        """Return how many predictions wait for a label."""
        return self._waiting[step - self._begin]

    def sampling_ratio(self, step: int) -> float:
        """Return the share of new predictions that is kept to be joined."""
        return self._ratios[step - self._begin]

    def fold(
        self,
        folding: Folding,
        scopes: ScopeValues,
        names: dict[int, str],
        step: int,
        edges: Integers,
        kept: Callable[[Integers], Integers],
    ) -> None:
        """Fold the predictions whose label came by ``step``, each into the part between two ``edges`` that it is in.

        ``names``: of the versions by number. ``kept``: rows that count, of times (epoch µs).
        """
        for rows in (self._first, self._corrections):
            begin, end = np.searchsorted(rows.matches.time, edges[[0, -1]])
            mine = begin + np.flatnonzero(rows.step[begin:end] <= step)
            mine = mine[kept(rows.matches.time[mine])]
            if not len(mine):
                continue
            matches = rows.matches
            time, label_time = matches.time[mine], matches.label_time[mine]
            labelled = Labelled(
                score=matches.score[mine],
                predicted=matches.predicted[mine],
                payload=matches.payload[mine],
                label=matches.label[mine],
                delay=np.where(label_time == NO_TIME, np.nan, (label_time - time) / MICROSECONDS),
                weight=matches.weight[mine],
            )
            if matches.replaced is not None:
                labelled = Corrected.of(labelled, matches.replaced[mine])
            starts = edges[np.searchsorted(edges, time, side="right") - 1]
            version = matches.version[mine]
            keys = BucketKeys(version, time, starts, scopes.of_pending(matches.scope[mine]))
            here = {number: names[number] for number in np.unique(version).tolist()}
            folding.fold_outcomes(labelled, keys, here)


def _arguments(columns: Columns, rows: slice, now: int) -> Any:
    return (*(column[rows] for column in columns), now)


def _count(counters: PastCounters, step: int, matches: Matches) -> None:
    steps = np.array([step])
    for reason in ("duplicate", "too_late", "sampled_out"):
        if number := getattr(matches, reason):
            name = "ml_sink_rejected_records_total"
            counters.add_at(name, ("labels", reason), steps, np.array([float(number)]))
    counters.add_at("ml_labels_unmatched_total", (), steps, np.array([float(matches.unmatched)]))
    counters.add_at("ml_labels_revised_total", (), steps, np.array([float(matches.revised)]))
