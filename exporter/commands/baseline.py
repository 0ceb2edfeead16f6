"""mlslo-exporter baseline."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from mlslo import atomic
from mlslo.command_line import PATH, input_errors, refuse


@click.command()
@click.argument("monitor", metavar="MONITOR", type=PATH)
@click.option(
    "--data",
    metavar="FILE...",
    required=True,
    multiple=True,
    type=PATH,
    help="Training data or a stretch of log: *.jsonl, *.csv or *.parquet.",
)
@click.argument("more_data", metavar="", nargs=-1, type=PATH)
@click.option(
    "--fit-loss-estimator",
    is_flag=True,
    help="Of a regression: learn from the labels where it errs, for estimates without labels; extra 'loss'.",
)
@click.option("--out", required=True, type=PATH, help="The reference file to write.")
@input_errors()
def baseline(
    monitor: Path, data: tuple[Path, ...], more_data: tuple[Path, ...], fit_loss_estimator: bool, out: Path
) -> None:
    """Build a static reference from data that the model was right on."""
    from exporter.records.plain_files import plain_files
    from exporter.references.baseline import build
    from exporter.references.reference_file import dump
    from mlslo.monitor import load

    loaded = load(monitor)
    with tempfile.TemporaryDirectory(prefix="mlslo-baseline-") as folder:
        files = plain_files(loaded, [*data, *more_data], Path(folder))
        result = build(*files, fit_loss_estimator=fit_loss_estimator)
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
