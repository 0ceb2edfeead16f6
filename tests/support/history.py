"""Read a history folder as a backtest would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.openmetrics.parser import text_string_to_metric_families

Series = dict[tuple[tuple[str, str], ...], dict[float, float]]


class History(NamedTuple):
    """``series``: name of the sample -> its labels -> time -> value."""

    about: dict[str, Any]
    series: dict[str, Series]


def read_history(folder: Path) -> History:
    """All files of a history folder."""
    series: dict[str, Series] = {}
    for path in sorted((folder / "openmetrics").glob("*.om")):
        for family in text_string_to_metric_families(path.read_text(encoding="utf-8")):
            for sample in family.samples:
                assert sample.timestamp is not None
                labels = tuple(sorted(sample.labels.items()))
                times = series.setdefault(sample.name, {}).setdefault(labels, {})
                assert float(sample.timestamp) not in times
                times[float(sample.timestamp)] = sample.value
    return History(json.loads((folder / "history.json").read_text(encoding="utf-8")), series)
