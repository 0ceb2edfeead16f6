"""mlslo-exporter: run, once, baseline, check, metrics."""

from __future__ import annotations

import json
import logging
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import click

from exporter import atomic
from exporter.catalogue import as_data
from exporter.version import VERSION
from exporter.yamlfile import InputError

# A sidecar's matrices are small: threads for them would wait for each other, beside the model that they watch.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The heavy imports (DuckDB, numpy) are where they are used: `metrics` and `--help` answer at once.

_FILE = click.Path(path_type=Path)
_MONITORS = click.argument("monitors", metavar="MONITOR...", nargs=-1, required=True, type=_FILE)

_LONG_WORK = 32 << 20
_STEPS = 1000

WRONG = 1
BAD_INPUT = 2


def _refuse(message: str, code: int = BAD_INPUT) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)


_Parameters = ParamSpec("_Parameters")


def _explains_input_errors(command: Callable[_Parameters, None]) -> Callable[_Parameters, None]:
    """Bad input ends a command with its message and exit code 2."""

    @wraps(command)
    def wrapped(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except InputError as error:
            _refuse(str(error))

    return wrapped


def _address(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"expected HOST:PORT or :PORT, got '{value}'", context, parameter)
    return host.removeprefix("[").removesuffix("]"), int(port)


def _time(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter(
            f"expected a time such as 2026-01-31T12:00:00Z, got '{value}'", context, parameter
        )
    return moment.timestamp()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="mlslo-exporter")
def main() -> None:
    """Prediction and label logs in, Prometheus gauges out."""


@main.command()
@_MONITORS
@click.option(
    "--web.listen-address",
    "listen_address",
    metavar="HOST:PORT",
    callback=_address,
    default=":9847",
    show_default=True,
    help="Where /metrics is served; port 0 takes any free one.",
)
@click.option(
    "--web.config.file", "web_config", type=_FILE, help="TLS and basic authentication, as Prometheus has it."
)
@click.option("--web.enable-lifecycle", "lifecycle", is_flag=True, help="Allow POST /-/reload.")
@click.option(
    "--state-dir",
    type=_FILE,
    default=Path("mlslo-state"),
    show_default=True,
    help="Positions, summaries and predictions that wait for labels; one file per model.",
)
@_explains_input_errors
def run(
    monitors: tuple[Path, ...],
    listen_address: tuple[str, int],
    web_config: Path | None,
    lifecycle: bool,
    state_dir: Path,
) -> None:
    """Watch models: one cycle each per schedule, gauges on /metrics.

    SIGHUP reloads the MONITOR files. SIGTERM and SIGINT finish the transaction under way and leave.
    """
    from exporter import allocator, signals

    # Before the imports: some start threads.
    signals.hold((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    from exporter import status_page
    from exporter import web_config as web_configuration
    from exporter.daemon import Daemon
    from exporter.state import StoreError
    from exporter.web import Server

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    allocator.settle()
    logger = logging.getLogger("exporter")
    config = web_configuration.load(web_config) if web_config else None
    try:
        daemon = Daemon(monitors, state_dir)
    except StoreError as error:
        _refuse(str(error))
    try:
        server = Server(
            listen_address,
            daemon,
            lambda: status_page.render(daemon.status()),
            config=config,
            lifecycle=lifecycle,
        )
    except OSError as error:
        _refuse(f"--web.listen-address {listen_address[0]}:{listen_address[1]}: {error.strerror}")
    signals.deliver(
        {
            signal.SIGTERM: daemon.stop,
            signal.SIGINT: daemon.stop,
            signal.SIGHUP: daemon.request_reload,
        },
        until=(signal.SIGTERM, signal.SIGINT),
    )
    threading.Thread(target=server.serve_forever, daemon=True, name="web").start()
    logger.info("mlslo-exporter %s: %d model(s), %s/metrics", VERSION, len(monitors), server.url)
    daemon.run()
    server.shutdown()
    server.server_close()
    logger.info("stopped")


@main.command()
@_MONITORS
@click.option(
    "--at", metavar="RFC3339", callback=_time, help="Evaluate the windows as of then (default: now)."
)
@click.option(
    "--textfile", type=_FILE, help="Write to this file, whole or not at all, instead of standard output."
)
@click.option(
    "--state-dir", type=_FILE, help="Continue from this state, and keep what was read (default: forget it)."
)
@_explains_input_errors
def once(monitors: tuple[Path, ...], at: float | None, textfile: Path | None, state_dir: Path | None) -> None:
    """One cycle over everything in the sinks, then the exposition text on standard output.

    Exit code 1 where the predictions could not be read; what could be is printed all the same.
    """
    from exporter import allocator
    from exporter.cycle import CycleError
    from exporter.exposition import render
    from exporter.measure.gauges import Gauges
    from exporter.models import load_all
    from exporter.state import StoreError

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    allocator.settle()
    snapshots = []
    readable = True
    for model in load_all(monitors):
        try:
            cycle = model.open(state_dir)
        except StoreError as error:
            _refuse(str(error))
        try:
            snapshot = cycle.run(at=at, final=True)
        except CycleError as error:
            _refuse(str(error), WRONG)
        finally:
            cycle.close()
        if snapshot is not None:
            snapshots.append(snapshot)
            readable &= bool(snapshot.series["ml_sink_up"][model.name, "predictions"])
            _hint_at_time(snapshot.series, at)
    process = Gauges("")
    process.set("ml_exporter_build_info", 1.0, version=VERSION, python_version=platform.python_version())
    page = render(snapshots, process.series)
    if textfile is None:
        sys.stdout.buffer.write(page)
        sys.stdout.buffer.flush()
    else:
        try:
            atomic.write(textfile, page)
        except OSError as error:
            _refuse(f"{textfile}: cannot be written: {error.strerror}")
    if not readable:
        sys.exit(WRONG)


def _hint_at_time(series: Any, at: float | None) -> None:
    """A recorded log evaluated as of today has nothing in its windows; say so."""
    newest = [
        value
        for (_, sink), value in series.get("ml_sink_last_event_timestamp_seconds", {}).items()
        if sink == "predictions"
    ]
    if at is None and newest and not any(series.get("ml_monitor_samples", {}).values()):
        fitting = datetime.fromtimestamp(int(newest[0]) + 1, tz=UTC).isoformat()
        click.echo(
            f"no prediction lies in any window that ends now; the newest fits --at {fitting}", err=True
        )


@contextmanager
def _progress_bar(files: Sequence[Path]) -> Iterator[Callable[[float], None]]:
    """What to tell how far the work is: a bar, where somebody looks at it and there is much to read."""
    size = sum(file.stat().st_size for file in files if file.is_file())
    if not sys.stderr.isatty() or size < _LONG_WORK:
        yield lambda _: None
        return
    with click.progressbar(length=_STEPS, label="reading", file=sys.stderr) as bar:
        yield lambda share: bar.update(int(share * _STEPS) - bar.pos)


@main.command()
@click.argument("monitor", metavar="MONITOR", type=_FILE)
@click.option(
    "--data",
    "data",
    metavar="FILE...",
    required=True,
    multiple=True,
    type=_FILE,
    help="Training data or a stretch of log: *.jsonl, *.csv or *.parquet.",
)
@click.argument("more_data", metavar="", nargs=-1, type=_FILE)
@click.option("--out", required=True, type=_FILE, help="The reference file to write.")
@_explains_input_errors
def baseline(monitor: Path, data: tuple[Path, ...], more_data: tuple[Path, ...], out: Path) -> None:
    """Build a static reference from data that the model was right on."""
    from exporter.baseline import build
    from exporter.monitor import load
    from exporter.reference_file import dump

    loaded = load(monitor)
    files = [*data, *more_data]
    with _progress_bar(files) as show:
        result = build(loaded, files, show)
    for account in result.accounts:
        click.echo(account.line())
    score = result.reference.score
    if score is None and loaded.spec.predictions.fields.score is not None:
        path = loaded.spec.predictions.fields.score
        click.echo(
            f"no score at '{path}': ml_prediction_psi against this reference will be withheld", err=True
        )
    if result.malformed:
        click.echo(f"skipped {result.malformed} malformed record(s)", err=True)
    if not result.reference.features and score is None and result.reference.classes is None:
        _refuse(
            f"{data[0]}: neither a feature nor a score nor a class was found; look at 'fields' in {monitor}"
        )
    try:
        atomic.write(out, dump(loaded.model, result.reference).encode())
    except OSError as error:
        _refuse(f"{out}: cannot be written: {error.strerror}")
    used = len(result.reference.features)
    click.echo(f"{out}: {used} features of {result.reference.rows} rows")


@main.command()
@_MONITORS
@_explains_input_errors
def check(monitors: tuple[Path, ...]) -> None:
    """Validate MONITOR files, and show how the first records decode.

    Exit code 1 where a sink has records and none of them can be used.
    """
    from exporter.check import check_labels, check_predictions
    from exporter.models import load_all

    wrong = False
    for model in load_all(monitors):
        click.echo(f"{model.monitor.document.path}: model '{model.name}', fine as a file")
        for found in (check_predictions(model, time.time()), check_labels(model, time.time())):
            if found is not None:
                click.echo("\n".join(found.lines))
                wrong |= found.found and not found.usable
    if wrong:
        sys.exit(WRONG)


@main.command()
@click.option(
    "--format",
    "layout",
    type=click.Choice(["markdown", "json"]),
    default="markdown",
    show_default=True,
    help="As what.",
)
def metrics(layout: str) -> None:
    """The catalogue: every metric's name, type, labels, unit, layer, better direction and help."""
    from exporter.catalogue.markdown import render

    click.echo(json.dumps(as_data(), indent=2) if layout == "json" else render(), nl=layout == "json")
