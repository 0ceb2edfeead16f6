"""docs/skew.md: its files are taken, its command says what it says, and its alerts are generated."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from exporter.state import Side, Store, Values
from mlslo.catalogue import METRICS
from mlslo.monitor import Skew
from rulegen.cli import main
from tests.support.logs import once, write_lines
from tests.support.paths import ROOT
from tests.support.sessions import blocks, play, typed

PAGE = (ROOT / "docs/skew.md").read_text(encoding="utf-8")
FILES = {block.file: block.text for block in blocks(PAGE) if block.file}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.slow
def test_the_page_works_as_it_stands(folder: Path) -> None:
    assert set(FILES) == {"fraud.yaml", "slo.yaml", "predictions.jsonl", "offline.jsonl"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    play(typed(PAGE), folder, {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8"})


def test_the_example_counts_as_it_says(folder: Path) -> None:
    prediction, offline = (json.loads(FILES[name]) for name in ("predictions.jsonl", "offline.jsonl"))
    write_lines(folder / "predictions.jsonl", [{**prediction, "id": f"b{number}"} for number in range(199)])
    write_lines(folder / "offline.jsonl", [{**offline, "request_id": f"b{number}"} for number in range(199)])
    gauges = once(folder / "fraud.yaml", at="2026-01-31T12:30:00Z")
    shares = {
        labels["feature"]: number
        for labels, number in gauges["ml_feature_skew_ratio"]
        if labels["window"] == "1h"
    }
    assert shares == {"amount": 1, "country": 0}
    ages = {
        labels["feature"]: number
        for labels, number in gauges["ml_feature_age_seconds"]
        if (labels["window"], labels["quantile"]) == ("1h", "0.9")
    }
    assert ages == {"payments": pytest.approx(30, rel=0.011), "profile": pytest.approx(34 * 3600, rel=0.011)}


def test_its_alerts_are_generated(folder: Path) -> None:
    routing = ROOT / "examples/diabetes/routing.yaml"
    files = [folder / "slo.yaml", folder / "fraud.yaml", routing]
    done = CliRunner().invoke(main, ["generate", *map(str, files), "--out", str(folder / "out")])
    assert done.exit_code == 0, done.output
    rules = (folder / "out/rules/fraud.yaml").read_text()
    assert "ServedOtherwise" in rules
    assert 'ml_feature_age_seconds{model="fraud",window="1h",feature="payments",quantile="0.9"}' in rules


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "feature: payments",
            "feature: paymets",
            "has no 'paymets' in featureTimestamps, expected one of payments",
        ),
        ("  skew:", "  x-skew:", "'ml_feature_skew_ratio' needs skew, fraud.yaml has none"),
    ],
)
def test_an_alert_on_what_is_not_measured_is_refused(
    before: str, after: str, said: str, folder: Path
) -> None:
    name = "slo.yaml" if "feature" in before else "fraud.yaml"
    text = (folder / name).read_text()
    if name == "fraud.yaml":
        text = text[: text.index("  skew:")] + text[text.index("  featureTimestamps:") :]
    (folder / name).write_text(text.replace(before, after))
    files = [folder / "slo.yaml", folder / "fraud.yaml", ROOT / "examples/diabetes/routing.yaml"]
    done = CliRunner().invoke(main, ["generate", *map(str, files), "--out", str(folder / "out")])
    assert done.exit_code == 2
    assert said in done.output


def test_what_the_page_names_is_there() -> None:
    named = {name for name in METRICS if name.startswith(("ml_feature_skew_", "ml_skew_", "ml_feature_age_"))}
    assert {name for name in named if f"`{name}" in PAGE} == named
    default = Skew.model_fields["maxPending"].default
    assert f"`maxPending` ({default:,})" in PAGE
    assert f"{default * (8 * 50 + 70) / 1e6:.0f} MB for 50 features" in PAGE


def test_an_id_takes_as_much_as_the_page_says(tmp_path: Path) -> None:
    """Bytes in the state file, beside 8 of each feature, of what waits."""
    rng = np.random.default_rng(0)
    ids = np.unique(rng.integers(-(1 << 63), (1 << 63) - 1, 40_000))
    times = np.sort(rng.integers(1_700_000_000_000_000, 1_700_086_400_000_000, len(ids)))
    codes = rng.integers(-(1 << 63), (1 << 63) - 1, (len(ids), 12))
    store = Store(tmp_path / "state.sqlite")
    with store.transaction():
        store.skew.add(Side.SERVED, Values(ids, times, np.ones_like(ids), 1, codes), 0)
    store.close()
    size = (tmp_path / "state.sqlite").stat().st_size / len(ids)
    assert 40 < size - 8 * 12 < 85, size
