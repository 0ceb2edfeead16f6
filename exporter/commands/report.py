"""mlslo-exporter report."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import click

from exporter.commands import AT, MONITOR
from exporter.commands.one_cycle import STATE_DIR, hint_at_newest, measured, prepare, write
from mlslo.command_line import PATH, WRONG, input_errors, refuse

_FORMS = (".html", ".json")


@click.command()
@MONITOR
@click.option("--out", required=True, type=PATH, help="FILE.html or FILE.json.")
@AT
@STATE_DIR
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
    from exporter.daemon.models import load_all
    from exporter.pages import Choice, Frame, as_data, page

    prepare()
    (model,) = load_all([monitor])
    snapshot = measured(model.name, partial(model.open, state_dir), at)
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
    write(out, text.encode())
    hint_at_newest(snapshot, at)
    if not snapshot.series["ml_sink_up"][model.name, "predictions"]:
        sys.exit(WRONG)
