"""Which series a monitor exports: by default, as `metrics` chooses, and past `maxSeries`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mlslo.catalogue import METRICS
from tests.support.commands import exporter
from tests.support.logs import (
    AT,
    EPOCH,
    EVERYTHING,
    Gauges,
    monitor,
    once,
    parse,
    record,
    value,
    write_lines,
    write_monitor,
)

pytestmark = pytest.mark.slow

FEATURES, VALUES = 8, 3
NUMBERS = [f"n{number}" for number in range(FEATURES)]


def row(number: int) -> dict[str, Any]:
    numbers = {name: float((number * (7 + place)) % 101) for place, name in enumerate(NUMBERS)}
    region = f"region {number % VALUES}"
    return {
        "score": (number * 37 % 100) / 100,
        "prediction": number % 2,
        "features": {**numbers, "region": region},
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of an hour with labels, and a reference of it."""
    folder = tmp_path_factory.mktemp("series")
    data = write_lines(folder / "data.jsonl", [record(i, at=0, **row(i)) for i in range(500)])
    exporter("baseline", write_monitor(folder, spec()), "--data", data, "--out", folder / "r.json")
    write_lines(folder / "logs/predictions.jsonl", [record(i, at=i * 3.5, **row(i)) for i in range(1000)])
    labels = [{"id": f"r{i}", "label": i % 2, "ts": EPOCH + i * 3.5 + 1} for i in range(1000)]
    write_lines(folder / "logs/labels.jsonl", labels)
    return folder


def spec(**changes: Any) -> dict[str, Any]:
    return monitor(
        segments=["features.region"],
        fairness={"attributes": ["features.region"]},
        references={"training": {"static": "r.json"}, "past": {"sliding": "30m", "offset": "30m"}},
        **changes,
    )


def measured(folder: Path, **changes: Any) -> Gauges:
    return once(write_monitor(folder, spec(**changes)))


def number_of(gauges: Gauges) -> int:
    return sum(
        len(series) for name, series in gauges.items() if not name.startswith(("ml_exporter", "python_"))
    )


def names(gauges: Gauges, *, segments: bool) -> set[str]:
    return {
        name
        for name, series in gauges.items()
        if any(bool(labels.get("segment")) == segments for labels, _ in series)
    }


def test_segments_have_what_somebody_acts_on(folder: Path) -> None:
    gauges = measured(folder)
    everything = measured(folder, metrics=EVERYTHING)
    of_segments = names(gauges, segments=True)
    assert {
        "ml_monitor_samples",
        "ml_prediction_error_ratio",
        "ml_features_drifted",
        "ml_model_recall",
    } <= of_segments
    assert of_segments == {name for name in names(everything, segments=True) if METRICS[name].segments}
    assert not any(name.startswith("ml_feature_") for name in of_segments)
    for name, series in gauges.items():
        if name.startswith(("ml_monitor", "ml_exporter", "ml_gauge_withheld", "ml_sink")):
            continue
        # What is exported has the value that it has among everything.
        assert all(item in everything[name] for item in series), name


def test_a_small_model_keeps_the_statistics_of_all_traffic(folder: Path) -> None:
    gauges = measured(folder)
    everything = measured(folder, metrics=EVERYTHING)
    of_traffic = {name for name in names(everything, segments=False) if name in METRICS}
    assert of_traffic <= names(gauges, segments=False)
    assert value(gauges, "ml_feature_ks_statistic", feature="n0", reference="training") is not None


def test_a_wide_model_has_what_is_acted_on(folder: Path) -> None:
    """As many series as fit under maxSeries: the same happens above 5,000."""
    estimate = told(folder)
    gauges = measured(folder, maxSeries=estimate - 1)
    left = names(gauges, segments=False)
    assert "ml_feature_psi" in left
    assert not {name for name, metric in METRICS.items() if metric.detail} & left
    noise = {labels["statistic"] for labels, _ in gauges["ml_feature_drift_noise_level"]}
    assert noise == {"psi"}
    # What is asked for is there, however wide the model is.
    asked = measured(folder, maxSeries=estimate - 1, metrics={"include": ["ml_feature_ks_*"]})
    assert {"ml_feature_ks_statistic", "ml_feature_ks_p_value"} <= names(asked, segments=False)
    assert "ml_feature_quantile" not in asked


@pytest.mark.parametrize(
    ("metrics", "there", "gone", "of_segments", "not_of_segments"),
    [
        ({"exclude": ["fairness"]}, {"ml_feature_psi"}, {"ml_fairness_selection_rate"}, set(), set()),
        ({"exclude": ["data"]}, {"ml_model_f1"}, {"ml_feature_psi"}, {"ml_model_f1"}, {"ml_features_drifted"}),
        ({"exclude": ["data"], "include": ["ml_feature_psi"]}, {"ml_feature_psi"}, {"ml_feature_mean"}, set(), set()),
        ({"include": ["ml_*"], "exclude": ["ml_feature_quantile"]}, {"ml_feature_psi"}, {"ml_feature_quantile"},
         set(), set()),
        ({"exclude": ["service"]}, {"ml_monitor_samples"},
         {"ml_predictions_total", "ml_prediction_latency_seconds_sum"},
         {"ml_monitor_samples"}, {"ml_prediction_error_ratio"}),
        ({"exclude": ["ml_*"]}, {"ml_sink_up", "ml_monitor_samples"}, {"ml_model_f1"},
         {"ml_monitor_samples"}, {"ml_model_f1"}),
        ({"segments": ["outcome", "ml_prediction_psi"]}, {"ml_features_drifted"}, set(),
         {"ml_model_confusion_ratio", "ml_prediction_psi"}, {"ml_features_drifted", "ml_prediction_mean"}),
        ({"segments": {"include": ["ml_feature_psi"], "exclude": ["outcome"]}}, {"ml_model_f1"}, set(),
         {"ml_feature_psi", "ml_features_drifted"}, {"ml_model_f1"}),
        ({"segments": []}, {"ml_model_f1"}, set(), {"ml_monitor_samples"}, {"ml_model_f1"}),
    ],
)  # fmt: skip
def test_metrics_chooses(
    folder: Path,
    metrics: dict[str, Any],
    there: set[str],
    gone: set[str],
    of_segments: set[str],
    not_of_segments: set[str],
) -> None:
    gauges = measured(folder, metrics=metrics)
    assert there <= names(gauges, segments=False)
    assert not gone & names(gauges, segments=False)
    assert of_segments <= names(gauges, segments=True)
    assert not not_of_segments & names(gauges, segments=True)
    withheld = {labels["gauge"] for labels, _ in gauges.get("ml_gauge_withheld", [])}
    assert not withheld & gone


def told(folder: Path, **changes: Any) -> int:
    """What `check` says that there will be."""
    said = exporter("check", write_monitor(folder, spec(**changes))).stdout
    found = re.search(r"^series: at most ([\d,]+) of a version; maxSeries is [\d,]+$", said, re.MULTILINE)
    assert found is not None, said
    return int(found[1].replace(",", ""))


@pytest.mark.parametrize("metrics", [{}, EVERYTHING, {"exclude": ["data"]}, {"segments": ["data"]}])
def test_check_tells_at_most_how_many(folder: Path, metrics: dict[str, Any]) -> None:
    most = told(folder, metrics=metrics, maxSegmentValues=VALUES)
    found = number_of(measured(folder, metrics=metrics, maxSegmentValues=VALUES))
    assert 0.55 * most <= found <= most


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_classes_are_among_what_check_tells(tmp_path: Path, task: str) -> None:
    """Of a multilabel model each class has series beside the averages, of a multiclass one it has none."""
    classes = [f"c{number}" for number in range(30)]
    content = monitor(
        task=task, metrics={"exclude": ["data", "ml_model_confusion_ratio"]}, segments=["region"]
    )
    content["spec"]["predictions"] |= {"classes": classes}
    del content["spec"]["predictions"]["fields"]["prediction"]
    path = write_monitor(tmp_path, content)
    rows = [
        record(
            n, at=n, score={name: (n + k) % 30 / 29 for k, name in enumerate(classes)}, region=f"r{n % 20}"
        )
        for n in range(2000)
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    labels = [classes[n % 30] for n in range(2000)]
    if task == "multilabel":
        labels = [[name] for name in labels]  # type: ignore[misc]
    write_lines(
        tmp_path / "logs/labels.jsonl",
        ({"id": f"r{n}", "label": label, "ts": EPOCH + n} for n, label in enumerate(labels)),
    )
    said = exporter("check", path, check=False).stdout
    (most,) = re.findall(r"^series: at most ([\d,]+) ", said, re.MULTILINE)
    gauges = once(path)
    assert number_of(gauges) <= int(most.replace(",", "")) <= 4 * number_of(gauges)


def test_check_says_what_makes_most_of_it_and_what_is_too_much(folder: Path) -> None:
    said = exporter("check", write_monitor(folder, spec(metrics=EVERYTHING, maxSeries=1000))).stdout
    lines = said[said.index("series: at most") :].splitlines()
    assert re.match(
        r"  +[\d,]+  statistics of features, by segment \(1 of 21 values, 1 windows\): ml_feature_quantile 840, ",
        lines[1],
    )
    assert re.match(r"  warning: [\d,]+ more than maxSeries: the least urgent would be withheld", lines[-1])
    said = exporter("check", write_monitor(folder, spec(maxSeries=1000))).stdout
    assert "left out, as all would be more than 1,000 series: ml_feature_ks_statistic," in said


def test_past_the_limit_the_least_urgent_are_withheld(folder: Path) -> None:
    everything = measured(folder, metrics=EVERYTHING)
    whole = number_of(everything)
    segmented = names(everything, segments=True)
    features = {name for name in segmented if "feature" in METRICS[name].labels}
    for limit in (whole - 10, whole // 2, 300, 100):
        path = write_monitor(folder, spec(metrics=EVERYTHING, maxSeries=limit))
        done = exporter("once", path, "--at", AT)
        gauges = parse(done.stdout)
        left = number_of(gauges)
        always = {
            name
            for name, metric in METRICS.items()
            if metric.layer in ("service", "meta") and name in everything
        }
        assert always <= names(gauges, segments=False)
        assert "ml_model_recall" in gauges
        assert "ml_label_coverage_ratio" in gauges
        if limit > 200:
            assert left == limit
        withheld = [item for item in gauges["ml_gauge_withheld"] if item[0]["reason"] == "max_series"]
        own = len(withheld)
        assert sum(number for _, number in withheld) == whole - left + own
        if limit == whole - 10:
            assert {labels["gauge"] for labels, _ in withheld} <= features
        assert done.stderr.count("more series than maxSeries") == 1
    # The same again: nothing but names and labels decides.
    again = exporter("once", path, "--at", AT).stdout
    kept = [line.rpartition(" ")[0] for line in done.stdout.splitlines()]
    assert kept == [line.rpartition(" ")[0] for line in again.splitlines()]


@pytest.mark.parametrize(
    ("metrics", "at", "message"),
    [
        ({"include": ["ml_feature_pis"]}, ("include", "ml_feature_pis"),
         "'ml_feature_pis' is no metric, expected a layer (service, data, prediction, outcome, fairness, meta), "
         "a name, or a family such as ml_feature_*; did you mean 'ml_feature_psi'?"),
        ({"exclude": ["fairnes"]}, ("exclude", "fairnes"), "'fairnes' is no metric"),
        ({"include": ["ml_featur_*"]}, ("include", "ml_featur_"), "'ml_featur_*' is no metric"),
        ({"exclude": ["meta"]}, ("exclude", "meta"), "'meta' is about the exporter itself, and always exported"),
        ({"exclude": ["ml_sink_*"]}, ("exclude", "ml_sink_"), "'ml_sink_*' is about the exporter itself"),
        ({"segments": ["ml_predictions_total"]}, ("segments", "ml_predictions_total"),
         "'ml_predictions_total' is not measured by segment"),
        ({"segments": ["outcomes"]}, ("segments", "outcomes"), "did you mean 'outcome'?"),
        ({"segments": {"include": ["ml_model_recal"]}}, ("include", "ml_model_recal"),
         "did you mean 'ml_model_recall'?"),
        ({"segments": {"only": ["outcome"]}}, ("only",), "unknown key 'only', expected one of include, exclude"),
        ({"segments": "outcome"}, ("segments",), "expected a list, got 'outcome'"),
    ],
)  # fmt: skip
def test_what_is_no_metric_is_refused(
    tmp_path: Path, metrics: dict[str, Any], at: tuple[str, ...], message: str
) -> None:
    path = write_monitor(tmp_path, monitor(metrics=metrics))
    text = path.read_text()
    line = next(number for number, line in enumerate(text.splitlines(), 1) if at[-1] in line and number > 5)
    done = exporter("check", path, check=False)
    place = re.match(rf"{re.escape(str(path))}:(\d+):(\d+): ", done.stderr)
    assert place is not None, done.stderr
    assert int(place[1]) == line
    assert message in done.stderr
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_limit_is_at_least_a_hundred(tmp_path: Path) -> None:
    done = exporter("check", write_monitor(tmp_path, monitor(maxSeries=99)), check=False)
    assert "expected greater than or equal to 100, got 99" in done.stderr
