"""mlslo-exporter replay."""

from __future__ import annotations

import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from exporter.commands import ENGINE, MASTER, MONITORS, time_of
from exporter.commands.one_cycle import prepare
from mlslo.command_line import PATH, WRONG, input_errors, refuse
from mlslo.version import VERSION
from mlslo.yamlfile import Duration

if TYPE_CHECKING:
    from exporter.daemon.models import Model
    from exporter.replay.phases import NewReading, Progress

_MICROSECONDS = 1_000_000
_SAY_AGAIN = 5.0


@click.command()
@MONITORS
@click.option(
    "--from",
    "since",
    metavar="RFC3339",
    callback=time_of,
    help="The first step (default: the first multiple of the step after the first prediction).",
)
@click.option(
    "--to",
    "until",
    metavar="RFC3339",
    callback=time_of,
    help="The last step; what came later is left out (default: the first step after the last record).",
)
@click.option(
    "--step", default="5m", show_default=True, help="Time from one step to the next, such as 30s or 5m."
)
@click.option(
    "--out", required=True, type=PATH, help="The folder to write; a history that is there is replaced."
)
@click.option(
    "--promtool",
    type=PATH,
    help="The promtool that makes TSDB blocks (default: that of PATH, if there is one).",
)
@ENGINE
@MASTER
@input_errors()
def replay(
    monitors: tuple[Path, ...],
    since: float | None,
    until: float | None,
    step: str,
    out: Path,
    promtool: Path | None,
    engine: str,
    master: str | None,
) -> None:
    """Write the gauges of a past log, as the daemon would have exported them at each step.

    Labels count from when they came. The folder gets OpenMetrics with timestamps and, with promtool, TSDB blocks;
    `mlslo-rulegen backtest` reads both. With --engine spark the logs may be larger than any machine; the gauges are
    the same. Exit code 1 where the predictions could not be read.
    """
    from exporter.daemon.models import load_all, without_skew
    from exporter.measure.gauges import Gauges
    from exporter.replay import Replay, ReplayError, history
    from exporter.state import StoreError

    try:
        length = Duration(step)
    except ValueError as error:
        refuse(f"--step {step}: {error}")
    tool = _tool(promtool)
    prepare()
    models = load_all(monitors)
    for model in models:
        if model.monitor.pushed():
            refuse(f"model {model.name}: its events are pushed; expected a log that can be read again")
        if model.monitor.spec.skew is not None:
            click.echo(
                f"model {model.name}: offline features are not replayed; metrics of skew are left out",
                err=True,
            )
        for name, log in model.monitor.spec.logs.items():
            objects = log.sink.objects
            if objects is not None and "%" in objects.url and objects.since is None and name != "skew":
                text = f"objects of before {objects.lookback} ago are left out; give since in its sink to read them"
                click.echo(f"model {model.name}: {name}: {text}", err=True)
    models = [without_skew(model) for model in models]
    process = Gauges("")
    process.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with history.written(out) as folder:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                begin, end = (
                    None if edge is None else round(edge * _MICROSECONDS) for edge in (since, until)
                )
                with _reading(engine, models, master) as reading:
                    microseconds = round(length.seconds * _MICROSECONDS)
                    made = Replay(models, begin, end, microseconds, Path(work), reading)
                    with _stage("reading") as progress:
                        made.read(time.time_ns() // 1000, progress)
                    with _stage("joining labels") as progress:
                        made.join(progress)
                with _stage("measuring") as progress:
                    made.write(folder, process.series, tool, progress)
            first, last = (made.grid.time(number) / _MICROSECONDS for number in made.steps)
            history.describe(folder, [model.name for model in models], first, last, length)
    except ReplayError as error:
        refuse(str(error), WRONG)
    except StoreError as error:
        refuse(f"{out}: cannot be written: {error}")
    except FileExistsError as error:
        refuse(f"{error.filename}: {error.strerror}")
    except OSError as error:
        refuse(f"{error.filename or out}: cannot be written: {error.strerror}")
    finally:
        signal.signal(signal.SIGTERM, before)
    shown = [datetime.fromtimestamp(edge, UTC).isoformat().replace("+00:00", "Z") for edge in (first, last)]
    click.echo(f"{out}: {made.number:,} steps from {shown[0]} to {shown[1]}")


@contextmanager
def _reading(engine: str, models: Sequence[Model], master: str | None) -> Iterator[NewReading]:
    """Reader of the logs of a model, while Spark is there."""
    from exporter.replay import Reading

    if engine == "local":
        yield Reading
        return
    from exporter.spark.fold import refuse_whole
    from exporter.spark.replay import SparkReading
    from exporter.spark.session import SparkError, spark_session

    for model in models:
        if problem := refuse_whole(model.monitor):
            refuse(f"model {model.name}: {problem}; expected --engine local")
    try:
        with spark_session(master) as spark:
            yield partial(SparkReading, spark)
    except SparkError as error:
        refuse(str(error), WRONG)


def _tool(given: Path | None) -> Path | None:
    if given is None:
        found = shutil.which("promtool")
        return None if found is None else Path(found)
    if shutil.which(given) is None:
        refuse(f"--promtool {given}: is no program")
    return given


def _stop(number: int, _: object) -> NoReturn:
    """End as an interrupt does, so that nothing is left behind."""
    raise SystemExit(128 + number)


@contextmanager
def _stage(label: str) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a line now and then, where there is something new to say."""
    if sys.stderr.isatty():
        with click.progressbar(length=1, label=f"{label:<15}", file=sys.stderr) as bar:

            def show(done: int, total: int) -> None:
                bar.length = max(total, 1)
                bar.update(done - bar.pos)

            yield show
        return
    said, shown = time.monotonic(), -1

    def say(done: int, total: int) -> None:
        nonlocal said, shown
        share = 100 * done // max(total, 1)
        if share != shown and time.monotonic() - said >= _SAY_AGAIN:
            said, shown = time.monotonic(), share
            click.echo(f"{label}: {share} %", err=True)

    yield say
