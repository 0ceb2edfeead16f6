"""Prediction gauges of hostile scores and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.pages import look, setup

# Whether promtool takes a page is asked of each version in test_once.py and test_scraped.py.
pytestmark = pytest.mark.one_version

SCORES: dict[str, Callable[[int], Any]] = {
    "constant": lambda _: 0.25,
    "one in a thousand": lambda i: 0.9 if i % 1000 == 7 else 0.1,
    "null": lambda _: None,
    "text": lambda i: f"s{i}",
    "out of bounds": lambda i: 1.0 + i,
    "the ends": lambda i: i % 2,
    "tiny": lambda i: 5e-324 * (i % 3),
}


@pytest.mark.parametrize("name", SCORES)
def test_scores_of_a_classifier(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(5)
    score = SCORES[name]
    path, _ = setup(
        tmp_path,
        ({"score": s, "prediction": int(s > 0.5)} for s in rng.beta(1, 3, 500).tolist()),
        ({"score": score(i), "prediction": None} for i in range(2000)),
        references={"training": {"static": "r.json"}},
        windows=["1h", "1d"],
    )
    page = look(path)
    for gauge in (
        "psi",
        "ks_statistic",
        "js_distance",
        "wasserstein_distance",
        "mean",
        "stddev",
        "top_value_ratio",
    ):
        assert page.accounted(f"ml_prediction_{gauge}") == 2
    for gauge in ("confidence_mean", "entropy_mean"):
        assert page.accounted(f"ml_prediction_{gauge}") == 2
    assert page.accounted("ml_prediction_class_ratio") == 4
    usable = [float(s) for i in range(2000) if isinstance(s := score(i), (int, float)) and 0 <= s <= 1]
    found = page.get("ml_prediction_mean", window="1h")
    assert found == (pytest.approx(np.mean(usable), abs=1e-12) if usable else None)
    positives = page.get("ml_prediction_class_ratio", **{"window": "1h", "class": "1"})
    assert positives == (pytest.approx(np.mean(np.array(usable) >= 0.5)) if usable else None)
    top = page.get("ml_prediction_top_value_ratio", window="1h")
    most = Counter(usable).most_common(1)[0][1] / len(usable) if usable else None
    assert top == (pytest.approx(most, abs=2e-3) if usable else None)


def test_values_of_a_regression(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    odd = {3: 1e300, 4: -1.7e308, 5: 1.7e308, 6: None, 7: "inf", 8: "much", 9: [1]}
    path, _ = setup(
        tmp_path,
        ({"score": s} for s in rng.normal(size=500).tolist()),
        ({"score": odd.get(i, float(s))} for i, s in enumerate(rng.normal(size=1000))),
        task="regression",
    )
    page = look(path)
    for gauge in ("psi", "ks_statistic", "js_distance", "wasserstein_distance"):
        assert page.accounted(f"ml_prediction_{gauge}") == 2
    assert page.get("ml_prediction_psi", reference="training") == pytest.approx(0, abs=0.1)
    assert page.withheld("ml_prediction_stddev") == {"undefined": 1}
