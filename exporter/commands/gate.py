"""mlslo-exporter gate."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from exporter.commands import MONITOR
from exporter.commands.one_cycle import prepare, write
from mlslo.command_line import PATH, WRONG, input_errors, refuse
from mlslo.limits import Limit
from mlslo.yamlfile import InputError, did_you_mean

_PATIENCE = 300


@click.command()
@MONITOR
@click.option(
    "--data",
    metavar="FILE|URL...",
    required=True,
    multiple=True,
    help="The batch: *.jsonl, *.csv or *.parquet, also .gz and .zst; s3://, gs:// or az:// with the extra 'objects'.",
)
@click.argument("more_data", metavar="", nargs=-1)
@click.option(
    "--slo",
    "slos",
    metavar="SPEC",
    type=PATH,
    multiple=True,
    help="Judge gauges by the limits of this ModelSLO file, or of the JSON of `mlslo-rulegen limits`, instead of by "
    "the reference's noise.",
)
@click.option(
    "--reference", metavar="NAME", help="Judge against this reference only (default: all static ones)."
)
@click.option(
    "--out", metavar="DIR", type=PATH, help="Write gate.json, gate.md, gate.html; append to results.csv."
)
@click.option(
    "--notify", metavar="RECEIVER", help="Tell this receiver's Slack channel where the batch fails."
)
@click.option("--routing", metavar="FILE", type=PATH, help="The AlertRouting file that has the receiver.")
@click.option("--notify-always", is_flag=True, help="Tell of a batch that passes, too.")
@input_errors()
def gate(
    monitor: Path,
    data: tuple[str, ...],
    more_data: tuple[str, ...],
    slos: tuple[Path, ...],
    reference: str | None,
    out: Path | None,
    notify: str | None,
    routing: Path | None,
    notify_always: bool,
) -> None:
    """Judge one batch of data: exit code 0 where it is fine, 1 with a table of what failed.

    Training data before a run, a nightly extract, a candidate's scores: all rows are one window, whatever their times.
    They are held to the monitor file's expectations, and to its static references or the limits of ModelSLO files.
    """
    if (notify is None) != (routing is None):
        refuse("--notify goes with --routing: the AlertRouting file that has the receiver")
    from exporter.daemon.cycle import CycleError
    from exporter.gate import SlackReceiver, append, as_markdown, as_table, judge
    from exporter.state import StoreError
    from mlslo.monitor import load

    prepare()
    # What a log would be warned of, the table says.
    logging.getLogger().setLevel(logging.ERROR)
    loaded = load(monitor)
    known = [name for name, item in loaded.spec.references.items() if item.static is not None]
    if reference is not None and reference not in known:
        refuse(
            f"--reference {reference}: no such static reference; expected {' or '.join(known) or 'none'}"
            f"{did_you_mean(reference, known)}"
        )
    receiver = SlackReceiver(routing, notify) if routing is not None and notify is not None else None
    limits = _limits(loaded.model, slos) if slos else None
    try:
        verdict, page = judge(loaded, [*data, *more_data], reference, limits)
    except (CycleError, StoreError) as error:
        refuse(f"model {loaded.model}: {error}")
    click.echo(as_table(verdict), nl=False)
    if out is not None:
        write(out / "gate.json", (verdict.model_dump_json(indent=2) + "\n").encode())
        write(out / "gate.md", as_markdown(verdict).encode())
        write(out / "gate.html", page.encode())
        append(out / "results.csv", verdict)
    if receiver is not None and (verdict.failed or notify_always):
        for problem in receiver.send(verdict):
            click.echo(problem, err=True)
    if verdict.failed:
        sys.exit(WRONG)


def _limits(model: str, slos: Sequence[Path]) -> list[Limit]:
    """Return the limits of the model in ``slos``. Raises InputError.

    The generator works them out, in a process of its own: neither half imports the other.
    """
    rows = [row for path in slos if path.suffix == ".json" for row in _read(path, path.read_text("utf-8"))]
    specs = [path for path in slos if path.suffix != ".json"]
    if specs:
        if importlib.util.find_spec("rulegen") is None:
            refuse(
                "--slo: reading a ModelSLO file needs mlslo-rulegen, which is not installed here; expected the .json "
                "that `mlslo-rulegen limits SPEC` printed"
            )
        command = [sys.executable, "-m", "rulegen", "limits", *map(str, specs)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=_PATIENCE, check=False)
        if done.returncode:
            refuse(done.stderr.strip() or "mlslo-rulegen limits failed")
        rows += _read(specs[0], done.stdout)
    own = [row for row in rows if row.model == model]
    if not own:
        named = ", ".join(dict.fromkeys(row.model for row in rows)) or "no model"
        refuse(f"--slo: no limits of model '{model}', but of {named}")
    return own


def _read(path: Path, text: str) -> list[Limit]:
    try:
        return TypeAdapter(list[Limit]).validate_json(text)
    except ValidationError:
        raise InputError.of_file(path, "expected the output of `mlslo-rulegen limits`") from None
