"""Data gauges of hardly any rows, and of more categories and features than anybody has."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from tests.support.logs import EPOCH, EVERYTHING
from tests.support.pages import NUMERIC, look, setup

# Whether promtool takes a page is asked of each version in test_once.py and test_scraped.py.
pytestmark = pytest.mark.one_version


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows(tmp_path: Path, rows: int) -> None:
    features = {
        "number": 1.5,
        "category": "a",
        "truth": True,
        "note": "one two",
        "at": EPOCH,
        "vector": [1.0, 0.0],
    }
    kinds = dict(
        zip(features, ("numeric", "categorical", "boolean", "text", "timestamp", "embedding"), strict=True)
    )
    path, _ = setup(tmp_path, [{"features": features}], [{"features": features}] * rows, kinds)
    if not rows:
        (tmp_path / "logs/predictions.jsonl").touch()
    page = look(path)
    against = {"reference": "training"}
    if not rows:
        assert not any(name.startswith("ml_feature_") and "reference" not in name for name in page.gauges)
        assert page.withheld("ml_feature_missing_ratio") == {"too_few_samples": len(kinds)}
        assert page.get("ml_predictions_per_second") == 0
        return
    for view in ("number", "note.length", "vector.norm", "category", "truth", "note.characters"):
        assert page.get("ml_feature_psi", feature=view, **against) == 0
        assert page.get("ml_feature_psi", feature=view, reference="past") is None
    assert page.get("ml_feature_vocabulary_overlap_ratio", feature="note", **against) == 1
    assert page.get("ml_feature_embedding_cosine_distance", feature="vector", **against) == 0
    assert page.get("ml_prediction_out_of_distribution_ratio", **against) == 0
    assert page.get("ml_features_drifted", **against) == 0
    assert page.withheld("ml_feature_psi")["reference_too_small"] == 9


def test_ten_thousand_categories(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    names = [f"Straße {i} \"'\\" for i in range(12_000)]
    then = [*range(10_000), *rng.zipf(1.3, 10_000) % 10_000]
    now = rng.zipf(1.3, 5000) % 12_000
    path, account = setup(
        tmp_path,
        ({"features": {"street": names[i]}} for i in then),
        ({"features": {"street": names[i]}} for i in now),
        {"street": "categorical"},
        references={"training": {"static": "r.json"}},
    )
    assert "10000 categories" in account
    page = look(path)
    counts = np.array([np.bincount(sample, minlength=12_000) for sample in (now, then)], dtype=float)
    table = np.column_stack([counts[:, :10_000], counts[:, 10_000:].sum(axis=1)])
    exact = stats.chi2_contingency(table, correction=False)
    p, q = table / table.sum(axis=1, keepdims=True)
    labels = {"feature": "street"}
    assert page.get("ml_feature_chi2_p_value", **labels) == pytest.approx(exact.pvalue, rel=1e-6, abs=1e-300)
    assert page.get("ml_feature_cramers_v", **labels) == pytest.approx(
        math.sqrt(exact.statistic / table.sum())
    )
    assert page.get("ml_feature_js_distance", **labels) == pytest.approx(distance.jensenshannon(p, q, base=2))
    assert page.get("ml_feature_new_category_ratio", **labels) == pytest.approx(np.mean(now >= 10_000))
    # Each category against a floor of 1e-4: PSI of so many counts floors, and exceeds what chance does to it here.
    level, psi = (
        page.get("ml_feature_drift_noise_level", statistic="psi"),
        page.get("ml_feature_psi", **labels),
    )
    assert level is not None
    assert psi is not None
    assert level > psi


def test_five_hundred_features(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    common = rng.normal(size=(300, 1))
    values = common + rng.normal(size=(300, 500))
    values[200:, 250:] -= common[200:]  # half of them lose what they had in common
    rows = [{"features": {f"f{j:03}": float(v) for j, v in enumerate(row)}} for row in values.round(4)]
    path, _ = setup(
        tmp_path,
        rows[:200],
        rows[200:],
        dict.fromkeys((f"f{j:03}" for j in range(500)), "numeric"),
        references={"training": {"static": "r.json"}},
        metrics=EVERYTHING,
        maxSeries=1_000_000,
    )
    page = look(path)
    assert page.get("ml_features_expected") == page.get("ml_features_monitored") == 500
    for statistic in NUMERIC:
        assert page.accounted(f"ml_feature_{statistic}") == 500
    # The first 200 are looked at together, and those did not change.
    together = sorted(f"f{j:03}" for j in range(500))[:200]
    moments = json.loads((tmp_path / "r.json").read_text())["moments"]
    assert moments["features"] == together
    assert page.get("ml_dataset_frechet_distance", reference="training") is not None
