"""mlslo-exporter compare."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from exporter.commands import AT, MONITOR
from exporter.commands.one_cycle import STATE_DIR, measured, prepare, write
from mlslo.command_line import PATH, input_errors, refuse
from mlslo.monitor import Monitor
from mlslo.yamlfile import did_you_mean

_FORMS = (".html", ".json")


@click.command()
@MONITOR
@click.option("--versions", nargs=2, required=True, metavar="A B", help="The baseline, then the candidate.")
@click.option("--window", help="The window (default: the shortest in which both have minSamples rows).")
@AT
@STATE_DIR
@click.option(
    "--paired", is_flag=True, help="Join both by request id, too: a shadow. Reads the logs a second time."
)
@click.option("--out", type=PATH, help="Write FILE.html (the model's page) or FILE.json, too.")
@input_errors()
def compare(
    monitor: Path,
    versions: tuple[str, str],
    window: str | None,
    at: float | None,
    state_dir: Path | None,
    paired: bool,
    out: Path | None,
) -> None:
    """Compare two versions of a model: a launch summary, and each difference with its 95 % interval.

    One cycle over everything in the sinks, as `once` does. The difference is B minus A.
    """
    if out is not None and out.suffix not in _FORMS:
        refuse(f"--out {out}: expected a name that ends in {' or '.join(_FORMS)}")
    if versions[0] == versions[1]:
        refuse(f"--versions {versions[0]} {versions[1]}: expected two versions")
    from exporter.daemon.models import load_all
    from exporter.measure.paired import pairs as joined
    from exporter.pages import Choice, Frame, VersionsCompared, page
    from exporter.summary.windows import MICROSECONDS, Window

    prepare()
    (model,) = load_all([monitor])
    if paired:
        _refuse_unpairable(model.monitor)
    end = time.time() if at is None else at
    snapshot = measured(model.name, partial(model.open, state_dir), at)
    assert snapshot is not None
    known = dict.fromkeys(item.version for item in snapshot.windows)
    for version in versions:
        if version not in known:
            seen = ", ".join(f"'{name}'" for name in known)
            newest = snapshot.newest_outside_windows() if at is None else None
            hint = f"; the newest prediction fits --at {newest}" if newest else ""
            refuse(
                f"--versions {version}: no prediction of it lies in any window, expected two of: {seen}"
                f"{did_you_mean(version, known)}{hint}"
            )
    lengths = {item.window: item for item in sorted(snapshot.windows, key=lambda item: item.seconds)}
    if window is not None and window not in lengths:
        refuse(f"--window {window}: there is no such one; expected {' or '.join(lengths)}")
    found = {(item.version, item.window): item for item in snapshot.windows}
    pairs = {length: (found[versions[0], length], found[versions[1], length]) for length in lengths}
    chosen = window or next(
        (
            length
            for length, pair in pairs.items()
            if all(item.enough(item.traffic["traffic"].rows) for item in pair)
        ),
        next(reversed(pairs)),
    )
    compared = VersionsCompared.of(*pairs[chosen])
    if paired:
        start = end - lengths[chosen].seconds
        of = Window(chosen, int(start * MICROSECONDS), int(end * MICROSECONDS))
        compared = replace(compared, pairs=joined(model.monitor, model.references, versions, of))
    if out is not None:
        choice = Choice(versions[1], chosen, baseline=versions[0])
        if out.suffix == ".json":
            content = json.dumps(compared.as_data(), indent=2) + "\n"
        else:
            content = page(snapshot, Frame(str(monitor), standalone=True), choice, compared)
        write(out, content.encode())
    click.echo(compared.text(), nl=False)


def _refuse_unpairable(monitor: Monitor) -> None:
    """Refuse what cannot be joined by id: records without one, and those that come only once."""
    if monitor.spec.predictions.fields.id is None:
        refuse(f"--paired: {monitor.document.path} maps no id under spec.predictions.fields, expected one")
    if monitor.standard_input() or monitor.pushed():
        refuse("--paired reads the logs a second time: expected files, not standard input or pushed events")
