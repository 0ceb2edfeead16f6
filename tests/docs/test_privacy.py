"""docs/privacy.md: its monitor file is valid, its lists are those of the code, and its figures those of the formula."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from exporter.measure.gauges import PRIVATE
from exporter.statistics.laplace_noise import noise_bound, ratio_bound
from mlslo.catalogue import METRICS
from mlslo.monitor import load
from mlslo.yamlfile import InputError
from tests.support.paths import ROOT
from tests.support.sessions import blocks

PAGE = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
(EXAMPLE,) = [block.text for block in blocks(PAGE) if block.language == "yaml"]
CELLS = 13
SCALE = 15.0


def test_the_example_is_valid(tmp_path: Path) -> None:
    (tmp_path / "monitor.yaml").write_text(EXAMPLE)
    privacy = load(tmp_path / "monitor.yaml").spec.privacy
    assert privacy is not None
    assert (privacy.period.seconds, privacy.grace.seconds) == (86_400, 3600)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"windows": ["1d"]},
            "the longest window must reach over two periods of 'privacy' and its grace: 49h",
        ),
        ({"windows": ["600d"]}, "the longest window has more than 400 periods"),
        ({"references": {"past": {"sliding": "1d"}}}, "static references"),
        ({"references": {"own": {"static": "{version}.json"}}}, "static references"),
        ({"segments": ["a.*.b"]}, "a record is not one prediction"),
        ({"privacy": {"epsilon": 0}}, "greater than 0"),
        ({"privacy": {"epsilon": 1, "period": "90m"}}, "expected whole hours, got '90m'"),
        ({"privacy": {"epsilon": 1, "delta": 0.1}}, "delta"),
    ],
)
def test_what_is_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    content = yaml.safe_load(EXAMPLE)
    content["spec"] |= changes
    (tmp_path / "monitor.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as raised:
        load(tmp_path / "monitor.yaml")
    assert message in str(raised.value)
    assert re.search(r"monitor\.yaml:\d+:\d+: ", str(raised.value))


def test_gauges_are_those_that_are_measured() -> None:
    listed = PAGE.split("## What the aggregated page has")[1].split("of all traffic")[0]
    assert set(re.findall(r"`(ml_\w+)`", listed)) == {*PRIVATE, "ml_monitor_samples"}
    assert METRICS.keys() >= PRIVATE


def test_figures_are_those_of_the_formula() -> None:
    rows = re.findall(r"^\| ([\d,]+) \| (\d+) \| ([\d,]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    for row in rows:
        devices, days, bound = (int(text.replace(",", "")) for text in row[:3])
        found = noise_bound(devices * days, SCALE, 0.01 / CELLS)
        assert bound == round(found)
        (ratio, *_) = ratio_bound(np.full(CELLS, 0.1), devices * days * 1000, found)
        assert float(row[3]) == pytest.approx(ratio, abs=5e-5)
    margin = int(np.ceil(CELLS * noise_bound(100, SCALE, 0.01 / CELLS)))
    assert f"{margin:,} rows for 13 cells" in PAGE
