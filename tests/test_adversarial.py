"""Data and prediction gauges of hostile inputs: never NaN, never silently absent, always a page that promtool takes."""

from __future__ import annotations

import json
import math
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from tests.logs import (
    EPOCH,
    Gauges,
    exporter,
    monitor,
    parse,
    record,
    value,
    write_lines,
    write_monitor,
)
from tests.tools import tool

AT = "2026-01-10T01:00:00Z"
NUMERIC = (
    "psi",
    "ks_statistic",
    "ks_p_value",
    "wasserstein_distance",
    "js_distance",
    "hellinger_distance",
    "mean_shift_sigmas",
)
CATEGORICAL = ("psi", "js_distance", "hellinger_distance", "cramers_v", "chi2_p_value", "new_category_ratio")
DESCRIPTION = ("mean", "stddev", "min", "max")
QUANTILES = 5


@dataclass
class Page:
    """What `once` prints."""

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
    "a list now": (normal, lambda i: [i]),
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
        tmp_path_factory.mktemp("hostile"), REFERENCE_ROWS, NOW_ROWS, declared, segments=["version"]
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
    # Noise is for all traffic; a p-value and a share of new categories have none.
    with_noise = len(NUMERIC) - 1, len(CATEGORICAL) - 2
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
