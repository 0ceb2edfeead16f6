"""mlslo-exporter init."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from mlslo import atomic
from mlslo.command_line import PATH, input_errors, refuse


@click.command()
@click.argument("log", metavar="LOG...", nargs=-1, required=True, type=PATH)
@click.option(
    "--labels", multiple=True, type=PATH, help="The log of what turned out to be true; may be given again."
)
@click.option(
    "--data",
    metavar="TRAINING",
    multiple=True,
    type=PATH,
    help="Data on which the model was right, for the reference: *.jsonl, *.csv or *.parquet; may be given again.",
)
@click.option(
    "--out", metavar="DIR", required=True, type=PATH, help="The folder of the files that are written."
)
@click.option("--force", is_flag=True, help="Write over files that are there.")
@input_errors()
def init(
    log: tuple[Path, ...], labels: tuple[Path, ...], data: tuple[Path, ...], out: Path, force: bool
) -> None:
    """Write the first monitor file of a model, from the first records of its prediction LOG.

    Finds the fields by their names and contents, the task, units and types; what the log leaves open stands as a
    comment with the alternatives. With --data the reference is built as well. Nothing is overwritten.
    """
    from exporter.drafts import draft
    from exporter.records.plain_files import plain_files
    from exporter.references.baseline import build
    from exporter.references.baseline.source import column_names
    from exporter.references.reference_file import dump
    from mlslo.monitor import from_document
    from mlslo.yamlfile import parse
    from mlslo.yamlfile.commented import one_line

    drafted = draft(log, labels, out, column_names(data) if data else None)
    monitor_file = out / f"{drafted.name}.monitor.yaml"
    files, said = {}, []
    if drafted.reference:
        loaded = from_document(parse(monitor_file, drafted.text))
        with tempfile.TemporaryDirectory(prefix="mlslo-init-") as folder:
            built = build(*plain_files(loaded, data, Path(folder)))
        drafted.doubts += built.doubts
        missing = [name for name in drafted.found.features if name not in built.reference.described]
        if missing:
            drafted.doubts.append(f"not in the training data, so not compared: {', '.join(missing[:10])}")
        features = ", ".join(built.reference.features) or "none"
        said = [f"{out / drafted.reference}: {built.reference.rows} rows of the features {features}"]
        files[out / drafted.reference] = dump(loaded.model, built.reference)
    files[monitor_file] = drafted.text
    there = [str(file) for file in files if file.exists()]
    if there and not force:
        refuse(f"{there[0]}: is there already; --force writes over it")
    for file, text in files.items():
        try:
            atomic.write(file, text.encode())
        except OSError as error:
            refuse(f"{file}: cannot be written: {error.strerror}")
    said.append(f"{monitor_file}: a {drafted.task} model; its fields:")
    click.echo("\n".join(said))
    preset = drafted.found.data.get("preset")
    for name, path in {**({"preset": preset} if preset else {}), **drafted.found.fields}.items():
        click.echo(f"  {name:<12}  {one_line(path)}")
    for doubt in [*drafted.doubts, *_warnings(monitor_file)]:
        click.echo(f"{monitor_file}: look at {doubt}", err=True)
    shown = shlex.quote(str(monitor_file))
    click.echo(f"next: mlslo-rulegen init {shown} --out {shlex.quote(str(out))}")
    click.echo(f"      mlslo-exporter check {shown}    shows how the first records are read")


def _warnings(file: Path) -> Sequence[str]:
    """Return what `check` warns of."""
    from exporter.commands.decoding import check_labels, check_predictions
    from exporter.daemon.models import load_all

    (model,) = load_all([file])
    checked = [look(model, time.time(), Path()) for look in (check_predictions, check_labels)]
    said = []
    for found in checked:
        if found is not None:
            said += [found.lines[0]] if found.wrong else []
            said += [
                line.removeprefix("  warning: ") for line in found.lines if line.startswith("  warning: ")
            ]
    return said
