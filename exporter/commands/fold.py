"""mlslo-exporter fold."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from exporter.commands import ENGINE, MASTER, MONITOR, time_of
from exporter.commands.one_cycle import prepare
from mlslo.command_line import PATH, WRONG, input_errors, refuse

if TYPE_CHECKING:
    from exporter.daemon.models import Model
    from mlslo.monitor import Monitor


@click.command()
@MONITOR
@click.option(
    "--data",
    metavar="FILE|URL...",
    multiple=True,
    help="Predictions to read instead of those of the monitor file's sink; URLs by Spark only.",
)
@click.option("--labels", metavar="FILE|URL...", multiple=True, help="With --data: the labels to read.")
@click.argument("more_data", metavar="", nargs=-1)
@click.option(
    "--until",
    metavar="RFC3339",
    callback=time_of,
    help="Leave out what is later; the exporter then counts what is later than this, from wherever its sinks begin.",
)
@click.option(
    "--state-dir", type=PATH, required=True, help="The folder of the state that `run` goes on from."
)
@ENGINE
@MASTER
@input_errors()
def fold(
    monitor: Path,
    data: tuple[str, ...],
    labels: tuple[str, ...],
    more_data: tuple[str, ...],
    until: float | None,
    state_dir: Path,
    engine: str,
    master: str | None,
) -> None:
    """Count a log of the past, and write the state that `mlslo-exporter run` goes on from.

    What is read of the monitor file's own files is not read again. With --engine spark the logs may be larger than
    any machine; the state is the same.
    """
    from exporter.daemon.models import load_all
    from exporter.fold.ingestion import FOLDED
    from exporter.state import Store, StoreError

    data += more_data
    if labels and not data:
        refuse("--labels needs --data")
    prepare()
    (model,) = load_all([monitor])
    if model.monitor.pushed():
        refuse(f"model {model.name}: its events are pushed; expected a log that can be read again")
    path = model.state_file(state_dir)
    if path.exists():
        refuse(f"{path}: there is a state already; expected none, or another --state-dir")
    at = time.time() if until is None else until
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=state_dir, prefix=".fold-") as work:
            made = Path(work) / path.name
            given = {"predictions": data, "labels": labels} if data else {}
            past = _Past(model, given, Path(work), made, at, until is not None)
            if engine == "local":
                _fold_here(past)
            else:
                _fold_by_spark(past, master)
            with closing(Store(made)) as store:
                with store.transaction():
                    if data or until is not None:
                        store.positions.clear()
                    if until is not None:
                        store.marks.put(FOLDED, round(until * 1_000_000))
                records = store.counters.totals("ml_sink_records_total")
                rejected = store.counters.totals("ml_sink_rejected_records_total")
            made.rename(path)
    except StoreError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{error.filename or state_dir}: cannot be written: {error.strerror}")
    for (sink,), number in records.items():
        reasons = [
            f"{reason} {count:,.0f}" for (of, reason), count in rejected.items() if of == sink and count
        ]
        passed_over = f"; rejected: {', '.join(reasons)}" if reasons else ""
        click.echo(f"{sink}: {number:,.0f} records{passed_over}")
    if data and until is None:
        click.echo(
            "the exporter counts all that its own sinks hold: none of it may be among these records", err=True
        )
    click.echo(f"{path}: written")


class _Past(NamedTuple):
    """A fold. ``given``: logs instead of the monitor file's, by sink. ``as_of``: leave out what is after ``at``."""

    model: Model
    given: Mapping[str, Sequence[str]]
    work: Path
    path: Path
    at: float
    as_of: bool


def _fold_here(past: _Past) -> None:
    from exporter.daemon.cycle import CycleError
    from exporter.daemon.models import Model
    from exporter.state import Store

    model = past.model
    for url in (url for urls in past.given.values() for url in urls if _is_url(url)):
        refuse(f"{url}: is read by Spark only; expected a file, or --engine spark")
    monitor = _pointed_at(model, past.given, past.work)
    try:
        with closing(Model(monitor, model.references).cycle(Store(past.path))) as cycle:
            snapshot = cycle.run(at=past.at, as_of=past.as_of, whole=not past.as_of, final=True)
    except CycleError as error:
        refuse(f"model {model.name}: {error}", WRONG)
    up = {} if snapshot is None else snapshot.series["ml_sink_up"]
    if not all(up.values()) or not up:
        refuse(f"model {model.name}: not everything could be read; nothing is written", WRONG)


def _fold_by_spark(past: _Past, master: str | None) -> None:
    from exporter.spark.fold import fold, inputs, refuse_whole
    from exporter.spark.session import SparkError, spark_session

    model, given = past.model, past.given
    if problem := refuse_whole(model.monitor):
        refuse(f"model {model.name}: {problem}; expected --engine local")
    urls = {name: some for name, some in given.items() if any(map(_is_url, some))}
    for some in urls.values():
        if not all(map(_is_url, some)):
            refuse(f"{next(filter(_is_url, some))}: beside files; expected only files, or only URLs")
    files = {name: some for name, some in given.items() if name not in urls}
    try:
        monitor = _pointed_at(model, files, past.work)
        found = inputs(monitor, urls)
        with spark_session(master) as spark:
            remarks = fold(spark, model, found, past.path, past.at, as_of=past.as_of)
    except SparkError as error:
        refuse(f"model {model.name}: {error}", WRONG)
    for remark in remarks:
        click.echo(f"warning: {remark}", err=True)


def _is_url(text: str) -> bool:
    return "://" in text


def _pointed_at(model: Model, given: Mapping[str, Sequence[str]], work: Path) -> Monitor:
    """Return the monitor file with sinks of the files that are ``given``, by sink, below ``work``."""
    from mlslo.monitor import FileSink, Monitor, Sink

    logs = {}
    for name, paths in given.items():
        log = getattr(model.monitor.spec, name)
        if log is None:
            continue
        folder = work / name
        folder.mkdir()
        for number, path in enumerate(paths):
            if not os.path.isfile(path):  # noqa: PTH113 - a text, as it was written
                refuse(f"{path}: is no file")
            (folder / f"{number:06d}-{Path(path).name}").symlink_to(Path(path).absolute())
        if not paths:
            (folder / "none.jsonl").touch()
        format_ = log.sink.file.format if log.sink.file is not None else None
        sink = Sink(file=FileSink(path=f"{folder}/*", format=format_))
        logs[name] = log.model_copy(update={"sink": sink})
    monitor = model.monitor
    spec = monitor.spec.model_copy(update=logs)
    return Monitor(monitor.document, monitor.file.model_copy(update={"spec": spec}))
