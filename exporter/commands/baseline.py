"""mlslo-exporter baseline."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.commands import ENGINE, MASTER, MONITOR
from mlslo import atomic
from mlslo.command_line import PATH, input_errors, refuse

if TYPE_CHECKING:
    from exporter.references.baseline import Baseline
    from mlslo.monitor import Monitor


@click.command()
@MONITOR
@click.option(
    "--data",
    metavar="FILE...",
    required=True,
    multiple=True,
    help="Training data or a stretch of log: *.jsonl, *.csv or *.parquet; by Spark no CSV, but URLs and folders, too.",
)
@click.argument("more_data", metavar="", nargs=-1)
@ENGINE
@MASTER
@click.option(
    "--fit-loss-estimator",
    is_flag=True,
    help="Of a regression: learn from the labels where it errs, for estimates without labels; extra 'loss'.",
)
@click.option("--out", required=True, type=PATH, help="The reference file to write.")
@input_errors()
def baseline(
    monitor: Path,
    data: tuple[str, ...],
    more_data: tuple[str, ...],
    engine: str,
    master: str | None,
    fit_loss_estimator: bool,
    out: Path,
) -> None:
    """Build a static reference from data that the model was right on."""
    from exporter.references.reference_file import dump
    from mlslo.monitor import load

    loaded = load(monitor)
    everything = [*data, *more_data]
    if engine == "local":
        result = _build_here(
            loaded, [Path(file) for file in everything], fit_loss_estimator=fit_loss_estimator
        )
    else:
        result = _build_by_spark(loaded, everything, master, fit_loss_estimator=fit_loss_estimator)
    for account in result.accounts:
        click.echo(account.line())
    for doubt in result.doubts:
        click.echo(f"warning: {doubt}", err=True)
    score = result.reference.score
    counted = loaded.spec.task == "multilabel" and result.reference.classes is not None
    if score is None and loaded.spec.predictions.fields.score is not None and not counted:
        path = loaded.spec.predictions.fields.score
        click.echo(
            f"no score at '{path}': ml_prediction_psi against this reference will be withheld", err=True
        )
    if result.malformed:
        click.echo(f"skipped {result.malformed} malformed record(s)", err=True)
    if not result.reference.features and score is None and result.reference.classes is None:
        refuse(
            f"{data[0]}: neither a feature nor a score nor a class was found; look at 'fields' in {monitor}"
        )
    try:
        atomic.write(out, dump(loaded.model, result.reference).encode())
    except OSError as error:
        refuse(f"{out}: cannot be written: {error.strerror}")
    used = len(result.reference.features)
    click.echo(f"{out}: {used} features of {result.reference.rows} rows")


def _build_here(monitor: Monitor, files: Sequence[Path], *, fit_loss_estimator: bool) -> Baseline:
    from exporter.records.plain_files import plain_files
    from exporter.references.baseline import build

    with tempfile.TemporaryDirectory(prefix="mlslo-baseline-") as folder:
        plain = plain_files(monitor, files, Path(folder))
        return build(*plain, fit_loss_estimator=fit_loss_estimator)


def _build_by_spark(
    monitor: Monitor, urls: Sequence[str], master: str | None, *, fit_loss_estimator: bool
) -> Baseline:
    from exporter.references.baseline import build_of
    from exporter.spark.baseline.source import open_source
    from exporter.spark.session import SparkError, spark_session

    if fit_loss_estimator:
        refuse(
            "--fit-loss-estimator needs all rows in one process; expected --engine local, with a sample of the rows"
        )
    if monitor.spec.reshapes_predictions and not all(url.endswith(".parquet") for url in urls):
        refuse(f"{monitor.model}: its records are wrapped; expected plain rows, or --engine local")
    try:
        with spark_session(master) as spark, open_source(spark, urls) as (source, written):
            return build_of(source, monitor, written)
    except SparkError as error:
        refuse(str(error))
