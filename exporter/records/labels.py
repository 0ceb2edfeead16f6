"""Label records."""

from __future__ import annotations

from collections import Counter

import numpy as np

from exporter.parse import sql
from exporter.parse.field_paths import FieldPaths
from exporter.parse.json_lines import Buffer, Parser, filled
from exporter.parse.times import epoch_microseconds
from exporter.parse.typed_rows import TypedRows
from exporter.records.columns import NO_TIME, LabelColumns
from exporter.tasks.task import Task, reject
from mlslo.monitor import Labels


class LabelDecoder:
    """Decodes label records of a task."""

    def __init__(self, labels: Labels, task: Task) -> None:
        fields = labels.fields
        self._task = task

        def request(paths: FieldPaths) -> dict[str, str]:
            stamp = paths.text(fields.timestamp)
            return {
                "time": epoch_microseconds(stamp, labels.times),
                "stamped": f"{stamp} IS NOT NULL",
                "id": sql.identity(paths.text(fields.id)),
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
        rejected: Counter[str] = Counter({"too_long": too_long} if too_long else {})
        time = filled(raw["time"], NO_TIME).astype(np.int64)
        stamped = filled(raw["stamped"], False).astype(bool)
        identity = filled(raw["id"], 0).astype(np.uint64).view(np.int64)
        label, none = self._task.labels(raw["label"])
        usable = np.ones(len(time), dtype=bool)
        for reason, bad in (
            ("malformed", filled(raw["empty"], False).astype(bool)),
            ("missing_id", identity == 0),
            ("invalid_label", none),
            ("invalid_timestamp", stamped & (time == NO_TIME)),
            ("future_timestamp", time > latest),
        ):
            reject(rejected, reason, usable & bad)
            usable &= ~bad
        reject(rejected, "unknown_class", usable & self._task.unknown(label))
        return LabelColumns(len(usable) + too_long, rejected, identity[usable], label[usable], time[usable])
