"""Read a history folder as a backtest would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

Series = dict[tuple[tuple[str, str], ...], dict[float, float]]


class History(NamedTuple):
    """``series``: name of the sample -> its labels -> time -> value."""

    about: dict[str, Any]
    series: dict[str, Series]


def read_history(folder: Path) -> History:
    """All files of a history folder.

    prometheus_client 0.26 parses OpenMetrics, and takes a histogram's later times for repetitions; promtool judges
    the format in another test. Its parser of text reads the same lines, and takes seconds for milliseconds.
    """
    series: dict[str, Series] = {}
    for path in sorted((folder / "openmetrics").glob("*.om")):
        text = path.read_text(encoding="utf-8")
        assert text.endswith("\n# EOF\n")
        for family in text_string_to_metric_families(text.removesuffix("# EOF\n")):
            for sample in family.samples:
                assert sample.timestamp is not None
                labels = tuple(sorted(sample.labels.items()))
                times = series.setdefault(sample.name, {}).setdefault(labels, {})
                time = round(float(sample.timestamp) * 1000, 3)
                assert time not in times
                times[time] = sample.value
    return History(json.loads((folder / "history.json").read_text(encoding="utf-8")), series)
