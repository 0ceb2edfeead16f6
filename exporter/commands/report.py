"""mlslo-exporter report."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import closing
from pathlib import Path

import click

from exporter.commands import AT, MONITOR
from mlslo import atomic
from mlslo.command_line import PATH, WRONG, input_errors, refuse

_FORMS = (".html", ".json")


@click.command()
@MONITOR
@click.option("--out", required=True, type=PATH, help="FILE.html or FILE.json.")
@AT
@click.option(
    "--state-dir", type=PATH, help="Continue from this state, and keep what was read (default: forget it)."
)
@click.option("--version", help="The model's version (default: the busiest).")
@click.option("--window", help="The window (default: the shortest with minSamples rows).")
@click.option("--reference", help="The reference (default: the first).")
@input_errors()
def report(
    monitor: Path,
    out: Path,
    at: float | None,
    state_dir: Path | None,
    version: str | None,
    window: str | None,
    reference: str | None,
) -> None:
    """Write a model's page as one file: for a ticket, a review, an audit.

    One cycle over everything in the sinks, as `once` does; then the distributions, curves and tables of a window. HTML
    needs no other file and no script; JSON has the same figures and all gauges. Exit code 1 where the predictions could
    not be read; what could be is written all the same.
    """
    if out.suffix not in _FORMS:
        refuse(f"--out {out}: expected a name that ends in {' or '.join(_FORMS)}")
    from exporter.daemon.cycle import CycleError
    from exporter.daemon.models import load_all
    from exporter.daemon.process import keep_freed_memory
    from exporter.pages import Choice, Frame, as_data, page
    from exporter.state import StoreError

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    keep_freed_memory()
    (model,) = load_all([monitor])
    try:
        with closing(model.open(state_dir)) as cycle:
            snapshot = cycle.run(at=at, final=True)
    except StoreError as error:
        refuse(str(error))
    except CycleError as error:
        refuse(f"model {model.name}: {error}", WRONG)
    assert snapshot is not None
    for option, chosen, known in (
        ("--version", version, dict.fromkeys(item.version for item in snapshot.windows)),
        ("--window", window, dict.fromkeys(item.window for item in snapshot.windows)),
        (
            "--reference",
            reference,
            {name: None for item in snapshot.windows for name in (*item.static, *item.past)},
        ),
    ):
        if chosen is not None and chosen not in known:
            refuse(f"{option} {chosen}: there is no such one; expected {' or '.join(known) or 'none'}")
    choice = Choice(version, window, reference)
    if out.suffix == ".json":
        text = json.dumps(as_data(snapshot, choice), indent=2) + "\n"
    else:
        text = page(snapshot, Frame(str(monitor), standalone=True), choice)
    try:
        atomic.write(out, text.encode())
    except OSError as error:
        refuse(f"{out}: cannot be written: {error.strerror}")
    if at is None and (newest := snapshot.newest_outside_windows()) is not None:
        click.echo(f"no prediction lies in any window that ends now; the newest fits --at {newest}", err=True)
    if not snapshot.series["ml_sink_up"][model.name, "predictions"]:
        sys.exit(WRONG)
