"""mlslo-exporter: init, run, once, baseline, check, report, gate, compare, metrics, state, aggregate, act."""

from __future__ import annotations

import os

import click

from mlslo.command_line import LazyCommands, Program
from mlslo.version import VERSION

# A sidecar's matrices are small: threads for them would wait for each other, beside the model that they watch.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_NAMES = (
    "init",
    "run",
    "once",
    "baseline",
    "check",
    "report",
    "gate",
    "compare",
    "replay",
    "fold",
    "metrics",
    "state",
    "aggregate",
    "act",
)


@click.group(
    cls=Program,
    commands=LazyCommands("exporter.commands", _NAMES),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(VERSION, prog_name="mlslo-exporter")
def main() -> None:
    """Prediction and label logs in, Prometheus gauges out."""
