"""Features together, attributions, noise levels, last-seen times and the status page, against oracles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import linalg
from sklearn import datasets, metrics
from sklearn.decomposition import PCA

from exporter.daemon.models import load_all
from exporter.features.binning import CategoricalBinning
from exporter.measure.drift import Pair, noise, rounded_rows
from exporter.pages import Choice, Frame, page
from exporter.references.reference import ViewReference
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.numeric import NumericSummary
from tests.support.commands import exporter
from tests.support.logs import (
    EPOCH,
    EVERYTHING,
    Gauges,
    monitor,
    once,
    record,
    value,
    write_lines,
    write_monitor,
)
from tests.support.references import numeric_reference

NAMES = ["radius", "perimeter", "area", "compactness", "concavity", "points"]
REFERENCES = ("training", "other", "past")


def cells(number: int, seed: int) -> np.ndarray:
    """Rows of six features of tumours, strongly correlated, without the few that are extreme."""
    measured = datasets.load_breast_cancer().data[:, [0, 2, 3, 5, 6, 7]]
    rng = np.random.default_rng(seed)
    calm = measured[np.all(np.abs(measured - measured.mean(axis=0)) < 2.5 * measured.std(axis=0), axis=1)]
    return np.asarray(calm[rng.integers(0, len(calm), number)] * rng.normal(1, 0.01, (number, 6)))


@pytest.fixture(scope="module")
def samples() -> dict[str, np.ndarray]:
    """``now`` has the features of ``training``, but each shuffled by itself: no feature moves."""
    training = cells(1500, 1)
    rng = np.random.default_rng(2)
    now = np.column_stack([rng.permutation(column) for column in cells(900, 3).T])
    other = cells(800, 4) * [1.2, 0.9, 1, 1, 1.1, 1]
    return {"training": training, "other": other, "past": cells(700, 5), "now": now}


def explained(sample: np.ndarray, weights: list[float]) -> np.ndarray:
    return np.asarray((sample - sample.mean(axis=0)) / sample.std(axis=0) * weights)


def rows(sample: np.ndarray, shap: np.ndarray | None, **labels: str) -> list[dict[str, Any]]:
    found = [{**labels, "features": dict(zip(NAMES, row, strict=True))} for row in sample.tolist()]
    for item, row in zip(found, [] if shap is None else shap.tolist(), strict=False):
        item["shap"] = dict(zip(NAMES, row, strict=True))
    return found


WEIGHTS = {"training": [6.0, 5, 4, 3, 2, 1], "past": [1.0, 2, 3, 4, 5, 6], "now": [6.0, 1, 5, 2, 4, 3]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, samples: dict[str, np.ndarray]) -> Path:
    folder = tmp_path_factory.mktemp("together")
    content = monitor(
        labels=None,
        segments=["half"],
        metrics=EVERYTHING,
        references={
            "training": {"static": "training.json"},
            "other": {"static": "other.json"},
            "past": {"sliding": "1h", "offset": "1h"},
        },
    )
    content["spec"]["predictions"]["fields"]["attributions"] = "shap"
    path = write_monitor(folder, content)
    shap = {name: explained(samples[name], weights) for name, weights in WEIGHTS.items()}
    for name in ("training", "other"):
        data = write_lines(
            folder / f"{name}.jsonl",
            [
                record(i, at=0, half="ab"[i % 2], **row)
                for i, row in enumerate(rows(samples[name], shap.get(name)))
            ],
        )
        exporter("baseline", path, "--data", data, "--out", folder / f"{name}.json")
    for name, start in (("past", -3599), ("now", 1)):
        found = rows(samples[name], shap[name])
        write_lines(
            folder / "logs/predictions.jsonl",
            [
                record(i, at=start + 3597 * i / len(found), half="ab"[i % 2], **row)
                for i, row in enumerate(found)
            ],
        )
    return folder


@pytest.fixture(scope="module")
def gauges(folder: Path) -> Gauges:
    return once(folder / "monitor.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("half", ["", "a", "b"])
def test_a_changed_correlation_shows(
    gauges: Gauges, samples: dict[str, np.ndarray], reference: str, half: str
) -> None:
    # A reference of its own standardisation, and the past, are seen in that of the first.
    centre, scale = samples["training"].mean(axis=0), samples["training"].std(axis=0)
    part = {"": slice(None), "a": slice(0, None, 2), "b": slice(1, None, 2)}[half]
    then = ((samples[reference] - centre) / scale)[part]
    now = (samples["now"][part] - centre) / scale
    components = PCA(n_components=0.65, svd_solver="full").fit(then)

    def error(sample: np.ndarray) -> float:
        rebuilt = components.inverse_transform(components.transform(sample))
        return float(np.mean(np.sum((sample - rebuilt) ** 2, axis=1)))

    labels = {"reference": reference, "segment_value": half}
    ratio = value(gauges, "ml_dataset_reconstruction_error_ratio", **labels)
    assert ratio == pytest.approx(error(now) / error(then), rel=1e-6)
    one, other = (np.cov(sample.T, bias=True) for sample in (now, then))
    shift = now.mean(axis=0) - then.mean(axis=0)
    exact = np.sqrt(shift @ shift + np.trace(one + other - 2 * linalg.sqrtm(one @ other).real))
    assert value(gauges, "ml_dataset_frechet_distance", **labels) == pytest.approx(exact, rel=1e-5)
    if reference == "training" and not half:
        assert ratio is not None
        assert ratio > 3
        assert value(gauges, "ml_features_drifted", **labels) == 0


def test_attributions(gauges: Gauges, samples: dict[str, np.ndarray]) -> None:
    means = {
        name: np.abs(explained(samples[name], weights)).mean(axis=0) for name, weights in WEIGHTS.items()
    }
    for feature, exact in zip(NAMES, means["now"], strict=True):
        found = value(gauges, "ml_feature_attribution_mean", feature=feature, segment="")
        assert found == pytest.approx(exact)
    for reference in ("training", "past"):
        exact = metrics.ndcg_score([means[reference]], [means["now"]])
        found = value(gauges, "ml_feature_attribution_ndcg", reference=reference, segment="")
        assert found == pytest.approx(exact)
    assert value(gauges, "ml_feature_attribution_ndcg", reference="other", segment="") is None
    withheld = value(
        gauges, "ml_gauge_withheld", gauge="ml_feature_attribution_ndcg", reason="not_in_reference"
    )
    assert withheld == 3  # all traffic, and two segment values


def test_noise_is_told_for_all_traffic_beside_each_statistic(gauges: Gauges) -> None:
    levels = gauges["ml_feature_drift_noise_level"]
    assert {labels["segment"] for labels, _ in levels} == {""}
    statistics = {labels["statistic"] for labels, _ in levels}
    assert statistics == {
        "psi",
        "ks_statistic",
        "wasserstein_distance",
        "js_distance",
        "hellinger_distance",
        "mean_shift_sigmas",
    }
    assert len(levels) == len(statistics) * len(NAMES) * len(REFERENCES)
    for labels, level in levels:
        place = {key: labels[key] for key in ("feature", "reference")}
        measured = value(gauges, f"ml_feature_{labels['statistic']}", segment="", **place)
        assert measured is not None
        assert level > 0
        if labels["reference"] == "training":
            assert measured < 1.5 * level  # no feature moved


@pytest.mark.slow
@pytest.mark.parametrize("rows", [300, 1111])
@pytest.mark.parametrize("kind", ["numbers", "categories"])
def test_levels_are_those_of_a_simulation(rows: int, kind: str) -> None:
    rng = np.random.default_rng(rows)
    group = np.zeros(rows, dtype=np.intp)
    names = tuple(f"c{i}" for i in range(10))
    shares = np.arange(1, 11) / 55
    exceeded: dict[str, int] = {}
    number = 1500
    reference: Any = None
    for i in range(number):
        # Fresh references: windows against one alone would share its luck.
        if i % 30 == 0:
            if kind == "numbers":
                reference = numeric_reference(rng.gamma(2.0, size=4000))
            else:
                codes = rng.choice(10, 4000, p=shares)
                reference = ViewReference(
                    CategoricalBinning(names),
                    CategoricalSummary.fold(names, codes, np.zeros(4000, dtype=np.intp), 1)[0],
                )
        if kind == "numbers":
            numbers = reference.summary
            current: Any = NumericSummary.fold(
                numbers.edges, numbers.pivot, rng.gamma(2.0, size=rows), group, 1
            )[0]
        else:
            current = CategoricalSummary.fold(names, rng.choice(10, rows, p=shares), group, 1)[0]
        pair = Pair(current, reference)
        for statistic, level in noise(current, reference).items():
            measured = pair.value(statistic)
            assert measured is not None
            assert level is not None
            exceeded[statistic] = exceeded.get(statistic, 0) + (measured > level)
    # 1 % of 1,500 is 15; the levels' own docstrings allow 0.3 to 2.1 %, and chance some more.
    assert all(2 <= times <= 45 for times in exceeded.values()), exceeded


@pytest.mark.parametrize("rows", [0, 1, 50, 127, 128, 129, 1000, 123_457, 9e9])
def test_rows_are_rounded_down_by_little(rows: float) -> None:
    rounded = rounded_rows(rows)
    assert rounded <= rows
    assert rows - rounded <= rows / 64
    assert rounded_rows(rounded) == rounded


def test_the_status_page_shows_all_traffic_and_segments_apart(folder: Path, gauges: Gauges) -> None:
    (model,) = load_all([folder / "monitor.yaml"])
    cycle = model.open(None)
    snapshot = cycle.run(at=EPOCH + 3600, final=True)
    cycle.close()
    assert snapshot is not None
    text = re.sub(r"<[^>]*>", "|", page(snapshot, Frame("monitor.yaml"), Choice()))
    psi = value(gauges, "ml_feature_psi", feature="radius", reference="training", segment="")
    level = value(
        gauges, "ml_feature_drift_noise_level", feature="radius", reference="training", statistic="psi"
    )
    assert re.search(rf"radius psi\|+{psi:.3g}\W+noise {level:.3g}\b", text)
    assert "Segment half" in text
    samples = re.findall(r"^\|+(?:ml_monitor_samples|a|b)\|+([0-9]+)\|", text, re.MULTILINE)
    assert samples == ["900", "450", "450"]
    assert len(re.findall(r"\|radius psi\|", text)) == 1


KINDS: dict[str, tuple[str, Any, Any]] = {
    "number": ("numeric", 1.5, "n/a"),
    "category": ("categorical", "a", None),
    "truth": ("boolean", True, None),
    "note": ("text", "one two", None),
    "at": ("timestamp", "2026-01-01T12:00:00Z", "soon"),
    "vector": ("embedding", [3.0, 4.0], ["x"]),
}


@pytest.mark.slow
def test_last_seen_across_versions_and_restarts_without_any_reference(tmp_path: Path) -> None:
    path = write_monitor(
        tmp_path,
        monitor(
            labels=None,
            features={
                **{name: {"type": kind} for name, (kind, *_) in KINDS.items()},
                "number": {"type": "numeric", "range": [1.6, 2]},
                "note": {"type": "text", "range": [1, 10]},
            },
        ),
    )
    log, state = tmp_path / "logs/predictions.jsonl", ("--state-dir", tmp_path / "state")
    last = {name: 100.0 + 10 * i for i, name in enumerate(KINDS)}
    # Each is there until its time; what comes after is missing or of no use.
    write_lines(
        log,
        [
            record(
                i,
                at=at,
                features={
                    name: right if at <= last[name] else wrong for name, (_, right, wrong) in KINDS.items()
                },
            )
            for i, at in enumerate(range(0, 300, 10))
        ],
    )
    first = once(path, *state)

    def seen(gauges: Gauges, name: str, version: str) -> float | None:
        return value(gauges, "ml_feature_last_seen_timestamp_seconds", feature=name, version=version)

    for name in KINDS:
        assert seen(first, name, "v1") == EPOCH + last[name]
    assert value(first, "ml_feature_mean", feature="number") == 1.5
    assert value(first, "ml_feature_out_of_range_ratio", feature="number") == 1
    assert value(first, "ml_feature_out_of_range_ratio", feature="note.length") == 0
    assert "ml_feature_quantile" not in first  # nothing tells where in between
    assert value(first, "ml_gauge_withheld", gauge="ml_feature_quantile", reason="not_in_reference") == 20
    assert value(first, "ml_feature_mean", feature="note.length") == 7
    assert value(first, "ml_feature_mean", feature="vector.norm") == 5
    assert value(first, "ml_feature_text_length_mean", feature="note") == 7
    assert value(first, "ml_feature_mean", feature="at") == 1767268800
    for name, (_, right, wrong) in KINDS.items():
        gone = value(first, "ml_feature_missing_ratio", feature=name)
        wrongs = value(first, "ml_feature_invalid_ratio", feature=name) or 0.0
        after = np.mean(np.arange(0, 300, 10) > last[name])
        assert gone == pytest.approx(after if wrong is None else 0)
        assert wrongs == pytest.approx(0 if wrong is None else after), (name, right)
    assert not any("reference" in labels for series in first.values() for labels, _ in series)
    # Another process: a late record of the first version moves nothing back, another version has its own times.
    write_lines(
        log,
        [
            record(100, at=50, features={name: right for name, (_, right, _) in KINDS.items()}),
            record(101, at=400, features={"number": 2.0}),
            record(102, at=500, version="v2", features={"category": "b"}),
        ],
    )
    second = once(path, *state)
    assert seen(second, "number", "v1") == EPOCH + 400
    assert seen(second, "number", "v2") is None
    assert seen(second, "category", "v2") == EPOCH + 500
    assert all(seen(second, name, "v1") == EPOCH + last[name] for name in KINDS if name != "number")
