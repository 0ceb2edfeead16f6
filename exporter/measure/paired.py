"""Two versions that answered the same requests, live and shadow, joined by request id from the log itself.

The daemon cannot do this: its summaries hold counts, not requests. Rows go through a file that DuckDB joins, so that
memory is bounded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from exporter.fold.version_schemas import VersionSchemas
from exporter.parse import sql
from exporter.records.labels import LabelDecoder
from exporter.records.predictions import PredictionDecoder
from exporter.records.reshaping import plain, reshapings
from exporter.references.reference import Reference
from exporter.sinks import SinkReader
from exporter.state import Store
from exporter.statistics.differences import Interval
from exporter.statistics.intervals import wilson_interval
from exporter.statistics.paired import mcnemar_p_value, paired_mean_interval, paired_share_interval
from exporter.summary.windows import CLOCK_SKEW, Window
from exporter.tasks import task_of
from exporter.tasks.task import Task
from mlslo.monitor import Monitor

_MEMORY = "256MB"
_MOST_SEGMENT_VALUES = 20


@dataclass(frozen=True)
class Pairs:
    """Requests that both versions answered: all, or those of a segment's value.

    ``scored``: pairs with both scores; ``score_difference``: mean of candidate minus baseline; ``score_distance``: mean
    of its size. ``decided``: pairs with both classes; ``disagreements``: those whose classes differ.

    ``labelled``: pairs with a label and both answers; ``only_baseline`` and ``only_candidate``: those in which only
    that one is right. ``error_difference``: of regression, mean of the candidate's absolute error minus the baseline's.
    Intervals are of 95 %.
    """

    segment: str
    value: str
    pairs: int
    scored: int
    score_difference: float | None
    score_interval: Interval | None
    score_distance: float | None
    decided: int
    disagreements: int
    disagreement_interval: Interval | None
    labelled: int
    only_baseline: int
    only_candidate: int
    accuracy_interval: Interval | None
    p_value: float | None
    error_difference: float | None
    error_interval: Interval | None

    @property
    def disagreement(self) -> float | None:
        """Share of the pairs whose classes differ."""
        return self.disagreements / self.decided if self.decided else None

    @property
    def accuracy_difference(self) -> float | None:
        """The candidate's accuracy minus the baseline's, of the labelled pairs."""
        return (self.only_candidate - self.only_baseline) / self.labelled if self.labelled else None


def pairs(
    monitor: Monitor, references: Mapping[str, Reference], versions: tuple[str, str], window: Window
) -> list[Pairs]:
    """Join the predictions of two versions in a window by request id; all pairs first, then each segment's values.

    The first prediction of an id counts for each version, and its last label where ``labels.revisions`` is last, else
    its first. ``references``: of which classes and kinds of features follow.
    """
    task = task_of(plain(monitor).spec, references)
    schemas = VersionSchemas(plain(monitor), task, references)
    with _joined(monitor, versions, window, task, schemas) as connection:
        found = [_row(row, "", "", task) for row in _sums(connection, task)]
        for position, segment in enumerate(schemas.segments):
            column = f"segment{position}"
            by_value = _sums(connection, task, f"GROUP BY {column} ORDER BY count(*) DESC, {column}", column)
            found += [_row(row[1:], segment, str(row[0]), task) for row in by_value[:_MOST_SEGMENT_VALUES]]
    return [item for item in found if item.pairs or not item.segment]


@contextmanager
def _joined(
    monitor: Monitor, versions: tuple[str, str], window: Window, task: Task, schemas: VersionSchemas
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Fill a table ``pairs``: a row for each request that both answered."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="mlslo-compare-")))
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": str(folder / "spilled"),
        }
        connection = duckdb.connect(str(folder / "pairs.duckdb"), config=config)
        opened.callback(connection.close)
        names = [f"segment{position}" for position in range(len(schemas.segments))]
        texts = "".join(f", {name} VARCHAR" for name in names)
        connection.execute(
            "CREATE TABLE predictions (id BIGINT, candidate BOOLEAN, place BIGINT, score DOUBLE, predicted INTEGER"
            f"{texts})"
        )
        label = "DOUBLE" if task.classes == () else "BIGINT"
        connection.execute(f"CREATE TABLE labels (id BIGINT, place BIGINT, label {label})")
        store = Store(None)
        opened.callback(store.close)
        _read_predictions(connection, monitor, versions, window, schemas, store)
        if monitor.spec.labels is not None:
            _read_labels(connection, monitor, window, task, store)
        last = monitor.spec.labels is not None and monitor.spec.labels.revisions == "last"
        first = "SELECT DISTINCT ON (id) * FROM {} ORDER BY id, place"
        segments = "".join(f", a.{name}" for name in names)
        connection.execute(
            f"""
            CREATE TABLE pairs AS SELECT a.score AS old_score, b.score AS new_score, a.predicted AS old_class,
                b.predicted AS new_class, label{segments}
            FROM ({first.format("predictions WHERE NOT candidate")}) a
            JOIN ({first.format("predictions WHERE candidate")}) b USING (id)
            LEFT JOIN ({first.format("labels")}{" DESC" if last else ""}) l USING (id)
            """
        )
        yield connection


def _read_predictions(
    connection: duckdb.DuckDBPyConnection,
    monitor: Monitor,
    versions: tuple[str, str],
    window: Window,
    schemas: VersionSchemas,
    store: Store,
) -> None:
    reshaping = reshapings(monitor, store)["predictions"]
    with ExitStack() as opened:
        decoder = PredictionDecoder(schemas.requested())
        opened.callback(decoder.close)
        reader = SinkReader("predictions", monitor, monitor.spec.predictions.sink, store)
        opened.callback(reader.close)
        place = 0
        for batch in reader.batches(final=True, stopped=lambda: False):
            with store.transaction():
                reader.commit(batch)
                for portion in reshaping.portions(batch.lines, window.end):
                    columns = decoder.decode(portion.lines, window.end + CLOCK_SKEW)
                    code = {name: number for number, name in enumerate(columns.version.names)}
                    old, new = (code.get(version, -1) for version in versions)
                    of = columns.version.codes
                    kept = np.flatnonzero(
                        ((of == old) | (of == new))
                        & (columns.id != 0)
                        & columns.outputs.given
                        & (columns.time >= window.start)
                        & (columns.time < window.end)
                    )
                    rows: dict[str, Any] = {
                        "id": columns.id[kept],
                        "candidate": of[kept] == new,
                        "place": place + kept,
                        "score": columns.outputs.score[kept],
                        "predicted": columns.outputs.predicted[kept].astype(np.int32),
                    }
                    for position, name in enumerate(schemas.segments):
                        texts = columns.scopes[name]
                        names = np.array([*texts.names, ""], dtype=object)
                        rows[f"segment{position}"] = names[texts.codes[kept]]
                    _insert(connection, "predictions", rows)
                    place += len(columns.time)


def _read_labels(
    connection: duckdb.DuckDBPyConnection, monitor: Monitor, window: Window, task: Task, store: Store
) -> None:
    labels = plain(monitor).spec.labels
    assert labels is not None
    reshaping = reshapings(monitor, store)["labels"]
    with ExitStack() as opened:
        decoder = LabelDecoder(labels, task)
        opened.callback(decoder.close)
        reader = SinkReader("labels", monitor, labels.sink, store)
        opened.callback(reader.close)
        place = 0
        for batch in reader.batches(final=True, stopped=lambda: False):
            with store.transaction():
                reader.commit(batch)
                for portion in reshaping.portions(batch.lines, window.end):
                    columns = decoder.decode(portion.lines, window.end + CLOCK_SKEW)
                    number = len(columns.id)
                    if columns.label.dtype != object:
                        rows = {"id": columns.id, "place": place + np.arange(number), "label": columns.label}
                        _insert(connection, "labels", rows)
                    place += number


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: dict[str, Any]) -> None:
    if len(rows["id"]):
        names = ", ".join(map(sql.name, rows))
        connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM rows")


def _sums(
    connection: duckdb.DuckDBPyConnection, task: Task, grouping: str = "", column: str = ""
) -> list[tuple[Any, ...]]:
    """Counts and moments of the pairs, a row for each group."""
    labelled = "label IS NOT NULL"
    if task.classes:
        labelled += " AND old_class >= 0 AND new_class >= 0"
        old, new, error = "old_class = label", "new_class = label", "NULL::DOUBLE"
    else:
        labelled += " AND old_score IS NOT NULL AND new_score IS NOT NULL"
        old, new, error = "false", "false", "abs(new_score - label) - abs(old_score - label)"
    both = "old_class >= 0 AND new_class >= 0"
    return connection.execute(
        f"""
        SELECT {f"{column}," if column else ""} count(*), count(new_score - old_score), avg(new_score - old_score),
            var_pop(new_score - old_score), avg(abs(new_score - old_score)), count(*) FILTER ({both}),
            count(*) FILTER ({both} AND old_class <> new_class), count(*) FILTER ({labelled}),
            count(*) FILTER ({labelled} AND {old} AND NOT ({new})),
            count(*) FILTER ({labelled} AND {new} AND NOT ({old})),
            avg({error}) FILTER ({labelled}), var_pop({error}) FILTER ({labelled})
        FROM pairs {grouping}
        """
    ).fetchall()


def _row(row: tuple[Any, ...], segment: str, value: str, task: Task) -> Pairs:
    count, scored, mean, variance, distance, decided, differ, labelled, old, new, error, spread = row
    classes = bool(task.classes)
    return Pairs(
        segment,
        value,
        count,
        scored,
        mean,
        None if variance is None else paired_mean_interval(mean, variance, scored),
        distance,
        decided,
        differ,
        wilson_interval(differ, decided),
        labelled,
        old,
        new,
        paired_share_interval(old, new, labelled) if classes else None,
        mcnemar_p_value(old, new) if classes else None,
        error,
        None if spread is None else paired_mean_interval(error, spread, labelled),
    )
