"""Label records."""

from __future__ import annotations

from collections import Counter

import numpy as np

from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Buffer, Columns, Parser, filled
from exporter.parse.times import epoch_microseconds
from exporter.parse.typed_rows import TypedRows
from exporter.records.columns import NO_TIME, LabelColumns
from exporter.summary.base import Flags, Integers
from exporter.tasks.task import Task, reject
from mlslo.monitor import Labels
from mlslo.monitor.times import WrittenTimes


class LabelDecoder:
    """Decodes label records of a task."""

    def __init__(self, labels: Labels, task: Task) -> None:
        fields = labels.fields
        self._task = task

        def request(paths: FieldPaths) -> dict[str, str]:
            return {
                **joined(paths, fields.id, fields.timestamp, labels.times),
                "label": task.label_expression(paths),
                "empty": paths.empty(),
            }

        self._parser = Parser(request)

    def close(self) -> None:
        """Release the parser."""
        self._parser.close()

    def decode(self, lines: Buffer | TypedRows, latest: int) -> LabelColumns:
        """Decode whole lines; labels from after ``latest`` (epoch µs) are rejected, those without a time kept."""
        raw, too_long = self._parser.select(lines)
        label, none = self._task.labels(raw["label"])
        time, identity, usable, rejected = judged(raw, too_long, latest, none)
        reject(rejected, "unknown_class", usable & self._task.unknown(label))
        return LabelColumns(len(usable) + too_long, rejected, identity[usable], label[usable], time[usable])


def joined(paths: FieldPaths, id_: str, timestamp: str | None, times: WrittenTimes) -> dict[str, str]:
    """Return SQL of what joins a record to its prediction: its time and its id."""
    stamp = paths.text(timestamp)
    return {
        "time": epoch_microseconds(stamp, times),
        "stamped": f"{stamp} IS NOT NULL",
        "id": sql.identity(paths.text(id_)),
    }


def judged(
    raw: Columns, too_long: int, latest: int, unlabelled: Flags | None = None
) -> tuple[Integers, Integers, Flags, Counter[str]]:
    """Return the time and the id of each record, whether it is usable, and why others are not."""
    rejected: Counter[str] = Counter({"too_long": too_long} if too_long else {})
    time = filled(raw["time"], NO_TIME).astype(np.int64)
    stamped = filled(raw["stamped"], False).astype(bool)
    identity = filled(raw["id"], 0).astype(np.uint64).view(np.int64)
    usable = np.ones(len(time), dtype=bool)
    for reason, bad in (
        ("malformed", filled(raw["empty"], False).astype(bool)),
        ("missing_id", identity == 0),
        ("invalid_label", np.zeros(len(time), dtype=bool) if unlabelled is None else unlabelled),
        ("invalid_timestamp", stamped & (time == NO_TIME)),
        ("future_timestamp", time > latest),
    ):
        reject(rejected, reason, usable & bad)
        usable &= ~bad
    return time, identity, usable, rejected
