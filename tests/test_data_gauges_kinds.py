"""Every data gauge of every kind of feature, from `baseline` to `once`, against scipy, numpy and plain Python."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance
from sklearn import datasets

from exporter.features.characters import CLASSES
from tests.logs import EPOCH, Gauges, exporter, monitor, once, record, value, write_lines, write_monitor
from tests.test_features_kinds import class_of, slot_of, tokens_of

NOW, THEN, REFERENCE, OTHER = 900, 700, 1000, 600
RANGES = {
    "mean radius": (8.0, 22.0),
    "note": (12.0, 70.0),
    "since": (1.699e9, 1.7025e9),
    "pixels": (40.0, 65.0),
}
KINDS = {
    "mean radius": "numeric",
    "grade": "categorical",
    "benign": "boolean",
    "note": "text",
    "since": "timestamp",
    "pixels": "embedding",
}
# Of each kind: what is no value of it, and what is one in a guise.
WRONG: dict[str, list[Any]] = {
    "mean radius": ["n/a", "", [1.0], {"a": 1}, "1,5"],
    "benign": ["perhaps", 2, 0.5, [True], ""],
    "since": ["soon", True, [5], "", "2026-13-01T00:00:00Z"],
    "pixels": [[1.0, 2.0], [], "none", 7, {"a": 1}, [None] * 64, ["x"] * 64, [[1.0]], "[1.0, 2.0]"],
}
GUISES: dict[str, list[Any]] = {
    "mean radius": ["14.5", 15, True, "1e1"],
    "grade": [3, 3.0, "3", True],
    "benign": ["yes", "NO", 1, 0.0, "True"],
    "note": [42, "", "日本語 テスト", "emoji 😀"],
    "since": [1_700_000_000, 1_700_000_000_000, "1700000000", "2023-11-14T22:13:20.5+02:00"],
    "pixels": [["1"] * 64, [True] * 64],
}
ABSENT = object()


def words() -> list[str]:
    return " ".join(
        getattr(datasets, f"load_{name}")().DESCR for name in ("wine", "iris", "diabetes")
    ).split()


def rows(number: int, seed: int, *, shift: bool) -> list[dict[str, Any]]:
    """Features of `number` records: cells, notes out of real descriptions, scanned digits."""
    rng = np.random.default_rng(seed)
    cells, digits = datasets.load_breast_cancer(), datasets.load_digits()
    chance = np.where(cells.target == 0, 2.0 if shift else 1.0, 1.0)
    picked = rng.choice(len(cells.data), number, p=chance / chance.sum())
    images = digits.data[digits.target < 3] if shift else digits.data
    vocabulary = words()[: 600 if shift else None]
    return [
        {
            "mean radius": float(cells.data[row, 0] + rng.normal(0, 0.1)),
            "grade": "ABCD"[int(rng.choice(4, p=[0.3, 0.3, 0.3, 0.1] if shift else [0.5, 0.3, 0.2, 0.0]))],
            "benign": bool(cells.target[row]),
            "note": " ".join(rng.choice(vocabulary, int(rng.integers(1, 9 if shift else 12)))),
            "since": datetime.fromtimestamp(
                1.7e9 + float(rng.normal(0, 2e6)) // (3 if shift else 1), UTC
            ).isoformat(),
            "pixels": images[rng.integers(len(images))].tolist(),
        }
        for row in picked
    ]


def spoilt(features: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Some values missing, null, of another type, or written otherwise."""
    rng = np.random.default_rng(seed)
    found = copy.deepcopy(features)
    for item in found:
        for name in KINDS:
            luck = rng.random()
            if luck < 0.04:
                del item[name]
            elif luck < 0.08:
                item[name] = None
            elif luck < 0.14 and name in WRONG:
                item[name] = WRONG[name][int(rng.integers(len(WRONG[name])))]
            elif luck < 0.2:
                item[name] = GUISES[name][int(rng.integers(len(GUISES[name])))]
    return found


class Plain:
    """One sample, read value by value."""

    def __init__(self, features: list[dict[str, Any]]) -> None:
        self.features = features
        self.rows = len(features)

    def missing(self, name: str) -> int:
        return sum(item.get(name) is None for item in self.features)

    def read(self, name: str) -> list[Any]:
        """Of each row: the value as its kind has it, "wrong", or None where it is missing."""
        reader = getattr(self, "_" + KINDS[name])
        return [None if item.get(name) is None else reader(item[name]) for item in self.features]

    def known(self, name: str) -> list[Any]:
        return [value for value in self.read(name) if value is not None and not isinstance(value, Wrong)]

    def wrong(self, name: str) -> int:
        return sum(isinstance(value, Wrong) for value in self.read(name))

    def numbers(self, view: str) -> np.ndarray:
        """Of a view that is numbers."""
        name, _, part = view.partition(".")
        known = self.known(name)
        if part == "length":
            return np.array([len(text) for text in known], dtype=float)
        if part == "norm":
            return np.array([math.sqrt(sum(x * x for x in vector)) for vector in known])
        return np.array(known, dtype=float)

    def categories(self, view: str) -> Counter[str]:
        """Of a view that is categories; values of a boolean that are none are one more."""
        name, _, part = view.partition(".")
        if name == "since":
            moments = [datetime.fromtimestamp(math.floor(seconds), UTC) for seconds in self.known(name)]
            return Counter(f"{at.hour:02}" if part == "hour" else f"{at:%A}" for at in moments)
        return Counter(
            "wrong" if isinstance(value, Wrong) else str(value)
            for value in self.read(name)
            if value is not None
        )

    def mix(self, name: str) -> np.ndarray:
        total = np.zeros(len(CLASSES))
        for text in self.known(name):
            classes = [class_of(character) for character in text] or ["empty"]
            total += [classes.count(label) / len(classes) for label in CLASSES]
        return total

    def tokens(self, name: str) -> Counter[int]:
        return Counter(slot_of(token) for text in self.known(name) for token in tokens_of(text))

    @staticmethod
    def _numeric(value: Any) -> Any:
        if isinstance(value, (list, dict)):
            return Wrong()
        try:
            return float(value)
        except ValueError:
            return Wrong()

    @staticmethod
    def _categorical(value: Any) -> str:
        text = json.dumps(value) if not isinstance(value, str) else value
        return text.removesuffix(".0") if text.removesuffix(".0").lstrip("-").isdigit() else text

    @staticmethod
    def _boolean(value: Any) -> Any:
        text = str(value).lower()
        if text in ("true", "1", "1.0", "yes"):
            return "true"
        return "false" if text in ("false", "0", "0.0", "no") else Wrong()

    @staticmethod
    def _text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    @staticmethod
    def _timestamp(value: Any) -> Any:
        if isinstance(value, (bool, list)):
            return Wrong()
        try:
            number = float(value)
        except ValueError:
            try:
                return datetime.fromisoformat(value).timestamp()
            except ValueError:
                return Wrong()
        return number if number < 1e11 else number / 1e3

    @staticmethod
    def _embedding(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != 64:
            return Wrong()
        try:
            return [float(x) for x in value]
        except (TypeError, ValueError):
            return Wrong()


class Wrong:
    """A value that is not of its feature's kind."""


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
    assert measured.get("ml_features_drifted", reference="training") == len(KINDS)


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


def binned(sample: np.ndarray, edges: list[float]) -> np.ndarray:
    """Shares of the bins (edge, next edge]."""
    counts = np.bincount(np.searchsorted(edges, sample, side="left"), minlength=len(edges) + 1)
    return np.asarray(counts / counts.sum())


def psi(p: np.ndarray, q: np.ndarray) -> float:
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    return float(np.sum((p - q) * np.log(p / q)))


def lumped(found: Counter[str], known: set[str]) -> Counter[str]:
    """Categories that a reference does not know are one."""
    lumped: Counter[str] = Counter()
    for name, number in found.items():
        lumped[name if name in known else "of no reference"] += number
    return lumped


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
    nowhere = "is in no record looked at, at"
    for expected in (
        f"segment or attribute 'regoin' {nowhere} 'regoin'; did you mean 'region'?",
        f"segment or attribute 'features.age_band' {nowhere} 'features.age_band'",
        f"segment or attribute 'features.gender' {nowhere} 'features.gender'",
        f"field 'attributions' {nowhere} 'sahp'; did you mean 'shap'?",
        f"field 'fallback' {nowhere} 'falback'",
        f"feature 'since' {nowhere} 'features.since'",
        "feature 'country': no value looked at is a vector of numbers",
        "version 'v1' has no file of reference 'own'",
    ):
        assert [line for line in warnings if line.startswith(expected)], expected
    assert len(warnings) == 8
