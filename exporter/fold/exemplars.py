"""Exemplars of the latency histogram: the id of the latest prediction in each bucket."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exporter.parse.json_lines import Buffer
from exporter.parse.typed_rows import TypedRows
from exporter.records.columns import PredictionColumns
from exporter.records.predictions import PredictionDecoder
from exporter.summary.base import Floats, Integers
from exporter.summary.windows import MICROSECONDS

_CHUNK = 1 << 20


class Exemplars:
    """The latest prediction of each version and bucket, as (id, latency in seconds, Unix seconds).

    They are kept in memory only: whoever scrapes has those from before a restart.

    ``longest``: an id of more characters is passed over, as OpenMetrics has it.
    """

    def __init__(self, bounds: Floats, longest: int) -> None:
        self._bounds = bounds
        self._longest = longest
        self._latest: dict[tuple[str, str], tuple[str, float, float]] = {}

    def of(self, version: str) -> dict[str, tuple[str, float, float]]:
        """Return the exemplars of a version by the bucket's upper bound (``inf`` for the last)."""
        return {bound: found for (name, bound), found in self._latest.items() if name == version}

    def take(
        self,
        lines: Buffer | TypedRows,
        columns: PredictionColumns,
        versions: Integers,
        names: dict[int, str],
        decoder: PredictionDecoder,
    ) -> None:
        """Look for later predictions in records that ``decoder`` has decoded from ``lines``."""
        assert columns.row is not None
        bounds = [*map(repr, self._bounds.tolist()), "inf"]
        cells = np.searchsorted(self._bounds, columns.latency, side="left")
        usable = (columns.latency >= 0) & (columns.id != 0)
        # Of rows in the order of their time the last one that is assigned counts.
        order = np.argsort(columns.time, kind="stable")
        order = order[usable[order]]
        chosen: list[tuple[str, str, int]] = []
        for number, name in names.items():
            latest = np.full(len(bounds), -1, dtype=np.intp)
            mine = order[versions[order] == number]
            latest[cells[mine]] = mine
            for bound, row in zip(bounds, latest.tolist(), strict=True):
                known = self._latest.get((name, bound))
                if row >= 0 and (known is None or columns.time[row] / MICROSECONDS >= known[2]):
                    chosen.append((name, bound, row))
        if not chosen:
            return
        rows = [row for _, _, row in chosen]
        places = columns.row[rows].tolist()
        few = lines.at(places) if isinstance(lines, TypedRows) else b"\n".join(_lines_at(lines, places))
        found = decoder.requests(few)
        for name, bound, row in chosen:
            # Rows that are not where they are looked for (after an empty line) are passed over.
            text = found.get(int(columns.id[row]))
            if text is not None and len(text) <= self._longest:
                at = float(columns.time[row] / MICROSECONDS)
                self._latest[name, bound] = (text, float(columns.latency[row]), at)


def _lines_at(lines: Buffer, rows: Sequence[int]) -> list[bytes]:
    """Return the lines of these numbers, from 0; those that are not there are left out."""
    content = np.frombuffer(lines, dtype=np.uint8)
    newlines = content == ord("\n")
    chunks = [newlines[start : start + _CHUNK] for start in range(0, len(content), _CHUNK)]
    before = np.concatenate([[0], np.cumsum([np.count_nonzero(chunk) for chunk in chunks])])

    def end(number: int) -> int:
        """The place of a newline, or the end of all lines."""
        if number >= before[-1]:
            return len(content)
        chunk = int(np.searchsorted(before, number, side="right")) - 1
        return chunk * _CHUNK + int(np.flatnonzero(chunks[chunk])[number - before[chunk]])

    return [bytes(content[end(row - 1) + 1 if row else 0 : end(row)]) for row in rows if row <= before[-1]]
