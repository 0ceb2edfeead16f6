"""Segments: what is said of a value is what would be said of a log that holds nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlslo.catalogue import METRICS
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
from tests.support.segmented import (
    Record,
    alone,
    before,
    build_over_edges_of,
    build_reference,
    differences,
    labels,
    part,
    predictions,
)

pytestmark = pytest.mark.slow

MEMBERS: dict[str, Any] = {"features": {"country": {"type": "categorical"}, "tier": {"type": "categorical"}}}
SEGMENTS = ["country", "features.tier", ["gender", "features.member"]]
CROSSED = "gender,features.member"
# A model has learnt from all rows, so its support is that of all.
_OF_ALL_ROWS = ("ml_prediction_out_of_distribution_ratio",)
# By the means and deviations of all rows; test_dataset.py has their oracle.
_STANDARDISED = ("ml_dataset_frechet_distance", "ml_dataset_reconstruction_error_ratio")


def country(item: Record) -> str:
    return str(item["features"].get("country", "missing"))


def tier(item: Record) -> str:
    return str(item["features"]["tier"]).removesuffix(".0")


def crossed(item: Record) -> str:
    return f"{item['features'].get('gender', 'missing')},{json.dumps(item['features']['member'])}"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], Gauges]:
    """A folder with a log, its monitor without segments, and what `once` says with them."""
    folder = tmp_path_factory.mktemp("watched")
    spec: dict[str, Any] = {
        **MEMBERS,
        "windows": ["20m", "1h"],
        "minSamples": 30,
        "metrics": EVERYTHING,
    }
    build_reference(folder, monitor(**spec, segments=SEGMENTS, maxSegmentValues=3))
    spec["references"] = {
        "training": {"static": str(folder / "reference.json")},
        "before": {"sliding": "20m", "offset": "20m"},
    }
    log = predictions(5000)
    write_lines(folder / "logs/predictions.jsonl", log)
    write_lines(folder / "logs/labels.jsonl", labels(log))
    path = write_monitor(folder, monitor(**spec, segments=SEGMENTS, maxSegmentValues=3))
    return folder, monitor(**spec), once(path)


def split(gauges: Gauges, segment: str, value: str) -> dict[tuple[str, ...], float]:
    series = {
        name: {
            tuple(known.get(label, "") for label in METRICS[name].labels): number for known, number in found
        }
        for name, found in gauges.items()
        if name in METRICS
    }
    return part(series, segment, value)


def values_of(gauges: Gauges, segment: str) -> dict[str, float]:
    """Segment value -> how many predictions of the last hour it has."""
    return {
        known["segment_value"]: number
        for known, number in gauges["ml_monitor_samples"]
        if known["segment"] == segment and known["window"] == "1h"
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("segment", "of", "held"),
    [
        ("country", country, {"DE", "FR", "IT"}),
        ("features.tier", tier, {"1", "2", "3"}),
        (CROSSED, crossed, None),
    ],
)
def test_a_value_is_measured_as_a_log_of_its_own(
    segment: str,
    of: Callable[[Record], str],
    held: set[str] | None,
    watched: tuple[Path, dict[str, Any], Gauges],
    tmp_path: Path,
) -> None:
    """Every series of every value; `other` is as a log of all that have none of their own."""
    folder, content, gauges = watched
    log, truth = (
        [json.loads(line) for line in (folder / f"logs/{name}.jsonl").read_text().splitlines()]
        for name in ("predictions", "labels")
    )
    counted = Counter(map(of, log))
    largest = {name for name, _ in counted.most_common(3)}
    assert held in (None, largest)
    shown = values_of(gauges, segment)
    assert shown.keys() - {"other"} == largest
    assert {name: shown[name] for name in largest} == {name: counted[name] for name in largest}
    assert sum(shown.values()) == len(log)
    trained = before()
    known = Counter(map(of, trained))
    named = {name for name, _ in sorted(known.items(), key=lambda item: (-item[1], item[0]))[:3]}
    for number, name in enumerate(shown):
        found = split(gauges, segment, name)
        others = {*counted, *known} - largest if name == "other" else {name}
        kept = [item for item in log if of(item) in others]
        own = [item for item in trained if of(item) in others]
        compared = named >= largest if name == "other" else name in named
        # What is left by a log and by a reference that name other values is not the same.
        assert compared or (segment == CROSSED and named != largest)
        mine = {**content, "spec": {**content["spec"]}}
        if compared:
            build_over_edges_of(trained, tmp_path / f"own {number}", content, own)
            static = {"static": str(tmp_path / f"own {number}" / "reference.json")}
            mine["spec"]["references"] = {**content["spec"]["references"], "training": static}
        expected = alone(tmp_path / str(number), mine, kept, truth)
        left_out = [
            key
            for key in expected
            # The level that chance alone reaches is told of all traffic only.
            if key[0].endswith("_noise_level")
            or (compared and key[0] in (*_OF_ALL_ROWS, *_STANDARDISED))
            or (not compared and "reference=training" in key and key[0] not in _OF_ALL_ROWS)
        ]
        for key in left_out:
            expected.pop(key)
            if compared:
                found.pop(key, None)
        assert differences(found, expected) == []
        if shown[name] > 200:
            kinds = {key[0] for key in found}
            assert {"ml_feature_psi", "ml_model_auc_roc", "ml_calibration_error"} <= kinds
            assert {"ml_prediction_error_ratio", "ml_label_delay_seconds", "ml_features_drifted"} <= kinds


def test_what_has_no_series_is_counted_once(watched: tuple[Path, dict[str, Any], Gauges]) -> None:
    folder, _, gauges = watched
    log = [json.loads(line) for line in (folder / "logs/predictions.jsonl").read_text().splitlines()]
    countries, pairs = ({*map(of, log)} for of in (country, crossed))
    assert "missing" in countries
    dropped = value(gauges, "ml_series_dropped_total", reason="too_many_segment_values")
    assert dropped == len(countries) - 3 + len(pairs) - 3


def test_ten_thousand_values_are_told_once_and_cost_little(tmp_path: Path) -> None:
    """A user's id is not a segment; it must not take the exporter down."""
    rng = np.random.default_rng(0)
    users = [f"u{number}" for number in range(10_000)] + ["big"] * 300
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        [record(row, at=1 + row / 10, user=user) for row, user in enumerate(rng.permutation(users).tolist())],
    )
    path = write_monitor(tmp_path, monitor(labels=None, segments=["user"], maxSegmentValues=4))
    gauges = once(path, "--state-dir", tmp_path / "state")
    shown = values_of(gauges, "user")
    assert len(shown) == 5
    assert shown["big"] == 300
    assert sum(shown.values()) == len(users)
    assert value(gauges, "ml_series_dropped_total", reason="too_many_segment_values") == 10_000 - 3
    # The same users again, some hundreds of whom were not remembered one by one.
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        [record(row, at=1200 + row / 10, user=user) for row, user in enumerate(users)],
    )
    gauges = once(path, "--state-dir", tmp_path / "state")
    assert value(gauges, "ml_series_dropped_total", reason="too_many_segment_values") == 10_000 - 3
    assert values_of(gauges, "user")["big"] == 600
    assert sum(values_of(gauges, "user").values()) == 2 * len(users)


def test_a_segment_that_is_asked_for_later_begins_then(tmp_path: Path) -> None:
    """Labels of what came before are nobody's but all traffic's; also where all scopes together are too many codes."""
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [record(row, at=60 + row, region="north", kind=row % 2) for row in range(100)])
    state = tmp_path / "state"
    once(write_monitor(tmp_path, monitor(segments=["region"])), "--state-dir", state)
    write_lines(log, [record(row, at=60 + row, region="south", kind=row % 2) for row in range(100, 140)])
    write_lines(
        tmp_path / "logs/labels.jsonl",
        [{"id": f"r{row}", "label": 0, "ts": EPOCH + 3000} for row in range(140)],
    )
    crossings = [["kind", path] for path in ("region", "status", "version", "score")]
    gauges = once(
        write_monitor(tmp_path, monitor(segments=["kind", "region", *crossings])), "--state-dir", state
    )
    assert value(gauges, "ml_label_coverage_ratio", segment="") == 1
    assert values_of(gauges, "region") == {"north": 100, "south": 40}
    assert values_of(gauges, "kind") == {"0": 20, "1": 20}
    for segment in ("region", "kind"):
        for name in values_of(gauges, segment):
            assert value(gauges, "ml_label_coverage_ratio", segment=segment, segment_value=name) == 1
    assert values_of(gauges, "kind,region") == {"0,south": 20, "1,south": 20}


def test_versions_past_the_limit_are_told_once(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(labels=None))
    for run in range(2):
        write_lines(
            tmp_path / "logs/predictions.jsonl",
            [record(row, at=60 + row + run, version=f"v{row % 70}") for row in range(140)],
        )
        gauges = once(path, "--state-dir", tmp_path / "state")
    assert value(gauges, "ml_series_dropped_total", reason="too_many_versions") == 20
    assert value(gauges, "ml_predictions_total", version="other") == 80
