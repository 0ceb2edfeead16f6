"""mlslo-rulegen limits."""

import json
from collections.abc import Iterator
from pathlib import Path

import click

from mlslo.catalogue import METRICS
from mlslo.command_line import PATH, input_errors
from mlslo.yamlfile import InputError, Problem, did_you_mean, read
from rulegen.promql.expressions import exact, number
from rulegen.slo.limits import LimitRow
from rulegen.slo.limits import limits as rows_of
from rulegen.spec import model_slo
from rulegen.spec.model_slo import ModelSlo
from rulegen.validation import spec_folder


@click.command()
@click.argument("spec", nargs=-1, required=True, type=PATH)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "table"]),
    default="table",
    show_default=True,
    help="Rows for a program such as `mlslo-exporter gate`, or for people.",
)
def limits(spec: tuple[Path, ...], form: str) -> None:
    """List the limits of ModelSLO files: a row for each condition on a gauge, and which of them one batch can tell.

    Files of other kinds among SPEC are passed over, so that no AlertRouting file is needed.
    """
    with input_errors():
        rows = list(rows_of(_models(spec)))
    if form == "json":
        click.echo(json.dumps([row.as_data() for row in rows], indent=1, ensure_ascii=False))
        return
    for row in rows:
        click.echo(_line(row))


def _models(paths: tuple[Path, ...]) -> list[ModelSlo]:
    """Read the ModelSLO files of ``paths``. Raises InputError with the problems of all."""
    models: list[ModelSlo] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            for file in spec_folder.files(path, []) if spec_folder.is_folder(path) else [path]:
                document = read(file)
                kind = document.data.get("kind") if isinstance(document.data, dict) else None
                if kind != "ModelSLO" and kind in spec_folder.KINDS:
                    continue
                models.append(model_slo.from_document(document))
                problems += _unknown_metrics(models[-1])
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    if not models:
        raise InputError([Problem("SPEC", 0, 0, "expected a file of kind ModelSLO, got none")])
    return models


def _unknown_metrics(file: ModelSlo) -> Iterator[Problem]:
    for at, slo in file.slos:
        if slo.sli.gauge is not None and (name := slo.sli.gauge.metric) not in METRICS:
            message = f"unknown metric '{name}'{did_you_mean(name, METRICS)}"
            yield file.document.problem((*at, "sli", "gauge", "metric"), message)


def _line(row: LimitRow) -> str:
    what = f"{row.source}: {row.alert or row.slo}"
    if row.notJudged is not None:
        return f"{what}: {row.metric or row.slo}: not judged, {row.notJudged}"
    chosen = ", ".join(
        f"{name}={value}" for name, value in row.labels.items() if isinstance(value, str) and value
    )
    metric = f"{row.metric}{{{chosen}}}" if chosen else row.metric
    noise = " beyond noise" if row.beyondNoise else ""
    several = row.series if row.series is not None else row.seriesRatio
    of = "" if several is None else f", of {several:g} series"
    assert row.threshold is not None
    return f"{what}: {metric} {row.comparison} {number(exact(row.threshold))}{noise}{of}"
