"""What the exporter measures of a log, to be compared with what it measures of plain JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.formats import dataset
from tests.formats.catalogue import requests_of
from tests.formats.format import Format
from tests.formats.own import PLAIN
from tests.support.logs import Gauges, monitor, once, write_monitor

CATEGORICAL = ("region", "finish_reason")
OF_THE_RUN = (
    "ml_field_present_ratio",
    "ml_monitor_cycle_duration",
    "ml_monitor_last_success",
    "ml_sink_lag_bytes",
    "ml_state_",
)
"""Series of when and how it ran, and of what the file maps, not of what was read."""


def figures(folder: Path, of: Format, predictions: Mapping[str, Any], *, plain: bool = False) -> Gauges:
    """Return the series of ``once`` for the log that ``of`` writes, or for plain lines of what that one carries.

    ``predictions`` is merged into the monitor file's. The labels have an id for each prediction.
    """
    requests = requests_of(of)
    content = PLAIN.write(of.carried(requests)) if plain else of.write(requests)
    logs = folder / "logs"
    logs.mkdir(parents=True)
    suffix = PLAIN.suffix if plain else of.suffix
    (logs / f"predictions{suffix}").write_bytes(content)
    (logs / "labels.jsonl").write_bytes(dataset.labels(requests))
    types = {name: {"type": "categorical" if name in CATEGORICAL else "numeric"} for name in of.features}
    base = monitor(features=types, minSamples=20, **({} if "score" in of.plain_fields else {"labels": None}))
    base["spec"]["predictions"] = {"sink": {"file": {"path": f"logs/predictions{suffix}"}}, **predictions}
    found = once(write_monitor(folder, base))
    return {name: series for name, series in found.items() if not name.startswith(OF_THE_RUN)}


def differences(left: Gauges, right: Gauges) -> dict[str, tuple[list[str], list[str]]]:
    """Return the series that are not the same in both: by name, those of the one alone and those of the other."""
    return {
        name: (sorted(ours - theirs), sorted(theirs - ours))
        for name in sorted({*left, *right})
        if (ours := _texts(left, name)) != (theirs := _texts(right, name))
    }


def _texts(gauges: Gauges, name: str) -> set[str]:
    """Values to 9 digits: sums depend on the order in which records come."""
    return {f"{dict(sorted(labels.items()))} {value:.9g}" for labels, value in gauges.get(name, [])}
