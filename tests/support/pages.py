"""The output of `once`, held to what every page must be."""

from __future__ import annotations

import math
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.commands import exporter
from tests.support.logs import Gauges, monitor, parse, record, value, write_lines, write_monitor
from tests.support.tools import tool

AT = "2026-01-10T01:00:00Z"
NUMERIC = (
    "psi",
    "ks_statistic",
    "ks_p_value",
    "wasserstein_distance",
    "js_distance",
    "hellinger_distance",
    "mean_shift_sigmas",
    "drift_effect_size",
)
CATEGORICAL = (
    "psi",
    "js_distance",
    "hellinger_distance",
    "cramers_v",
    "chi2_p_value",
    "new_category_ratio",
    "drift_effect_size",
)
DESCRIPTION = ("mean", "stddev", "min", "max")
QUANTILES = 5


@dataclass
class Page:
    """The output of `once`."""

    text: str
    gauges: Gauges
    folder: Path

    def get(self, name: str, **labels: str) -> float | None:
        return value(self.gauges, name, **labels)

    def withheld(self, gauge: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for labels, number in self.gauges.get("ml_gauge_withheld", []):
            if labels["gauge"] == gauge:
                found[labels["reason"]] += int(number)
        return found

    def accounted(self, gauge: str) -> int:
        """Series of ``gauge``, and how many are known to be withheld."""
        return len(self.gauges.get(gauge, [])) + self.withheld(gauge).total()


def look(path: Path, at: str = AT) -> Page:
    """Run `once`, and hold its page to what every page must be."""
    text = exporter("once", path, "--at", at).stdout
    gauges = parse(text)
    for name, series in gauges.items():
        for labels, number in series:
            assert math.isfinite(number), (name, labels, number)
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    problems = [line for line in done.stderr.splitlines() if not line.startswith("ml_gauge_withheld ")]
    assert not problems
    return Page(text, gauges, path.parent)


def setup(
    folder: Path,
    reference: Iterable[dict[str, Any]],
    now: Iterable[dict[str, Any]],
    declared: dict[str, str] | None = None,
    **spec: Any,
) -> tuple[Path, str]:
    """A log, and a reference that `baseline` built; both are records without time and id. Returns its account too."""
    spec.setdefault(
        "references", {"training": {"static": "r.json"}, "past": {"sliding": "30m", "offset": "30m"}}
    )
    features = {name: {"type": kind} for name, kind in (declared or {}).items()}
    path = write_monitor(folder, monitor(labels=None, features=features, **spec))
    data = write_lines(folder / "data.jsonl", [record(i, at=0, **item) for i, item in enumerate(reference)])
    account = exporter("baseline", path, "--data", data, "--out", folder / "r.json").stdout
    items = list(now)
    write_lines(
        folder / "logs/predictions.jsonl",
        [record(i, at=3599 * (i + 1) / len(items), **item) for i, item in enumerate(items)],
    )
    return path, account
