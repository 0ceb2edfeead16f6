"""Segments of references: which values are known, over which rows, and what is said where they are not."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from exporter.daemon.models import load_all
from exporter.references.baseline import Baseline, build
from exporter.references.reference_file import dump, load, parse
from exporter.summary.outcomes import GroupOutcomeSummary
from mlslo.monitor import load as load_monitor
from mlslo.yamlfile import InputError
from tests.support.logs import AT, EPOCH, EVERYTHING, monitor, record, write_lines, write_monitor
from tests.support.segmented import Series, measured, part

pytestmark = pytest.mark.slow

Row = dict[str, Any]
SIZES = {"DE": 500, "FR": 400, "IT": 300, "ES": 200}


def rows(sizes: dict[str, int] = SIZES, seed: int = 1, start: float = 60.0) -> list[Row]:
    """Amounts lie apart by country, and so do scores and labels."""
    rng = np.random.default_rng(seed)
    countries = rng.permutation(np.repeat(list(sizes), list(sizes.values()))).tolist()
    found = []
    for number, country in enumerate(countries):
        step = list(SIZES).index(country) if country in SIZES else 9
        score = float(np.round(np.clip(rng.normal(0.4 + 0.1 * (step % 4), 0.2), 0, 1), 4))
        features = {"amount": float(rng.normal(100 * step, 10 + step)), "country": country}
        at = start + 3400 * number / len(countries)
        found.append(
            record(
                number,
                at=at,
                score=score,
                prediction=int(score >= 0.5),
                label=int(rng.random() < score),
                region=country.lower(),
                features=features,
            )
        )
    return found


def spec(**changes: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"segments": ["features.country"], "minSamples": 100}
    return monitor(**{**known, "references": {"training": {"static": "reference.json"}}, **changes})


def baseline(folder: Path, content: dict[str, Any], data: Iterable[Row]) -> Baseline:
    """Build ``reference.json`` in ``folder``."""
    path = write_lines(folder / "before.jsonl", data)
    found = build(load_monitor(write_monitor(folder, content)), [path])
    (folder / "reference.json").write_text(dump("m", found.reference))
    return found


def amounts(data: Iterable[Row], *countries: str) -> np.ndarray:
    return np.array([item["features"]["amount"] for item in data if item["features"]["country"] in countries])


def withheld(series: Series, reason: str) -> dict[str, float]:
    """Gauge -> how many of its series are withheld for a reason."""
    return {
        gauge: number
        for (_, _, _, gauge, why), number in series.get("ml_gauge_withheld", {}).items()
        if why == reason
    }


def drifted(series: Series, value: str) -> float | None:
    found = part(series, "features.country", value)
    return next((number for key, number in found.items() if key[0] == "ml_features_drifted"), None)


def test_the_largest_values_are_known_and_the_rest_are_other(tmp_path: Path) -> None:
    data = rows()
    found = baseline(tmp_path, spec(maxSegmentValues=2), data).reference
    assert {name: item.rows for name, item in found.segments["features.country"].items()} == {
        "DE": 500,
        "FR": 400,
        "other": 500,
    }
    for value, countries in {"DE": ["DE"], "other": ["IT", "ES"]}.items():
        own = load(tmp_path / "reference.json").of_segment("features.country", value, {"DE", "FR"})
        assert own is not None
        summary = own.views["amount"].summary
        values = amounts(data, *countries)
        assert summary.mean == pytest.approx(values.mean(), abs=1e-5)
        assert np.sqrt(summary.variance) == pytest.approx(values.std(), rel=1e-6)
        edges = np.array([-np.inf, *found.views["amount"].summary.edges, np.inf])
        assert summary.counts.tolist() == np.histogram(-values, -edges[::-1])[0][::-1].tolist()
        assert own.views["amount"].deciles.tolist() == found.views["amount"].deciles.tolist()
        assert (float(summary.minimum), float(summary.maximum)) == (values.min(), values.max())


def test_the_data_has_columns_of_any_name(tmp_path: Path) -> None:
    """Queries have names of their own for what they count."""
    others = {"value": 1.5, "number": 2, "category": "x", "code": "y"}
    found = []
    for name, data in {"wide": [{**row, **others} for row in rows()], "plain": rows()}.items():
        (tmp_path / name).mkdir()
        found.append(baseline(tmp_path / name, spec(), data).reference)
    wide, plain = (json.loads(dump("m", reference)) for reference in found)
    assert {**wide, "created": 0} == {**plain, "created": 0}
    with pytest.raises(InputError, match="has a column 'rowid'"):
        baseline(tmp_path, spec(), [{**row, "rowid": 7} for row in rows()])


@pytest.mark.parametrize(
    ("apart", "countries"),
    [
        ({"DE", "FR"}, ["IT", "ES"]),
        ({"DE"}, ["FR", "IT", "ES"]),
        (set(), ["DE", "FR", "IT", "ES"]),
        # Italy is among what the reference calls other, which cannot be taken apart.
        ({"DE", "IT"}, None),
    ],
)
def test_other_is_what_neither_tells_apart(
    apart: set[str], countries: list[str] | None, tmp_path: Path
) -> None:
    data = rows()
    found = baseline(tmp_path, spec(maxSegmentValues=2), data).reference
    own = found.of_segment("features.country", "other", apart)
    if countries is None:
        assert own is None
        return
    assert own is not None
    values = amounts(data, *countries)
    assert own.rows == len(values)
    assert own.views["amount"].summary.mean == pytest.approx(values.mean(), abs=1e-4)
    assert own is found.of_segment("features.country", "other", apart), "levels are kept by identity"


def test_without_other_in_the_reference_a_new_value_takes_nothing_from_it(tmp_path: Path) -> None:
    found = baseline(tmp_path, spec(maxSegmentValues=4), rows()).reference
    own = found.of_segment("features.country", "other", {"DE", "FR", "PL"})
    assert own is not None
    assert own.rows == SIZES["IT"] + SIZES["ES"]
    assert found.of_segment("features.country", "other", SIZES.keys()) is None
    assert found.of_segment("features.country", "PL") is None
    assert found.of_segment("", "") is found


def test_a_segment_is_compared_with_its_own_rows_or_not_at_all(tmp_path: Path) -> None:
    """Poland is new, Spain has too few rows in the reference; neither is compared with all traffic."""
    content = spec()
    baseline(tmp_path, content, rows({**SIZES, "ES": 60}))
    write_lines(tmp_path / "logs/predictions.jsonl", rows({**SIZES, "PL": 250}, seed=2))
    series = measured(tmp_path, content)
    assert {name: drifted(series, name) for name in (*SIZES, "PL")} == {
        "DE": 0,
        "FR": 0,
        "IT": 0,
        "ES": None,
        "PL": None,
    }
    gauges = {"ml_features_drifted", "ml_features_drifted_ratio", "ml_prediction_psi"}
    for reason in ("segment_not_in_reference", "reference_too_small"):
        assert {name: number for name, number in withheld(series, reason).items() if name in gauges} == (
            dict.fromkeys(gauges, 1.0)
        )


def test_a_shift_of_one_segment_shows_in_it_alone(tmp_path: Path) -> None:
    content = spec()
    baseline(tmp_path, content, rows())
    log = rows(seed=2)
    for item in log:
        if item["features"]["country"] == "FR":
            item["features"]["amount"] += 10
    write_lines(tmp_path / "logs/predictions.jsonl", log)
    series = measured(tmp_path, content)
    assert [drifted(series, name) for name in SIZES] == [0, 1, 0, 0]


def test_a_reference_from_before_withholds_and_says_once_how_to_renew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = spec()
    baseline(tmp_path, spec(segments=[]), rows())
    assert "segments" not in json.loads((tmp_path / "reference.json").read_text())
    write_lines(tmp_path / "logs/predictions.jsonl", rows(seed=2))
    (model,) = load_all([write_monitor(tmp_path, content)])
    at = datetime.fromisoformat(AT).timestamp()
    with caplog.at_level(logging.WARNING), closing(model.open(None)) as cycle:
        for end in (at, at + 1):
            snapshot = cycle.run(at=end, final=True)
    assert snapshot is not None
    said = [line for line in caplog.messages if "'features.country'" in line]
    assert len(said) == 1
    assert "mlslo-exporter baseline" in said[0]
    assert [drifted(snapshot.series, name) for name in SIZES] == [None] * 4
    assert withheld(snapshot.series, "segment_not_in_reference")["ml_features_drifted"] == 4
    # What compares nothing is there as before.
    assert ("ml_monitor_samples", "model=m", "version=v1", "window=1h") in part(
        snapshot.series, "features.country", "DE"
    )


@pytest.mark.parametrize("form", ["csv", "jsonl", "other name"])
def test_a_path_outside_of_the_features(form: str, tmp_path: Path) -> None:
    """The data names it as the log does, as a column of a table, or lacks it, which the account says."""
    content = spec(segments=["region", ["features.country", "region"]])
    data = rows()
    path = tmp_path / "before.jsonl"
    if form == "csv":
        path = tmp_path / "before.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["amount", "country", "region", "score"])
            for item in data:
                writer.writerow([*item["features"].values(), *(item[name] for name in ("region", "score"))])
    else:
        if form == "other name":
            for item in data:
                item["area"] = item.pop("region")
        write_lines(path, data)
    found = build(load_monitor(write_monitor(tmp_path, content)), [path])
    told = {account.feature: account.line() for account in found.accounts if account.kind == "segment"}
    if form == "other name":
        assert found.reference.segments == {}
        assert all("not in the data" in line for line in told.values())
        assert len(told) == 2
        return
    assert {name: item.rows for name, item in found.reference.segments["region"].items()} == {
        country.lower(): number for country, number in SIZES.items()
    }
    assert set(found.reference.segments["features.country,region"]) == {
        f"{country},{country.lower()}" for country in SIZES
    }
    assert "4 values (de 500, fr 400, it 300, es 200 rows)" in told["region"]


def test_rows_without_the_segment_are_missing(tmp_path: Path) -> None:
    data = rows()
    for item in data[:150]:
        del item["features"]["country"]
    found = baseline(tmp_path, spec(), data).reference.segments["features.country"]
    assert found["missing"].rows == 150
    assert sum(item.rows for item in found.values()) == len(data)


def test_fairness_and_calibration_of_the_reference(tmp_path: Path) -> None:
    """By group and segment, against scikit-learn."""
    content = spec(fairness={"attributes": ["region"], "minSamples": 50})
    data = rows()
    baseline(tmp_path, content, data)
    write_lines(tmp_path / "logs/predictions.jsonl", rows(seed=2))
    series = measured(tmp_path, content)
    scores, labels = (np.array([item[name] for item in data]) for name in ("score", "label"))
    predicted = (scores >= 0.5).astype(int)
    of = {country: np.array([item["features"]["country"] == country for item in data]) for country in SIZES}
    selected = [predicted[mine].mean() for mine in of.values()]
    tables = [confusion_matrix(labels[mine], predicted[mine]) for mine in of.values()]
    true_positive, false_positive = (
        [table[side][1] / table[side].sum() for table in tables] for side in (1, 0)
    )
    (parity,) = series["ml_fairness_demographic_parity_ratio_reference"].values()
    (odds,) = series["ml_fairness_equalized_odds_difference_reference"].values()
    assert parity == pytest.approx(min(selected) / max(selected))
    assert odds == pytest.approx(max(np.ptp(true_positive), np.ptp(false_positive)))
    assert part(series)[
        ("ml_calibration_error_reference", "model=m", "version=v1", "reference=training")
    ] == (pytest.approx(calibration_error(scores, labels)))
    for country, mine in of.items():
        error = part(series, "features.country", country)[
            ("ml_calibration_error_reference", "model=m", "version=v1", "reference=training")
        ]
        assert error == pytest.approx(calibration_error(scores[mine], labels[mine]))


def calibration_error(scores: np.ndarray, labels: np.ndarray) -> float:
    """15 equal bins (lo, hi], 0 in the first; by hand."""
    bins = np.maximum(np.ceil(scores * 15 - 1e-12).astype(int) - 1, 0)
    gaps = [
        abs(scores[bins == number].mean() - labels[bins == number].mean()) * np.mean(bins == number)
        for number in np.unique(bins)
    ]
    return float(sum(gaps))


def test_a_reference_without_labels_has_no_such_figures(tmp_path: Path) -> None:
    content = spec(fairness={"attributes": ["features.country"]})
    baseline(tmp_path, content, [{**item, "label": None} for item in rows()])
    write_lines(tmp_path / "logs/predictions.jsonl", rows(seed=2))
    series = measured(tmp_path, content)
    found = withheld(series, "reference_without_labels")
    assert found["ml_calibration_error_reference"] == 5
    assert found["ml_fairness_equalized_odds_difference_reference"] == 1
    assert len(series["ml_fairness_demographic_parity_ratio_reference"]) == 1


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_log_of_the_same_rows_is_as_the_reference(task: str, tmp_path: Path) -> None:
    """Figures of now are those of the reference, and every distance is 0, in each segment."""
    content = spec(task=task, metrics=EVERYTHING, fairness={"attributes": ["features.country"]})
    content["spec"]["predictions"]["fields"]["attributions"] = "shap"
    data = rows()
    for item in data:
        item["shap"] = {"amount": item["features"]["amount"] / 7, "country": 0.5}
        if task == "multiclass":
            del item["prediction"]
            item["score"] = {"a": 1 - item["score"], "b": item["score"] / 2, "c": item["score"] / 2}
            item["label"] = "abc"[item["label"] * (1 + len(item["region"]) % 2)]
    baseline(tmp_path, content, data)
    write_lines(tmp_path / "logs/predictions.jsonl", data)
    labels = [{"id": item["id"], "label": item["label"], "ts": item["ts"] + 1} for item in data]
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    series = measured(tmp_path, content)
    for value in ("", *SIZES):
        found = part(series, "features.country" if value else "", value)
        distances = {key: number for key, number in found.items() if key[0].endswith(DISTANCES)}
        assert len(distances) >= 7
        assert max(distances.values()) == pytest.approx(0, abs=1e-6)
        ndcg = [number for key, number in found.items() if key[0] == "ml_feature_attribution_ndcg"]
        assert ndcg == [1.0]
        if task != "regression":
            assert_equal_figures(found, "ml_calibration_error")
    if task == "binary":
        for name in ("demographic_parity_ratio", "equalized_odds_difference"):
            ((now,), (then,)) = (
                series[f"ml_fairness_{name}{suffix}"].values() for suffix in ("", "_reference")
            )
            assert now == pytest.approx(then, rel=1e-9)


DISTANCES = (
    "_psi",
    "_js_distance",
    "_ks_statistic",
    "_wasserstein_distance",
    "_mean_shift_sigmas",
    "_cramers_v",
    "_features_drifted",
)


def assert_equal_figures(found: dict[tuple[str, ...], float], name: str) -> None:
    (now,), (then,) = (
        [number for key, number in found.items() if key[0] == each] for each in (name, f"{name}_reference")
    )
    assert now == pytest.approx(then, rel=1e-6)


def test_a_segment_is_compared_with_its_own_first_time(tmp_path: Path) -> None:
    """The first half hour has every country at its own place; so has the next."""
    content = spec(references={"begin": {"first": "25m"}}, windows=["20m"], minSamples=30)
    first, later = rows(seed=1), rows(seed=2)
    for data, start in ((first, 0.0), (later, 1800.0)):
        for number, item in enumerate(data):
            item |= {"ts": EPOCH + start + number * 1.0, "id": f"{start}-{number}"}
    for item in later:
        item["features"]["amount"] += 40 * (item["features"]["country"] == "ES")
    write_lines(tmp_path / "logs/predictions.jsonl", [*first, *later])
    series = measured(tmp_path, content, "2026-01-10T00:53:20Z")
    assert [drifted(series, name) for name in SIZES] == [0, 0, 0, 1]


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_a_file_keeps_all_that_was_built(task: str, tmp_path: Path) -> None:
    data = rows()
    changes: dict[str, Any] = {"task": task, "labels": monitor()["spec"]["labels"]}
    if task in ("multiclass", "multilabel"):
        content = spec(**changes)
        content["spec"]["predictions"]["classes"] = ["a", "b"]
        for item in data:
            chosen, true = ("ab"[int(item[name])] for name in ("prediction", "label"))
            score = {"a": 1 - item["score"], "b": item["score"]}
            several = task == "multilabel"
            item |= {"score": score, "prediction": [chosen] if several else chosen}
            item["label"] = [true] if several else true
    else:
        content = spec(**changes)
    content["spec"]["predictions"]["fields"]["attributions"] = "shap"
    for item in data:
        item["shap"] = {"amount": item["features"]["amount"] / 7, "country": 0.5}
    built = baseline(tmp_path, content, data).reference
    read = load(tmp_path / "reference.json")
    assert dump("m", read) == (tmp_path / "reference.json").read_text()
    for value, counts in built.segments["features.country"].items():
        kept = read.segments["features.country"][value]
        assert (kept.rows, set(kept.counts)) == (counts.rows, set(counts.counts))
        for name, summary in counts.counts.items():
            assert np.array_equal(kept.counts[name].vector(), summary.vector()), name
    whole = {name: summary.vector().sum() for name, summary in built.counts.items() if "view" in name}
    parts = {
        name: sum(item.counts[name].vector().sum() for item in built.segments["features.country"].values())
        for name in whole
    }
    assert parts.keys() == whole.keys()
    assert isinstance(built.outcomes, GroupOutcomeSummary) == (task == "binary")
    own = read.of_segment("features.country", "FR")
    assert own is not None
    assert own.attributions["amount"] == pytest.approx(np.abs(amounts(data, "FR")).mean() / 7)


@pytest.mark.parametrize(
    "damage",
    [
        {"counts": [[3], 1]},
        {"counts": [[10**12]]},
        {"counts": ["x"]},
        {"counts": [None]},
        {"counts": [[1, 2]]},
        {"surprise": 1},
    ],
)
def test_a_damaged_segment_is_one_message(damage: dict[str, Any], tmp_path: Path) -> None:
    baseline(tmp_path, spec(), rows())
    data = json.loads((tmp_path / "reference.json").read_text())
    data["segments"]["features.country"]["FR"]["parts"]["view amount"] = damage
    with pytest.raises(InputError) as error:
        parse(json.dumps(data), Path("reference.json"))
    assert str(error.value).startswith("reference.json")
