"""Every data gauge of every kind of feature, from `baseline` to `once`, against scipy, numpy and plain Python."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from tests.exporter.features.test_kinds import tokens_of
from tests.support.commands import exporter
from tests.support.feature_kinds import (
    KINDS,
    NOW,
    OTHER,
    RANGES,
    REFERENCE,
    THEN,
    WRONG,
    Plain,
    Wrong,
    binned,
    lumped,
    psi,
    rows,
    spoilt,
)
from tests.support.logs import EPOCH, Gauges, monitor, once, record, value, write_lines, write_monitor

pytestmark = pytest.mark.slow


@dataclass
class Measured:
    """What `once` exports, and the samples that it was told of. ``files``: name -> reference file."""

    gauges: Gauges
    now: Plain
    samples: dict[str, Plain]
    files: dict[str, dict[str, Any]]
    checked: str
    folder: Path
    prefix: str

    def get(self, name: str, feature: str = "", **labels: str) -> float | None:
        return value(self.gauges, name, **({"feature": self.prefix + feature} if feature else {}), **labels)

    def view(self, reference: str, view: str) -> Any:
        """What fixes the bins of a view, for a reference: its own, or those of the first file."""
        name, _, part = view.partition(".")
        known = self.files.get(reference, self.files["training"])["features"][self.prefix + name]
        return known["views"][part or "value"] if "views" in known else known


def described(features: dict[str, Any]) -> dict[str, Any]:
    return {"ts": EPOCH, "features": features}


@pytest.fixture(scope="module", params=["an object", "a list of paths"])
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("kinds")
    prefix = "" if request.param == "an object" else "features."
    training, validation = (spoilt(rows(REFERENCE, 1, shift=False), 2), rows(OTHER, 3, shift=True))
    then, now = spoilt(rows(THEN, 4, shift=False), 5), spoilt(rows(NOW, 6, shift=True), 7)
    content = monitor(
        labels=None,
        features={
            prefix + name: {"type": kind, **({"range": list(RANGES[name])} if name in RANGES else {})}
            for name, kind in KINDS.items()
        },
        references={
            "training": {"static": "training.json"},
            "validation": {"static": "validation.json"},
            "past": {"sliding": "1h", "offset": "1h"},
        },
    )
    if prefix:
        content["spec"]["predictions"]["fields"]["features"] = [prefix + name for name in KINDS]
    path = write_monitor(folder, content)
    for name, sample in (("training", training), ("validation", validation)):
        data = write_lines(folder / f"{name}.jsonl", map(described, sample))
        exporter("baseline", path, "--data", data, "--out", folder / f"{name}.json")
    times = np.linspace(-3599, -1, THEN), np.linspace(1, 3599, NOW)
    write_lines(
        folder / "logs/predictions.jsonl",
        [
            record(i, at=float(at), features=item)
            for i, (at, item) in enumerate(zip(np.concatenate(times), [*then, *now], strict=True))
        ],
    )
    checked = exporter("check", path).stdout
    samples = {"training": Plain(training), "validation": Plain(validation), "past": Plain(then)}
    files = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("training", "validation")}
    return Measured(once(path), Plain(now), samples, files, checked, folder, prefix)


REFERENCES = ("training", "validation", "past")
NUMBERS = ("mean radius", "note.length", "since", "pixels.norm")
CATEGORIES = ("grade", "benign", "since.hour", "since.weekday")


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_what_is_missing_and_what_is_wrong(measured: Measured, name: str) -> None:
    now = measured.now
    assert measured.get("ml_feature_missing_ratio", name) == pytest.approx(now.missing(name) / NOW)
    for reference in measured.files:
        sample = measured.samples[reference]
        found = measured.get("ml_feature_missing_ratio_reference", name, reference=reference)
        assert found == pytest.approx(sample.missing(name) / sample.rows)
    if name == "grade":
        assert measured.get("ml_feature_invalid_ratio", name) is None
    else:
        assert measured.get("ml_feature_invalid_ratio", name) == pytest.approx(now.wrong(name) / NOW)
        assert (now.wrong(name) > 0) == (name in WRONG)


@pytest.mark.parametrize("view", NUMBERS)
def test_descriptions(measured: Measured, view: str) -> None:
    numbers = measured.now.numbers(view)
    for name, exact in (
        ("mean", numbers.mean()),
        ("stddev", numbers.std()),
        ("min", numbers.min()),
        ("max", numbers.max()),
    ):
        assert measured.get(f"ml_feature_{name}", view) == pytest.approx(exact, rel=1e-9)
    edges = np.concatenate([[-np.inf], measured.view("training", view)["edges"], [np.inf]])
    for probability in ("0.05", "0.25", "0.5", "0.75", "0.95"):
        found = measured.get("ml_feature_quantile", view, quantile=probability)
        exact = np.quantile(numbers, float(probability), method="inverted_cdf")
        # Within the bin that the exact one falls into.
        bin_ = np.searchsorted(edges, exact)
        low, high = max(edges[bin_ - 1], numbers.min()), min(edges[bin_], numbers.max())
        assert found is not None
        assert low <= found <= high


@pytest.mark.parametrize("name", RANGES)
def test_out_of_range(measured: Measured, name: str) -> None:
    view = {"note": "note.length", "pixels": "pixels.norm"}.get(name, name)
    low, high = RANGES[name]
    numbers = measured.now.numbers(view)
    outside = np.mean((numbers < low) | (numbers > high))
    assert outside > 0
    assert measured.get("ml_feature_out_of_range_ratio", view) == pytest.approx(outside)


def test_text_length(measured: Measured) -> None:
    lengths = measured.now.numbers("note.length")
    assert measured.get("ml_feature_text_length_mean", "note") == pytest.approx(lengths.mean())


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("view", NUMBERS)
def test_numbers_against(measured: Measured, view: str, reference: str) -> None:
    now, then = measured.now.numbers(view), measured.samples[reference].numbers(view)
    fixed = measured.view(reference, view)
    drift = {
        name: measured.get(f"ml_feature_{name}", view, reference=reference)
        for name in ("psi", "ks_statistic", "ks_p_value", "wasserstein_distance", "js_distance")
    }
    p, q = (binned(sample, fixed["deciles"]) for sample in (now, then))
    assert drift["psi"] == pytest.approx(psi(p, q))
    assert drift["js_distance"] == pytest.approx(distance.jensenshannon(p, q, base=2))
    hellinger = measured.get("ml_feature_hellinger_distance", view, reference=reference)
    assert hellinger == pytest.approx(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2))
    shift = measured.get("ml_feature_mean_shift_sigmas", view, reference=reference)
    assert shift == pytest.approx(abs(now.mean() - then.mean()) / then.std())
    fine_p, fine_q = (binned(sample, fixed["edges"]) for sample in (now, then))
    exact = stats.ks_2samp(now, then, method="asymp").statistic
    assert drift["ks_statistic"] is not None
    assert exact - np.minimum(fine_p, fine_q).max() - 1e-12 <= drift["ks_statistic"] <= exact + 1e-12
    effective = math.sqrt(len(now) * len(then) / (len(now) + len(then)))
    corrected = (effective + 0.12 + 0.11 / effective) * drift["ks_statistic"]
    assert drift["ks_p_value"] == pytest.approx(stats.kstwobign.sf(corrected), rel=1e-6, abs=1e-300)
    widths = np.diff(fixed["edges"])
    bound = np.sum(widths * (fine_p + fine_q)[1:-1]) / 2 / then.std()
    exact = stats.wasserstein_distance(now, then) / then.std()
    # Outside of the edges of another sample's reference two tails are told apart by their means alone.
    beyond = sum(
        np.abs(sample - np.clip(sample, fixed["edges"][0], fixed["edges"][-1])).mean()
        for sample in ((now, then) if reference == "past" else ())
    )
    assert drift["wasserstein_distance"] == pytest.approx(exact, abs=bound + beyond / then.std() + 1e-9)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("view", CATEGORIES)
def test_categories_against(measured: Measured, view: str, reference: str) -> None:
    now, then = measured.now.categories(view), measured.samples[reference].categories(view)
    known = set(measured.view(reference, view)["categories"])
    now, then = lumped(now, known), lumped(then, known)
    names = sorted(now.keys() | then.keys())
    table = np.array([[sample[name] for name in names] for sample in (now, then)], dtype=float)
    p, q = table / table.sum(axis=1, keepdims=True)
    chi2 = stats.chi2_contingency(table, correction=False)
    drift = {
        name: measured.get(f"ml_feature_{name}", view, reference=reference)
        for name in (
            "psi",
            "js_distance",
            "hellinger_distance",
            "cramers_v",
            "chi2_p_value",
            "new_category_ratio",
        )
    }
    assert drift == {
        "psi": pytest.approx(psi(p, q)),
        "js_distance": pytest.approx(distance.jensenshannon(p, q, base=2)),
        "hellinger_distance": pytest.approx(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2)),
        "cramers_v": pytest.approx(np.sqrt(chi2.statistic / table.sum())),
        "chi2_p_value": pytest.approx(chi2.pvalue, rel=1e-9, abs=1e-300),
        "new_category_ratio": pytest.approx(p[q == 0].sum()),
    }


@pytest.mark.parametrize("reference", REFERENCES)
def test_texts_and_vectors_against(measured: Measured, reference: str) -> None:
    now, then = measured.now, measured.samples[reference]
    p, q = (sample.mix("note") / sample.mix("note").sum() for sample in (now, then))
    # Shares of a text are rounded to 2**-20.
    near = 1e-4
    drift = {
        name: measured.get(f"ml_feature_{name}", "note.characters", reference=reference)
        for name in ("psi", "js_distance", "hellinger_distance")
    }
    assert drift == {
        "psi": pytest.approx(psi(p, q), abs=near),
        "js_distance": pytest.approx(distance.jensenshannon(p, q, base=2), abs=near),
        "hellinger_distance": pytest.approx(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2), abs=near),
    }
    tokens = [now.tokens("note"), then.tokens("note")]
    shares = [np.array([found[slot] for slot in range(1024)]) / found.total() for found in tokens]
    overlap = measured.get("ml_feature_vocabulary_overlap_ratio", "note", reference=reference)
    assert overlap == pytest.approx(np.minimum(*shares).sum())
    words = measured.get("ml_feature_js_distance", "note", reference=reference)
    assert words == pytest.approx(distance.jensenshannon(*shares, base=2))
    centroids = [np.mean(sample.known("pixels"), axis=0) for sample in (now, then)]
    cosine = measured.get("ml_feature_embedding_cosine_distance", "pixels", reference=reference)
    assert cosine == pytest.approx(distance.cosine(*centroids))


@pytest.mark.parametrize("reference", ["training", "validation"])
def test_rows_out_of_distribution(measured: Measured, reference: str) -> None:
    now, then = measured.now, measured.samples[reference]
    outside = np.zeros(NOW, dtype=bool)
    for view in ("mean radius", "note.length", "pixels.norm"):
        name, _, part = view.partition(".")
        low, high = then.numbers(view).min(), then.numbers(view).max()
        for row, found in enumerate(now.read(name)):
            if found is not None and not isinstance(found, Wrong):
                number = len(found) if part == "length" else np.linalg.norm(found) if part else found
                outside[row] |= not low - 1e-9 <= number <= high + 1e-9
    for view in ("grade", "benign"):
        known = then.categories(view).keys()
        for row, item in enumerate(now.features):
            outside[row] |= any(label not in known for label in Plain([item]).categories(view))
    found = measured.get("ml_prediction_out_of_distribution_ratio", reference=reference)
    assert found == pytest.approx(outside.mean())
    assert 0 < outside.mean() < 1


def test_how_many_features_there_are(measured: Measured) -> None:
    assert measured.get("ml_features_expected") == len(KINDS)
    assert measured.get("ml_features_monitored") == len(KINDS)
    for reference in REFERENCES:
        drifted = measured.get("ml_features_drifted", reference=reference)
        ratio = measured.get("ml_features_drifted_ratio", reference=reference)
        # Vectors and mixes have no p-value, but every feature has a view that has one.
        assert drifted is not None
        assert ratio == drifted / len(KINDS)
    # The lengths of the vectors change, but by less than the effect size that matters.
    assert measured.get("ml_feature_drift_effect_size", "pixels.norm", reference="training") == pytest.approx(
        0.049, abs=1e-3
    )
    assert measured.get("ml_features_drifted", reference="training") == len(KINDS) - 1


def test_check_shows_each_kind(measured: Measured) -> None:
    records = [
        dict(line.strip().split(maxsplit=1) for line in part.splitlines()[1:])
        for part in measured.checked.replace("mean radius", "mean_radius").split("  record ")[1:]
    ]
    shown = {name.removeprefix(measured.prefix): found for name, found in records[1].items()}
    first = measured.samples["past"].features[1]
    assert first["benign"] is None
    assert shown["benign"] == "missing"
    assert shown["mean_radius"] == f"{first['mean radius']:.6g}"
    assert shown["note.length"] == f"{len(first['note'])} characters"
    assert shown["note"] == f"{len(tokens_of(first['note']))} words"
    assert "letters" in shown["note.characters"]
    assert shown["pixels"] == "64 numbers"
    assert shown["pixels.norm"] == f"{np.linalg.norm(first['pixels']):.6g}"
    assert shown["since"] == first["since"]
    assert shown["since.hour"] == f"'{first['since'][11:13]}'"
    assert "warning" not in measured.checked


def test_check_warns_of_what_is_in_no_record(tmp_path: Path) -> None:
    content = monitor(
        labels=None,
        segments=["regoin", ["features.sex", "features.age_band"]],
        fairness={"attributes": ["features.gender"]},
        features={
            "amount": {"type": "numeric"},
            "country": {"type": "embedding"},
            "since": {"type": "timestamp"},
        },
        references={"own": {"static": "references/{version}.json"}},
    )
    fields = content["spec"]["predictions"]["fields"]
    fields |= {"attributions": "sahp", "fallback": "falback"}
    features = {"amount": 1.0, "country": "DE", "sex": "f"}
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        [record(i, at=i, region="eu", shap={"amount": 0.5}, features=features) for i in range(5)],
    )
    done = exporter("check", write_monitor(tmp_path, content)).stdout
    warnings = [line.removeprefix("  warning: ") for line in done.splitlines() if "warning" in line]
    for expected in (
        "segment or attribute 'regoin': nothing at 'regoin' in 5 of 5 records; there is 'region'",
        "segment or attribute 'features.age_band': nothing at 'features.age_band'",
        "segment or attribute 'features.gender': nothing at 'features.gender'",
        "field 'attributions': nothing at 'sahp' in 5 of 5 records; there is 'shap'",
        "field 'fallback': nothing at 'falback'",
        "feature 'since': nothing at 'features.since'",
        "feature 'country': 'features.country' is there in 5 of 5 records, but never a vector of numbers",
        "version 'v1' has no file of reference 'own'",
    ):
        assert [line for line in warnings if line.startswith(expected)], expected
    assert len(warnings) == 8
