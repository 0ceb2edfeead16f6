"""The exporter in a notebook: DataFrames or files in, DataFrames out. Needs the extra `pandas`.

DataFrames are written as JSON lines to a temporary folder and read as any log is: there is one way of decoding.
"""

from __future__ import annotations

import glob
import json
import math
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from exporter.extras import needs
from exporter.measure.exposition import Snapshot
from exporter.references.reference import Reference
from mlslo import atomic
from mlslo.monitor import FeatureArray, FileSink, Monitor, PredictionFields, Sink, load
from mlslo.yamlfile import InputError

if TYPE_CHECKING:
    import pandas as pd

File: TypeAlias = str | Path
Data: TypeAlias = "pd.DataFrame | File | Sequence[File]"


@dataclass(frozen=True)
class BuiltReference:
    """A static reference of a model.

    ``accounts``: one row for each column of the data, and for what the model answered: what kind it was taken for,
    and what to write below ``features`` of the monitor file to change that. ``malformed``: records that could not be
    parsed. ``doubts``: what looks odd, as the command warns of it.
    """

    model: str
    reference: Reference
    accounts: pd.DataFrame
    malformed: int
    doubts: list[str]

    @property
    def rows(self) -> int:
        """Records that the reference is made of."""
        return self.reference.rows

    def save(self, path: File) -> None:
        """Write the reference file that a monitor file names under ``references``. Raises OSError."""
        from exporter.references.reference_file import dump

        atomic.write(Path(path), dump(self.model, self.reference).encode())


def baseline(monitor: File, data: Data, *, fit_loss_estimator: bool = False) -> BuiltReference:
    """Build a static reference from data that the model was right on, as ``mlslo-exporter baseline`` does.

    ``data``: a DataFrame, or files (*.jsonl, *.csv or *.parquet). ``fit_loss_estimator``: of a regression, as the
    command's flag; needs the extra `loss`. Raises InputError.
    """
    pandas = _pandas()
    from exporter.records.plain_files import plain_files
    from exporter.references.baseline import build

    loaded = load(monitor)
    with tempfile.TemporaryDirectory(prefix="mlslo-notebook-") as folder:
        written = Path(folder, "data.jsonl")
        files = _files(data, written, None)
        try:
            plain = plain_files(loaded, files, Path(folder))
            built = build(*plain, fit_loss_estimator=fit_loss_estimator)
            reference = built.reference
            if not reference.features and reference.score is None and reference.classes is None:
                message = (
                    f"neither a feature nor a score nor a class was found; look at 'fields' in {monitor}"
                )
                raise InputError.of_file(files[0], message)
        except InputError as error:
            named = {str(written): "DataFrame 'data'"}
            raise InputError(
                [replace(problem, file=named.get(problem.file, problem.file)) for problem in error.problems]
            ) from None
    columns = ["feature", "kind", "declared", "detail", "correction"]
    accounts = pandas.DataFrame([vars(account) for account in built.accounts], columns=columns)
    return BuiltReference(loaded.model, reference, accounts, built.malformed, built.doubts)


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
    from exporter.measure.exposition import samples

    found = samples([_measured(monitor, predictions, labels, at)], {})
    frame = pandas.DataFrame([{"metric": one.name, **one.labels, "value": one.value} for one in found])
    names = [name for name in frame.columns if name not in ("metric", "value")]
    frame[names] = frame[names].fillna("")
    return frame[["metric", *names, "value"]]


def _measured(
    monitor: File, predictions: Data | None, labels: Data | None, at: datetime | str | None
) -> Snapshot:
    """Return what one cycle exports."""
    from exporter.daemon.models import Model
    from exporter.references.configured import load_static

    loaded = load(monitor)
    if labels is not None and loaded.spec.labels is None:
        message = (
            "labels are given, but the file does not say where an id and a label are in them; add 'labels'"
        )
        raise loaded.document.error(("spec",), message)
    end = None if at is None else _unix_time(at)
    with tempfile.TemporaryDirectory(prefix="mlslo-notebook-") as folder:
        loaded = _reading(loaded, Path(folder), predictions, labels)
        with closing(Model(loaded, load_static(loaded)).open(None)) as cycle:
            snapshot = cycle.run(at=end, final=True)
    assert snapshot is not None
    if end is None and (newest := snapshot.newest_outside_windows()) is not None:
        warnings.warn(
            f"no prediction lies in any window that ends now; the newest fits at='{newest}'", stacklevel=3
        )
    return snapshot


@dataclass(frozen=True)
class Report:
    """A model's page, which a notebook shows. ``html``: a document. ``data``: the same figures, and all gauges."""

    html: str
    data: dict[str, Any]

    def _repr_html_(self) -> str:
        # In a frame of its own: the page's styles are not the notebook's.
        return f'<iframe srcdoc="{escape(self.html)}" style="width: 100%; height: 45rem; border: 0"></iframe>'


def report(
    monitor: File,
    predictions: Data | None = None,
    labels: Data | None = None,
    at: datetime | str | None = None,
    *,
    version: str | None = None,
    window: str | None = None,
    reference: str | None = None,
) -> Report:
    """Show what one cycle finds, as ``mlslo-exporter report`` does.

    ``predictions``, ``labels``, ``at``: as of ``once``. ``version``, ``window``, ``reference``: what is shown, by
    default the busiest version, the shortest window with rows enough, and the first reference.

    Raises InputError, CycleError.
    """
    from exporter.pages import Choice, Frame, as_data, page

    snapshot = _measured(monitor, predictions, labels, at)
    choice = Choice(version, window, reference)
    return Report(page(snapshot, Frame(str(monitor), standalone=True), choice), as_data(snapshot, choice))


def _pandas() -> ModuleType:
    try:
        import pandas
    except ModuleNotFoundError:
        message = f"no pandas: a notebook {needs('pandas')}"
        raise ModuleNotFoundError(message, name="pandas") from None
    module: ModuleType = pandas
    return module


def _reading(monitor: Monitor, folder: Path, predictions: Data | None, labels: Data | None) -> Monitor:
    """``monitor`` with sinks of the given data."""
    spec = monitor.spec
    for name, data in (("predictions", predictions), ("labels", labels)):
        if data is not None:
            # Links in a folder of their own.
            log, links = getattr(spec, name), folder / name
            links.mkdir()
            fields = spec.predictions.fields if name == "predictions" else None
            for number, file in enumerate(_files(data, links.with_suffix(".jsonl"), fields)):
                (links / f"{number:06}").symlink_to(file.absolute())
            sink = Sink(file=FileSink(path=glob.escape(str(links)) + "/*", format="jsonl"))
            spec = spec.model_copy(update={name: log.model_copy(update={"sink": sink})})
    return Monitor(monitor.document, monitor.file.model_copy(update={"spec": spec}))


def _files(data: Any, path: Path, fields: PredictionFields | None) -> list[Path]:
    """``data`` as files; a DataFrame is written to ``path`` as JSON lines, the inverse of ``pandas.json_normalize``.

    ``fields``: where they name an object of features and no column lies below it, every column that is no other field
    is a feature. Where they name the elements of a list, and there is a column for each, the list is made of them.
    """
    if not hasattr(data, "columns"):
        files = [data] if isinstance(data, str | Path) else list(data)
        if not files:
            raise ValueError("expected a DataFrame or at least one file")
        return [Path(file) for file in files]
    places = _places([str(name) for name in data.columns], fields)
    listed = fields.features if fields is not None else None
    array = listed if isinstance(listed, FeatureArray) and _is_flat(places, listed) else None
    columns = []
    for position in range(len(places)):
        column = data.iloc[:, position]
        columns.append(column.astype(object).where(column.notna(), None).tolist())
    with path.open("w", encoding="utf-8") as file:
        for row in zip(*columns, strict=True):
            record: dict[str, Any] = {}
            for (*outer, last), value in zip(places, row, strict=True):
                into = record
                if value is not None:
                    for name in outer:
                        into = into.setdefault(name, {})
                    into[last] = _json(value)
            if array is not None:
                _gather(record, array)
            file.write(json.dumps(record) + "\n")
    return [path]


def _is_flat(places: Sequence[tuple[str, ...]], array: FeatureArray) -> bool:
    """Return True where each element of a list has a column, and the list itself has none."""
    taken = array.path.split(".")[0] in {place[0] for place in places}
    return not taken and {(name,) for name in array.names} <= {*places}


def _gather(record: dict[str, Any], array: FeatureArray) -> None:
    """Move features from columns of their own into the list where the monitor file has them."""
    *outer, last = array.path.split(".")
    values = [record.pop(name, None) for name in array.names]
    into = record
    for name in outer:
        into = into.setdefault(name, {})
    into[last] = values


def _places(names: Sequence[str], fields: PredictionFields | None) -> list[tuple[str, ...]]:
    """Return where each column is in a record. Raises InputError where a column would lie within another."""
    places = [tuple(name.split(".")) for name in names]
    features = fields.features if fields is not None else None
    if fields is not None and isinstance(features, str):
        below = tuple(features.split("."))
        if not any(place[: len(below)] == below for place in places):
            given = [value for name, value in fields if name != "features" and value is not None]
            others = {(value if isinstance(value, str) else value.field).split(".")[0] for value in given}
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


def _json(value: Any) -> Any:
    """``value`` as JSON has it: no NaN, which is nothing, and no infinity, which the exporter reads as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None if math.isnan(value) else str(value)
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
        case Mapping():
            return {str(key): _json(item) for key, item in value.items()}
        case list() | tuple():
            return [_json(item) for item in value]
    # Arrays, and numbers of numpy's.
    return _json(value.tolist()) if hasattr(value, "tolist") else str(value)


def _unix_time(at: datetime | str) -> float:
    try:
        time = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError:
        raise ValueError(f"expected a time such as 2026-01-31T12:00:00Z, got '{at}'") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
