"""Data and prediction gauges of hostile inputs: never NaN, never silently absent, always a page that promtool takes."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from tests.support.commands import exporter
from tests.support.logs import EVERYTHING
from tests.support.pages import CATEGORICAL, DESCRIPTION, NUMERIC, QUANTILES, Page, look, setup

# Whether promtool takes a page is asked of each version in test_once.py and test_scraped.py.
pytestmark = pytest.mark.one_version

RNG = np.random.default_rng(20260110)
ROWS = 400
Draw = Callable[[int], Any]


def normal(_: int) -> float:
    return float(RNG.normal())


# Feature: its value in the reference, and now, by row.
NUMBERS: dict[str, tuple[Draw, Draw]] = {
    "constant": (lambda _: 3.0, lambda _: 3.0),
    "another constant": (lambda _: 3.0, lambda _: 4.0),
    "constant before": (lambda _: 3.0, normal),
    "constant now": (normal, lambda _: 0.5),
    "two values": (lambda i: i % 2, lambda i: int(i % 4 == 0)),
    "heavy ties": (lambda i: max(0, i % 100 - 90), lambda i: max(0, i % 100 - 85)),
    "one enormous": (normal, lambda i: 1e6 if i == 7 else normal(i)),
    "one at 1e300": (normal, lambda i: 1e300 if i == 7 else normal(i)),
    "one at the end": (normal, lambda i: 1.7e308 if i == 7 else normal(i)),
    "both ends": (normal, lambda i: {7: 1.7e308, 8: -1.7e308}.get(i, normal(i))),
    "many at the end": (normal, lambda i: 1.7e308 if i % 2 else normal(i)),
    "enormous before": (lambda i: 1e6 if i == 7 else normal(i), normal),
    "1e150 before": (lambda i: 1e150 * normal(i), lambda i: 1e150 * normal(i)),
    "all tiny": (lambda i: 1e-300 * normal(i), lambda i: 1e-300 * normal(i)),
    "offset": (lambda i: 1e15 + i % 3, lambda i: 1e15 + i % 2),
    "null now": (normal, lambda _: None),
    "one now": (normal, lambda i: 1.0 if i == 7 else None),
    "text now": (normal, lambda i: f"no number {i}"),
    "infinite now": (normal, lambda i: "inf" if i % 2 else "-inf"),
    "a list now": (normal, lambda i: [i, i]),
    "rare before": (lambda i: 1.0 if i == 7 else None, normal),
}
STRANGE = [
    'quo"te',
    "dot.ted",
    "uni–ço∂e 日本",
    "new\nline",
    "back\\slash",
    "{b=race}",
    "a,b",
    "tab\t",
    "'",
    " ",
]
NUMBERS |= dict.fromkeys(STRANGE, (normal, normal))
CATEGORIES: dict[str, tuple[Draw, Draw]] = {
    "one category": (lambda _: "a", lambda _: "a"),
    "another category": (lambda _: "a", lambda _: "b"),
    "one in a thousand": (lambda i: "b" if i == 7 else "a", lambda i: "b" if i == 9 else "a"),
    "unseen": (lambda i: "ab"[i % 2], lambda i: f"new {i % 3}"),
    "no category now": (lambda i: "ab"[i % 2], lambda _: None),
    "each its own": (lambda i: f"c{i}", lambda i: f"c{i + ROWS // 2}"),
    "strange ones": (lambda i: STRANGE[i % 10], lambda i: STRANGE[i % 7]),
}
# Left out of the reference: nothing can be said of them but what is missing.
LEFT_OUT: dict[str, tuple[Draw, Draw]] = {
    "null before": (lambda _: None, normal),
    "1e308 before": (lambda i: 1e308 * (-1) ** i, lambda i: 1e308 * (-1) ** i),
}


def drawn(which: int, number: int) -> list[dict[str, Any]]:
    features = {**NUMBERS, **CATEGORIES, **LEFT_OUT}
    return [{"features": {name: pair[which](i) for name, pair in features.items()}} for i in range(number)]


REFERENCE_ROWS, NOW_ROWS = drawn(0, ROWS), drawn(1, ROWS)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Page:
    declared = dict.fromkeys([*NUMBERS, *LEFT_OUT], "numeric") | dict.fromkeys(CATEGORIES, "categorical")
    path, account = setup(
        tmp_path_factory.mktemp("hostile"),
        REFERENCE_ROWS,
        NOW_ROWS,
        declared,
        segments=["version"],
        metrics=EVERYTHING,
        maxSeries=1_000_000,
    )
    assert account.count("left out") == len(LEFT_OUT)
    exporter("check", path)
    return look(path)


SCOPES, REFERENCES = 2, 2  # all traffic and the version's segment; a static reference and a sliding one


def test_every_series_is_there_or_withheld(hostile: Page) -> None:
    numbers, categories = len(NUMBERS) + len(LEFT_OUT), len(CATEGORIES)
    for statistic in {*NUMERIC, *CATEGORICAL}:
        views = (statistic in NUMERIC) * numbers + (statistic in CATEGORICAL) * categories
        assert hostile.accounted(f"ml_feature_{statistic}") == SCOPES * REFERENCES * views
    for name in DESCRIPTION:
        assert hostile.accounted(f"ml_feature_{name}") == SCOPES * numbers
    assert hostile.accounted("ml_feature_quantile") == SCOPES * numbers * QUANTILES
    assert hostile.accounted("ml_feature_missing_ratio") == SCOPES * (numbers + categories)
    assert hostile.accounted("ml_feature_invalid_ratio") == SCOPES * numbers
    for name in ("ml_features_drifted", "ml_features_drifted_ratio"):
        assert hostile.accounted(name) == SCOPES * REFERENCES
    for name in ("frechet_distance", "reconstruction_error_ratio"):
        assert hostile.accounted(f"ml_dataset_{name}") == SCOPES * REFERENCES
    # Noise is for all traffic; a p-value, an effect size and a share of new categories have none.
    with_noise = len(NUMERIC) - 2, len(CATEGORICAL) - 3
    known = [
        name
        for name, (_, now) in {**NUMBERS, **CATEGORIES}.items()
        if name not in ("null now", "text now", "infinite now", "a list now", "no category now")
    ]
    expected = REFERENCES * sum(with_noise[name in CATEGORIES] for name in known)
    assert hostile.accounted("ml_feature_drift_noise_level") == expected
    assert not any(labels["segment"] for labels, _ in hostile.gauges["ml_feature_drift_noise_level"])


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_against_plain_ones(hostile: Page, name: str) -> None:
    then, now = (numbers_of(which, name) for which in (0, 1))
    labels = {"feature": name, "reference": "training", "segment": ""}
    distance = hostile.get("ml_feature_ks_statistic", **labels)
    if not len(now):
        assert distance is None
        return
    exact = stats.ks_2samp(now, then, method="asymp").statistic
    # 200 quantile bins of 400 rows hold two or three values each, apart from ties, which are told apart.
    assert distance == pytest.approx(exact, abs=0.01)
    assert distance <= exact + 1e-12
    with np.errstate(over="ignore", invalid="ignore"):
        deviation, mean = then.std(), now.mean()
        shift = abs(mean - then.mean()) / deviation if deviation else math.nan
    found = hostile.get("ml_feature_mean_shift_sigmas", **labels)
    if math.isfinite(shift):
        assert found == pytest.approx(shift, rel=1e-9, abs=1e-12 + 1e-15 * np.abs(now).max() / deviation)
    else:
        assert found is None
    if math.isfinite(shift):
        edges = json.loads((hostile.folder / "r.json").read_text())["features"][name]["edges"]
        masses = sum(
            np.bincount(np.searchsorted(edges, sample), minlength=len(edges) + 1) / len(sample)
            for sample in (now, then)
        )
        bound = np.sum(np.diff(edges) * np.asarray(masses)[1:-1]) / 2 / deviation
        plain = stats.wasserstein_distance(now / 1e10, then / 1e10) * 1e10 / deviation
        found = hostile.get("ml_feature_wasserstein_distance", **labels)
        assert found == pytest.approx(plain, rel=1e-9, abs=bound + 1e-12)
    described = {"feature": name, "segment": ""}
    assert hostile.get("ml_feature_min", **described) == now.min()
    assert hostile.get("ml_feature_max", **described) == now.max()
    for gauge, plain in (("mean", mean), ("stddev", plain_deviation(now))):
        found = hostile.get(f"ml_feature_{gauge}", **described)
        if math.isfinite(plain):
            assert found == pytest.approx(plain, rel=1e-9, abs=1e-15 * np.abs(now).max())
        else:
            assert found is None


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories_against_plain_ones(hostile: Page, name: str) -> None:
    then, now = (
        Counter(str(found) for row in sample if (found := row["features"][name]) is not None)
        for sample in (REFERENCE_ROWS, NOW_ROWS)
    )
    labels = {"feature": name, "reference": "training", "segment": ""}
    found = {gauge: hostile.get(f"ml_feature_{gauge}", **labels) for gauge in CATEGORICAL}
    if not now:
        assert set(found.values()) == {None}
        return
    new = sum(number for category, number in now.items() if category not in then)
    assert found["new_category_ratio"] == pytest.approx(new / now.total())
    table = np.array([[sample[category] for category in then] for sample in (now, then)], dtype=float)
    table = np.column_stack([table, [new, 0]])[:, : len(then) + bool(new)]
    if table.shape[1] == 1:
        assert found["cramers_v"] is None
        assert found["chi2_p_value"] is None
        return
    exact = stats.chi2_contingency(table, correction=False)
    assert found["chi2_p_value"] == pytest.approx(exact.pvalue, rel=1e-9)
    assert found["cramers_v"] == pytest.approx(math.sqrt(exact.statistic / table.sum()))
    p, q = table / table.sum(axis=1, keepdims=True)
    assert found["js_distance"] == pytest.approx(distance.jensenshannon(p, q, base=2), abs=1e-9)


def test_against_a_past_that_holds_what_is_enormous(hostile: Page) -> None:
    labels = {"reference": "past", "segment": ""}
    for name in ("one at 1e300", "one at the end", "both ends", "many at the end"):
        for gauge in ("mean_shift_sigmas", "wasserstein_distance"):
            assert hostile.get(f"ml_feature_{gauge}", feature=name, **labels) is None
        for gauge in ("psi", "ks_statistic"):
            found = hostile.get(f"ml_feature_{gauge}", feature=name, **labels)
            assert found is not None
            assert found < 0.2


def test_what_did_not_move_is_not_named(hostile: Page) -> None:
    moved = {"constant before", "constant now", "another constant", "two values", "many at the end", "offset"}
    moved |= {"another category", "unseen", "strange ones"}
    named = hostile.get("ml_features_drifted", reference="training", segment="")
    assert named is not None
    assert len(moved) <= named <= len(moved) + 2


def numbers_of(which: int, name: str) -> np.ndarray:
    """The finite numbers of a feature."""
    values = [row["features"][name] for row in (REFERENCE_ROWS, NOW_ROWS)[which]]
    return np.array([value for value in values if isinstance(value, (int, float))], dtype=float)


def plain_deviation(values: np.ndarray) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return 0.0 if values.min() == values.max() else float(values.std())
