"""References made of a version's first time in production: the same as a baseline of the same records."""

from __future__ import annotations

import json
import logging
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support import logs
from tests.support.commands import exporter
from tests.support.first_references import (
    BAD_LINES,
    MINUTE,
    against,
    content,
    folder_of,
    measured,
    reasons,
    records,
)
from tests.support.logs import EPOCH, Gauges, value

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Gauges, list[object]]:
    """A log with bad lines in it and a line twice, read at once beside a baseline of its first half hour."""
    folder = tmp_path_factory.mktemp("whole")
    lines: list[object] = list(records(1, 0, 60 * MINUTE))
    lines[700:700] = [lines[699], lines[699]]
    for position, line in enumerate(BAD_LINES * 3):
        lines.insert(20 + 31 * position, line)
    path = folder_of(folder, lines)
    first: list[object] = [
        line for line in lines if isinstance(line, dict) and float(line["ts"]) < EPOCH + 30 * MINUTE
    ]
    # The one bad line that has a time is a record all the same.
    first += [line for line in BAD_LINES * 3 if "NaN" in line]
    first.sort(key=lambda line: float(line["ts"]) if isinstance(line, dict) else 1768003203.5)
    data = logs.write_lines(folder / "first.jsonl", first)
    exporter("baseline", path, "--data", data, "--out", folder / "made.json")
    references = {"launch": {"first": "30m"}, "made": {"static": "made.json"}}
    logs.write_monitor(folder, logs.monitor(windows=["20m", "1h"], references=references))
    return folder, logs.once(path), lines


def test_it_is_the_baseline_of_the_same_records(whole: tuple[Path, Gauges, list[object]]) -> None:
    folder, gauges, _ = whole
    made = json.loads((folder / "made.json").read_text())
    assert made["rows"] == 905
    assert content(gauges, "launch") == made["hash"]
    found = against(gauges, "launch")
    assert len(found) > 40
    assert found == against(gauges, "made")
    assert value(gauges, "ml_reference_created_timestamp_seconds", reference="launch") == EPOCH + 30 * MINUTE


def test_in_pieces_it_is_the_same_and_until_then_missing(
    whole: tuple[Path, Gauges, list[object]], tmp_path: Path
) -> None:
    _, gauges, lines = whole
    cuts = [0, 300, 500, 980, 1400, len(lines)]
    path = folder_of(tmp_path, [])
    state = tmp_path / "state"
    for number, (start, stop) in enumerate(pairwise(cuts)):
        logs.write_lines(tmp_path / "logs" / "predictions.jsonl", lines[start:stop])
        newest = max(float(line["ts"]) for line in lines[:stop] if isinstance(line, dict)) - EPOCH
        last = number == len(cuts) - 2
        piece = logs.once(path, "--state-dir", state) if last else measured(path, newest, state)
        if newest < 30 * MINUTE:
            # Without any reference nobody knows yet what the features are.
            assert content(piece, "launch") == ""
            assert "ml_feature_missing_ratio" not in piece
            assert reasons(piece, "ml_features_drifted") == {"reference_missing"}
            assert reasons(piece, "ml_prediction_psi") == {"reference_missing"}
        else:
            assert content(piece, "launch") == content(gauges, "launch")
    assert value(piece, "ml_predictions_total") == value(gauges, "ml_predictions_total")
    # The hour holds what was counted before the reference was there, and dropped then.
    wanted, found = against(gauges, "launch"), against(piece, "launch")
    of_20_minutes = {key: number for key, number in wanted.items() if key[1] in ("", "20m")}
    assert len(of_20_minutes) > 20
    assert {key: found[key] for key in of_20_minutes} == of_20_minutes


def test_each_version_has_its_own_and_a_sliding_past_takes_its_bins(tmp_path: Path) -> None:
    old = records(4, 0, 50 * MINUTE)
    new = records(5, 20 * MINUTE, 60 * MINUTE, version="v2")
    for record in new:
        record["features"]["amount"] += 3
    both = sorted(old + new, key=lambda record: float(record["ts"]))
    references = {"launch": {"first": "15m"}, "before": {"sliding": "20m", "offset": "20m"}}
    path = folder_of(tmp_path, both, references=references, windows=["20m"])
    gauges = measured(path, 60 * MINUTE)
    assert content(gauges, "launch", "v1") != content(gauges, "launch", "v2")
    for version, created, mean in (("v1", 15, 0.0), ("v2", 35, 3.0)):
        labels = {"version": version, "reference": "launch"}
        assert value(gauges, "ml_reference_created_timestamp_seconds", **labels) == EPOCH + created * MINUTE
        psi = value(gauges, "ml_feature_psi", feature="amount", **labels)
        assert psi is not None
        assert psi < 0.3
        assert value(gauges, "ml_feature_mean", version=version, feature="amount") == pytest.approx(
            mean, abs=0.2
        )
        assert (
            value(gauges, "ml_feature_psi", feature="amount", version=version, reference="before") is not None
        )


def test_trials_and_wrong_clocks_are_passed_over(tmp_path: Path) -> None:
    lines = records(6, 0, 40 * MINUTE)
    trials = [
        logs.record(9000, at=-EPOCH + 5, features={"amount": 1e9}),
        logs.record(9001, at=-90 * 86_400, features={"amount": 1e9}),
        *(logs.record(9100 + n, at=-3 * 86_400 + n, features={"amount": 1e9}) for n in range(9)),
    ]
    # The third replica's clock is wrong in the middle of the first time.
    mixed = [*trials[:1], *lines[:200], *trials[1:], *lines[200:]]
    path = folder_of(tmp_path, mixed, minSamples=10)
    gauges = measured(path, 40 * MINUTE)
    assert value(gauges, "ml_reference_created_timestamp_seconds") == EPOCH + 30 * MINUTE
    again = tmp_path / "pieces"
    path = folder_of(again, mixed[:150], minSamples=10)
    measured(path, 10 * MINUTE, again / "state")
    logs.write_lines(again / "logs" / "predictions.jsonl", mixed[150:])
    assert content(measured(path, 40 * MINUTE, again / "state"), "launch") == content(gauges, "launch")


def test_files_may_come_in_any_order(tmp_path: Path) -> None:
    """A rotated log has its newest records in the file that is read first."""
    lines = records(7, 0, 100 * MINUTE, 5.0)
    path = folder_of(tmp_path, lines[800:], windows=["10m"], references={"launch": {"first": "10m"}})
    for number in range(4):
        logs.write_lines(
            tmp_path / "logs" / f"predictions.{9 - number}.jsonl", lines[200 * number : 200 * number + 200]
        )
    gauges = measured(path, 100 * MINUTE)
    straight = tmp_path / "straight"
    path = folder_of(straight, lines, windows=["10m"], references={"launch": {"first": "10m"}})
    assert content(gauges, "launch") == content(measured(path, 100 * MINUTE), "launch") != ""


def test_what_cannot_be_made_is_said_and_made_once_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    features = {"amuont": {"type": "numeric"}}
    path = folder_of(tmp_path, records(8, 0, 40 * MINUTE, 20.0), features=features)
    state = tmp_path / "state"
    with caplog.at_level(logging.WARNING):
        gauges = measured(path, 40 * MINUTE, state)
    assert "reference 'launch' of version 'v1' cannot be made" in caplog.text
    assert "'amuont' is not in the data" in caplog.text
    assert reasons(gauges, "ml_feature_psi") == {"reference_missing"}
    folder_of(tmp_path, [])
    assert content(measured(path, 41 * MINUTE, state), "launch") != ""


def test_a_static_reference_says_what_kind_a_feature_is(tmp_path: Path) -> None:
    """In the training data the ids of branches were text; the log has them as numbers."""
    lines = records(9, 0, 50 * MINUTE, 10.0)
    for number, record in enumerate(lines):
        record["features"] = {"branch": number % 7}
        record["attributions"] = {"branch": number / 10, "other": 1.0}
    training = [{"features": {"branch": str(number % 7)}, "score": 0.5} for number in range(200)]
    path = folder_of(tmp_path, lines)
    data = logs.write_lines(tmp_path / "training.jsonl", training)
    exporter("baseline", path, "--data", data, "--out", tmp_path / "training.json")
    content_ = logs.monitor(
        windows=["20m"],
        references={"training": {"static": "training.json"}, "launch": {"first": "20m"}},
    )
    content_["spec"]["predictions"]["fields"]["attributions"] = "attributions"
    logs.write_monitor(tmp_path, content_)
    gauges = measured(path, 50 * MINUTE)
    for reference in ("training", "launch"):
        assert value(gauges, "ml_feature_cramers_v", feature="branch", reference=reference) is not None
    # Attributions of a feature that only the first time knows.
    assert value(gauges, "ml_feature_attribution_mean", feature="other") == 1.0
    assert value(gauges, "ml_feature_attribution_mean", feature="branch") == pytest.approx(23.95)
    assert value(gauges, "ml_feature_attribution_ndcg", reference="launch") == pytest.approx(1.0)


def test_a_feature_is_of_one_kind_in_all_versions(tmp_path: Path) -> None:
    """The second version logs as text what the first logged as numbers."""
    lines = records(14, 0, 30 * MINUTE, 10.0) + records(15, 30 * MINUTE, 60 * MINUTE, 10.0, version="v2")
    for number, record in enumerate(lines):
        record["features"] = {"branch": number % 7 if record["version"] == "v1" else str(number % 7)}
    path = folder_of(tmp_path, lines, references={"launch": {"first": "15m"}}, windows=["1h"])
    gauges = measured(path, 60 * MINUTE)
    for version in ("v1", "v2"):
        psi = value(gauges, "ml_feature_wasserstein_distance", version=version, feature="branch")
        assert psi == pytest.approx(0.0, abs=0.05)
