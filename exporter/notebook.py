"""The exporter in a notebook: DataFrames or files in, DataFrames out. Needs pandas (`pip install 'mlslo[pandas]'`).

DataFrames are written as JSON lines to a temporary folder and read as any log is: there is one way of decoding.
"""

from __future__ import annotations

import glob
import json
import math
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from exporter.references.reference import Reference
from mlslo import atomic
from mlslo.monitor import FileSink, Monitor, PredictionFields, Sink, load
from mlslo.yamlfile import InputError

if TYPE_CHECKING:
    import pandas as pd

_ROWS_AT_ONCE = 50_000

File: TypeAlias = str | Path
Data: TypeAlias = "pd.DataFrame | File | Sequence[File]"


@dataclass(frozen=True)
class BuiltReference:
    """A static reference of a model.

    ``accounts``: one row for each column of the data, and for what the model answered: what kind it was taken for,
    and what to write below ``features`` of the monitor file to change that. ``malformed``: records that could not be
    parsed.
    """

    model: str
    reference: Reference
    accounts: pd.DataFrame
    malformed: int

    @property
    def rows(self) -> int:
        """Records that the reference is made of."""
        return self.reference.rows

    def save(self, path: File) -> None:
        """Write the reference file that a monitor file names under ``references``. Raises OSError."""
        from exporter.references.reference_file import dump

        atomic.write(Path(path), dump(self.model, self.reference).encode())


def baseline(monitor: File, data: Data) -> BuiltReference:
    """Build a static reference from data that the model was right on, as ``mlslo-exporter baseline`` does.

    ``data``: a DataFrame, or files (*.jsonl, *.csv or *.parquet). Raises InputError.
    """
    pandas = _pandas()
    from exporter.references.baseline import build

    loaded = load(monitor)
    with _temporary_folder() as folder:
        files = _files(data) or [_write(folder / "data.jsonl", data, None)]
        built = build(loaded, files)
        reference = built.reference
        if not reference.features and reference.score is None and reference.classes is None:
            message = f"neither a feature nor a score nor a class was found; look at 'fields' in {monitor}"
            raise InputError.of_file(files[0], message)
    columns = ["feature", "kind", "declared", "detail", "correction"]
    accounts = pandas.DataFrame([vars(account) for account in built.accounts], columns=columns)
    return BuiltReference(loaded.model, reference, accounts, built.malformed)


def once(
    monitor: File,
    predictions: Data | None = None,
    labels: Data | None = None,
    at: datetime | str | None = None,
) -> pd.DataFrame:
    """Measure all records in one cycle, as ``mlslo-exporter once`` does; one row for each sample.

    ``predictions`` and ``labels``: DataFrames or JSON-lines files; where None, the sink that the monitor file names.
    ``at``: the end of the windows, now where None; without a time zone it is UTC. The result has the columns
    ``metric``, every label (empty where a metric does not have it) and ``value``.

    Raises InputError, CycleError.
    """
    pandas = _pandas()
    from exporter.daemon.models import Model
    from exporter.references.configured import load_static

    loaded = load(monitor)
    if labels is not None and loaded.spec.labels is None:
        message = (
            "labels are given, but the file does not say where an id and a label are in them; add 'labels'"
        )
        raise InputError([loaded.document.problem(("spec",), message)])
    end = None if at is None else _unix_time(at)
    with _temporary_folder() as folder:
        loaded = _reading(loaded, folder, predictions, labels)
        cycle = Model(loaded, load_static(loaded)).open(None)
        try:
            snapshot = cycle.run(at=end, final=True)
        finally:
            cycle.close()
    assert snapshot is not None
    if end is None and (newest := snapshot.newest_outside_windows()) is not None:
        warnings.warn(
            f"no prediction lies in any window that ends now; the newest fits at='{newest}'", stacklevel=2
        )
    from exporter.measure.exposition import families

    rows = [
        {"metric": sample.name, **sample.labels, "value": sample.value}
        for family in families([snapshot], {})
        for sample in family.samples
    ]
    frame = pandas.DataFrame(rows)
    names = [name for name in frame.columns if name not in ("metric", "value")]
    frame[names] = frame[names].fillna("")
    return frame[["metric", *names, "value"]]


def _pandas() -> ModuleType:
    try:
        import pandas
    except ModuleNotFoundError:
        message = "exporter.baseline and exporter.once need pandas: pip install 'mlslo[pandas]'"
        raise ModuleNotFoundError(message, name="pandas") from None
    module: ModuleType = pandas
    return module


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder for DataFrames, whose files are called DataFrames in the text of errors."""
    with tempfile.TemporaryDirectory(prefix="mlslo-notebook-") as name:
        try:
            yield Path(name)
        except InputError as error:
            problems = [
                replace(problem, file=f"DataFrame '{Path(problem.file).stem}'")
                if Path(problem.file).parent == Path(name)
                else problem
                for problem in error.problems
            ]
            raise InputError(problems) from None


def _files(data: Any) -> list[Path] | None:
    """``data`` as files; None where it is a DataFrame."""
    if hasattr(data, "columns"):
        return None
    files = [data] if isinstance(data, str | Path) else list(data)
    if not files:
        raise ValueError("expected a DataFrame or at least one file")
    return [Path(file) for file in files]


def _reading(monitor: Monitor, folder: Path, predictions: Data | None, labels: Data | None) -> Monitor:
    """``monitor`` with sinks of the given data."""
    spec = monitor.spec
    if predictions is not None:
        sink = _sink(folder / "predictions.jsonl", predictions, spec.predictions.fields)
        spec = spec.model_copy(update={"predictions": spec.predictions.model_copy(update={"sink": sink})})
    if labels is not None and spec.labels is not None:
        sink = _sink(folder / "labels.jsonl", labels, None)
        spec = spec.model_copy(update={"labels": spec.labels.model_copy(update={"sink": sink})})
    return Monitor(monitor.document, monitor.file.model_copy(update={"spec": spec}))


def _sink(path: Path, data: Data, fields: PredictionFields | None) -> Sink:
    """A sink of ``data``: of its own files, or of those below ``path``."""
    files = _files(data)
    if files is None:
        _write(path, data, fields)
        return _file_sink(glob.escape(str(path)))
    if len(files) == 1:
        return _file_sink(str(files[0].absolute()))
    for number, file in enumerate(files):
        path.with_suffix(f".{number:06}").symlink_to(file.absolute())
    return _file_sink(glob.escape(str(path.with_suffix(""))) + ".*")


def _file_sink(pattern: str) -> Sink:
    return Sink(file=FileSink(path=pattern, format="jsonl"))


def _write(path: Path, frame: Any, fields: PredictionFields | None) -> Path:
    """Write a DataFrame as JSON lines: the inverse of ``pandas.json_normalize``.

    ``fields``: where they name an object of features and no column lies below it, every column that is no other field
    is a feature.
    """
    places = _places([str(name) for name in frame.columns], fields)
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, len(frame), _ROWS_AT_ONCE):
            block = frame.iloc[start : start + _ROWS_AT_ONCE]
            columns = [_values(block.iloc[:, position]) for position in range(len(places))]
            for row in zip(*columns, strict=True):
                file.write(_line(_nested(places, row)) + "\n")
    return path


def _places(names: Sequence[str], fields: PredictionFields | None) -> list[tuple[str, ...]]:
    """Return where each column is in a record. Raises InputError where a column would lie within another."""
    places = [tuple(name.split(".")) for name in names]
    features = fields.features if fields is not None else None
    if fields is not None and isinstance(features, str):
        below = tuple(features.split("."))
        if not any(place[: len(below)] == below for place in places):
            others = {path.split(".")[0] for path in _paths(fields)}
            places = [
                place if place[0] in others else (*below, name)
                for place, name in zip(places, names, strict=True)
            ]
    for place, name in zip(places, names, strict=True):
        if places.count(place) > 1:
            raise InputError.of_file("DataFrame", f"column '{name}' is there twice")
        if any(place[:end] in places for end in range(1, len(place))):
            raise InputError.of_file("DataFrame", f"column '{name}' lies within another column")
    return places


def _paths(fields: PredictionFields) -> Iterator[str]:
    """The path of every field but ``features``."""
    for name, value in fields:
        if name != "features" and value is not None:
            yield value if isinstance(value, str) else value.field


def _values(column: Any) -> list[Any]:
    """The values of a column as JSON has them; None where there is none. Times without a zone are UTC."""
    if column.dtype.kind == "M":
        if column.dt.tz is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        times = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        column = times.astype(object)
    missing = column.isna()
    values: list[Any] = column.astype(object).where(~missing, None).tolist()
    return values


def _nested(places: Sequence[tuple[str, ...]], row: Iterable[Any]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for place, value in zip(places, row, strict=True):
        if value is None:
            continue
        into = record
        for name in place[:-1]:
            into = into.setdefault(name, {})
        into[place[-1]] = value
    return record


def _line(record: dict[str, Any]) -> str:
    try:
        return json.dumps(record, default=_plain, allow_nan=False)
    except ValueError:
        return json.dumps(_spelt(record), default=_plain)


def _plain(value: Any) -> Any:
    """Arrays, numpy's numbers and times as JSON has them."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    return _spelt(value.tolist()) if hasattr(value, "tolist") else str(value)


def _spelt(value: Any) -> Any:
    """JSON has neither NaN, which is nothing, nor infinity, which the exporter reads as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _spelt(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spelt(item) for item in value]
    return _spelt(value.tolist()) if hasattr(value, "tolist") else value


def _unix_time(at: datetime | str) -> float:
    try:
        time = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        raise ValueError(f"expected a time such as 2026-01-31T12:00:00Z, got '{at}'") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
