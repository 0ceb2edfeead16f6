"""mlslo-exporter check."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from exporter.commands import MONITORS
from exporter.daemon.models import Model
from exporter.fold.version_schemas import VersionSchemas
from exporter.measure.series_estimate import FEW, Count, choose
from exporter.measure.urgency import Urgency
from exporter.tasks import task_of
from mlslo.catalogue import METRICS
from mlslo.command_line import BAD_INPUT, PATH, WRONG, input_errors
from mlslo.yamlfile import quoted_list

_SHOWN = 3


@click.command()
@MONITORS
@click.option(
    "--state-dir",
    type=PATH,
    default=Path("mlslo-state"),
    show_default=True,
    help="That of the daemon, where events of push sinks wait.",
)
@input_errors()
def check(monitors: tuple[Path, ...], state_dir: Path) -> None:
    """Validate MONITOR files, and show how the first records decode.

    Exit code 1 where a sink has records and none of them can be used, where no output or no feature can be read in any
    of them, where the ids of predictions repeat, or where no label has the id of a prediction; 2 where a sink cannot
    be read. A glob that no file matches yet is no fault: check asks whether the path is right, and ends with 0.
    """
    from exporter.commands.check import series_account
    from exporter.commands.decoding import check_labels, check_offline, check_predictions
    from exporter.commands.label_ids import unmatched
    from exporter.daemon.models import load_all
    from exporter.records.accounts.field_accounts import Records
    from exporter.sinks import SinkError

    code = 0
    for model in load_all(monitors):
        click.echo(f"{model.monitor.document.path}: model '{model.name}', fine as a file")
        now = time.time()
        looked_at: dict[str, Records] = {}
        looks = {"predictions": check_predictions, "labels": check_labels, "skew": check_offline}
        for sink, look in looks.items():
            try:
                found = look(model, now, state_dir)
            except SinkError as error:
                click.echo(f"model {model.name}: sink {sink}: {error}", err=True)
                code = BAD_INPUT
                continue
            if found is not None:
                click.echo("\n".join(found.lines))
                code = max(code, WRONG * found.wrong)
                if found.records is not None:
                    looked_at[sink] = found.records
        for name in ("labels", "skew"):
            if looked_at.keys() >= {"predictions", name}:
                warning = unmatched(model, name, looked_at["predictions"], looked_at[name], now)
                if warning is not None:
                    click.echo(f"  warning: {warning}")
                    code = max(code, WRONG)
        click.echo("\n".join(series_account(model)))
    if code:
        sys.exit(code)


def series_account(model: Model) -> Iterator[str]:
    """Yield lines about one version's series: how many at most, by urgency, and which metrics have the most."""
    spec = model.monitor.spec
    task = task_of(spec, model.references)
    schemas = VersionSchemas(model.monitor, task, model.references)
    exported, estimate = choose(spec, task, schemas.of(""))
    yield f"series: at most {estimate.total:,} of a version; maxSeries is {spec.maxSeries:,}"
    groups = estimate.by_urgency()
    width = max(len(f"{_total(counts):,}") for counts in groups.values())
    for urgency, counts in groups.items():
        yield f"  {_total(counts):>{width},}  {urgency.title}{_scale(urgency, model)}: {_most(counts)}"
    further = [
        metric.name for metric in METRICS.values() if metric.detail and metric.name not in exported.traffic
    ]
    asked = spec.metrics.exported(detail=True).traffic
    if left_out := [name for name in further if name in asked]:
        yield (
            f"  left out, as all would be more than {min(FEW, spec.maxSeries):,} series: {quoted_list(left_out, 3)}; "
            "include them under 'metrics' where they are needed"
        )
    if missing := schemas.missing(""):
        yield f"  not counted: features that only {quoted_list(missing)} of a version will name"
    if estimate.total > spec.maxSeries:
        yield (
            f"  warning: {estimate.total - spec.maxSeries:,} more than maxSeries: the least urgent would be withheld; "
            "choose with 'metrics', or lower maxSegmentValues"
        )


def _total(counts: Sequence[Count]) -> int:
    return sum(count.series for count in counts)


def _scale(urgency: Urgency, model: Model) -> str:
    spec = model.monitor.spec
    if urgency not in (Urgency.SEGMENTS, Urgency.FEATURES_OF_SEGMENTS):
        return ""
    return f" ({len(spec.segments)} of {spec.maxSegmentValues + 1} values, {len(spec.windows)} windows)"


def _most(counts: Sequence[Count]) -> str:
    listed = [f"{count.metric.name} {count.series:,}" for count in counts]
    return quoted_list(listed, _SHOWN)
