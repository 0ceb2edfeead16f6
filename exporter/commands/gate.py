"""mlslo-exporter gate."""

from __future__ import annotations

import importlib.util
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from exporter.commands import MONITOR
from exporter.commands.one_cycle import prepare, write
from mlslo.command_line import BAD_INPUT, PATH, WRONG, input_errors, refuse

if TYPE_CHECKING:
    from exporter.gate import Batch, Limit, Verdict
    from mlslo.monitor import Monitor

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
    from exporter.gate import SlackReceiver, append, as_markdown, as_table, downloaded, open_batch, send
    from exporter.state import StoreError
    from mlslo.monitor import load

    prepare()
    # What a log would be warned of, the table says.
    logging.getLogger().setLevel(logging.ERROR)
    loaded = load(monitor)
    _refuse_unknown(loaded, reference)
    receiver = SlackReceiver(routing, notify) if routing is not None and notify is not None else None
    limits = _limits(loaded, slos)
    named = [*data, *more_data]
    try:
        with tempfile.TemporaryDirectory(prefix="mlslo-gate-") as folder:
            files = downloaded(loaded, named, Path(folder))
            with open_batch(loaded, files, reference) as batch:
                verdict = _judged(batch, named, files, limits)
                page = _page(monitor, batch, reference, verdict)
    except (CycleError, StoreError) as error:
        refuse(f"model {loaded.model}: {error}")
    click.echo(as_table(verdict), nl=False)
    if out is not None:
        write(out / "gate.json", (verdict.model_dump_json(indent=2) + "\n").encode())
        write(out / "gate.md", as_markdown(verdict).encode())
        write(out / "gate.html", page.encode())
        append(out / "results.csv", verdict)
    if receiver is not None and (verdict.failed or notify_always):
        for problem in send(receiver, verdict):
            click.echo(problem, err=True)
    if verdict.failed:
        sys.exit(WRONG)


def _refuse_unknown(monitor: Monitor, reference: str | None) -> None:
    known = [name for name, item in monitor.spec.references.items() if item.static is not None]
    if reference is not None and reference not in known:
        refuse(f"--reference {reference}: no such static reference; expected {' or '.join(known) or 'none'}")


def _judged(batch: Batch, named: Sequence[str], files: Sequence[Path], limits: list[Limit] | None) -> Verdict:
    """Return the verdict on a batch; where nothing at all could be judged, that is what failed."""
    from exporter.gate import Check, NotJudged, Verdict, digest_of, expectations, of_reference, of_slos
    from mlslo.version import VERSION

    found = [*expectations(batch), *(of_reference(batch) if limits is None else of_slos(batch, limits))]
    checks = [item for item in found if isinstance(item, Check)]
    if not checks:
        expected, nothing = "something to judge", "no expectations, no reference, no limits that apply"
        checks = [
            Check(what="gate", where="batch", expected=expected, found=nothing, passed=False, source="gate")
        ]
    refused = [("malformed", batch.source.malformed)]
    for labels, value in batch.snapshot.having("ml_sink_rejected_records_total", sink="predictions"):
        refused.append((labels["reason"], int(value)))
    for reason, number in refused:
        if number:
            lines = f"{number} records are not"
            checks.append(
                Check(
                    what=reason, where="batch", expected="readable", found=lines, passed=False, source="gate"
                )
            )
    return Verdict(
        mlslo=VERSION,
        model=batch.snapshot.model,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        data=[*named],
        hash=digest_of(files),
        rows=batch.source.rows,
        verdict="passed" if all(check.passed for check in checks) else "failed",
        checks=sorted(checks, key=lambda check: check.passed),
        notJudged=[item for item in found if isinstance(item, NotJudged)],
    )


def _page(monitor: Path, batch: Batch, reference: str | None, verdict: Verdict) -> str:
    from exporter.pages import Choice, Frame, page

    rows = (check.row for check in verdict.failed)
    failed = [f"{what} of {where}: {found}; expected {expected}" for what, where, expected, found in rows]
    frame = Frame(str(monitor), standalone=True, trouble=failed, verdict=verdict.title)
    return page(batch.snapshot, frame, Choice(None, None, reference))


def _limits(monitor: Monitor, slos: Sequence[Path]) -> list[Limit] | None:
    """Return the limits of the model in ``slos``; None where there are none to read.

    The generator works them out, in a process of its own: neither half imports the other.
    """
    if not slos:
        return None
    from exporter.gate import Limit

    rows = []
    for path in slos:
        if path.suffix == ".json":
            rows += _of_json(path, path.read_text(encoding="utf-8"))
    specs = [str(path) for path in slos if path.suffix != ".json"]
    if specs:
        if importlib.util.find_spec("rulegen") is None:
            refuse(
                "--slo: reading a ModelSLO file needs mlslo-rulegen, which is not installed here; expected the .json "
                "of `mlslo-rulegen limits SPEC --format json`"
            )
        command = [sys.executable, "-m", "rulegen", "limits", *specs, "--format", "json"]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=_PATIENCE, check=False)
        if done.returncode:
            refuse(done.stderr.strip() or "mlslo-rulegen limits failed", BAD_INPUT)
        rows += _of_json(Path(specs[0]), done.stdout)
    own = [row for row in rows if isinstance(row, Limit) and row.model == monitor.model]
    if not own:
        named = ", ".join(dict.fromkeys(row.model for row in rows)) or "no model"
        refuse(f"--slo: no limits of model '{monitor.model}', but of {named}")
    return own


def _of_json(path: Path, text: str) -> list[Limit]:
    """Return what `mlslo-rulegen limits` wrote. Raises InputError."""
    from pydantic import TypeAdapter, ValidationError

    from exporter.gate import Limit
    from mlslo.yamlfile import InputError

    try:
        return TypeAdapter(list[Limit]).validate_python(json.loads(text))
    except (ValueError, ValidationError):
        raise InputError.of_file(
            path, "expected the output of `mlslo-rulegen limits --format json`"
        ) from None
