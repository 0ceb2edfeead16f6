"""`mlslo-exporter once` on small logs: one case each of what a log can hold, and of what is told about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.exporter.statistics.test_oracles import plain_psi
from tests.support.commands import exporter
from tests.support.logs import AT, EPOCH, monitor, once, parse, record, value, write_lines, write_monitor


def test_too_few_rows_are_withheld_and_counted(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(i, at=i) for i in range(9)))
    write_lines(
        tmp_path / "logs/labels.jsonl", ({"id": f"r{i}", "label": i % 2, "ts": EPOCH + 60} for i in range(9))
    )
    path = write_monitor(tmp_path, monitor(minSamples=10, features={"amount": {"type": "numeric"}}))
    gauges = once(path)
    assert "ml_model_auc_roc" not in gauges
    assert "ml_feature_missing_ratio" not in gauges
    assert (
        value(gauges, "ml_gauge_withheld", gauge="ml_model_auc_roc", reason="too_few_samples", window="1h")
        == 1
    )
    assert value(gauges, "ml_predictions_per_second") == pytest.approx(9 / 3600)
    assert value(gauges, "ml_monitor_samples") == 9
    enough = write_monitor(tmp_path, monitor(minSamples=9, features={"amount": {"type": "numeric"}}))
    assert value(once(enough), "ml_feature_missing_ratio", feature="amount") == 0


def test_what_is_not_defined_is_withheld(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(i, at=i, score=0.1) for i in range(20)))
    write_lines(tmp_path / "logs/labels.jsonl", ({"id": f"r{i}", "label": 0, "ts": EPOCH} for i in range(20)))
    gauges = once(write_monitor(tmp_path))
    for name in ("auc_roc", "auc_pr", "precision", "recall", "f1"):
        assert f"ml_model_{name}" not in gauges
        assert value(gauges, "ml_gauge_withheld", gauge=f"ml_model_{name}", reason="undefined") == 1
    assert value(gauges, "ml_model_accuracy") == 1


def test_a_collapsed_model_is_exactly_one(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(i, at=i) for i in range(50)))
    assert value(once(write_monitor(tmp_path)), "ml_prediction_top_value_ratio") == 1.0
    write_lines(tmp_path / "logs/predictions.jsonl", [record(50, at=50, score=0.2500001)])
    assert value(once(write_monitor(tmp_path)), "ml_prediction_top_value_ratio") == pytest.approx(
        50 / 51, abs=1e-4
    )


def test_a_silent_log_is_a_rate_of_zero_and_a_missing_one_is_not(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(labels=None))
    done = exporter("once", path, "--at", AT, check=False)
    assert done.returncode == 1
    assert "no file matches" in done.stderr
    gauges = parse(done.stdout)
    assert value(gauges, "ml_sink_up", sink="predictions") == 0
    assert "ml_predictions_per_second" not in gauges
    assert value(gauges, "ml_gauge_withheld", gauge="ml_predictions_per_second", reason="sink_down") == 1
    write_lines(tmp_path / "logs/predictions.jsonl", [])
    gauges = once(path)
    assert value(gauges, "ml_sink_up", sink="predictions") == 1
    assert value(gauges, "ml_predictions_per_second", window="1h") == 0


def test_bad_records_are_counted_by_reason_and_skipped(tmp_path: Path) -> None:
    records: list[object] = [
        record(1, at=1),
        "{not json",
        "[1, 2]",
        '"text"',
        {key: item for key, item in record(2, at=2).items() if key != "ts"},
        record(3, at=3, ts="yesterday"),
        record(4, at=4, ts="2199-01-01T00:00:00Z"),
        record(5, at=5, score=1.5),
        record(6, at=6, score="high"),
        record(7, at=7, id=None),
        "",
        '{"ts": ' + str(EPOCH) + ', "id": "long", "text": "' + "x" * 34_000_000 + '"}',
        record(8, at=8),
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", records)
    labels = [
        {"id": "r1", "label": 1, "ts": EPOCH},
        {"id": "r1", "label": 0, "ts": EPOCH},
        {"id": "r8", "label": "maybe", "ts": EPOCH},
        {"label": 1, "ts": EPOCH},
        {"id": "nobody", "label": 1, "ts": EPOCH},
        "{",
    ]
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    gauges = once(write_monitor(tmp_path))

    def rejected(sink: str) -> dict[str, float]:
        found = gauges["ml_sink_rejected_records_total"]
        return {labels["reason"]: number for labels, number in found if labels["sink"] == sink and number}

    assert rejected("predictions") == {
        "malformed": 3,
        "missing_timestamp": 1,
        "invalid_timestamp": 1,
        "future_timestamp": 1,
        "invalid_score": 2,
        "missing_id": 1,
        "too_long": 1,
    }
    assert rejected("labels") == {"malformed": 1, "missing_id": 1, "invalid_label": 1, "duplicate": 1}
    assert value(gauges, "ml_labels_unmatched_total") == 1
    assert value(gauges, "ml_predictions_total") == 5
    assert value(gauges, "ml_sink_records_total", sink="labels") == 6


def test_classes_that_nobody_names_are_not_guessed(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(i, at=i) for i in range(5)))
    write_lines(tmp_path / "logs/labels.jsonl", [])
    gauges = once(write_monitor(tmp_path, monitor(task="multiclass", fairness={"attributes": ["sex"]})))
    assert "ml_model_accuracy" not in gauges
    for gauge in ("ml_model_accuracy", "ml_prediction_class_ratio"):
        assert value(gauges, "ml_gauge_withheld", gauge=gauge, reason="classes_unknown") == 1
    gauge = "ml_fairness_demographic_parity_ratio"
    assert value(gauges, "ml_gauge_withheld", gauge=gauge, reason="not_binary") == 1


def test_regression_has_service_data_and_prediction_gauges(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (record(i, at=i, score=100.0 + i, prediction=None) for i in range(5)),
    )
    write_lines(tmp_path / "logs/labels.jsonl", [])
    gauges = once(write_monitor(tmp_path, monitor(task="regression")))
    assert value(gauges, "ml_prediction_mean") == 102
    assert "ml_prediction_class_ratio" not in gauges
    assert value(gauges, "ml_gauge_withheld", gauge="ml_model_mae", reason="too_few_samples") == 1


def test_a_retired_version_leaves_and_the_last_one_stays_at_zero(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "logs/predictions.jsonl", [record(0, at=0, version="v1"), record(1, at=7200, version="v2")]
    )
    path = write_monitor(tmp_path, monitor(labels=None))
    gauges = once(path, at="2026-01-10T02:30:00Z")
    assert [labels["version"] for labels, _ in gauges["ml_predictions_per_second"]] == ["v2"]
    gauges = once(path, at="2026-01-12T00:00:00Z")
    assert [(labels["version"], rate) for labels, rate in gauges["ml_predictions_per_second"]] == [("v2", 0)]


def test_keys_that_hold_dots_are_keys(tmp_path: Path) -> None:
    """One-hot names such as country.de, beside real nesting and a key that is a prefix of another."""
    rng = np.random.default_rng(4)
    rows = [
        {"user.age": rng.random(), "a": rng.random(), "a.b": rng.random(), "nested": {"x": rng.random()}}
        for _ in range(50)
    ]
    data = write_lines(tmp_path / "data.jsonl", ({"features": row} for row in rows))
    path = write_monitor(tmp_path, monitor(labels=None, references={"training": {"static": "training.json"}}))
    exporter("baseline", path, "--data", data, "--out", tmp_path / "training.json")
    write_lines(
        tmp_path / "logs/predictions.jsonl", (record(i, at=i, features=row) for i, row in enumerate(rows))
    )
    gauges = once(path)
    for feature in ("user.age", "a", "a.b", "nested.x"):
        assert value(gauges, "ml_feature_missing_ratio", feature=feature) == 0
        assert value(gauges, "ml_feature_psi", feature=feature) == 0


def test_whole_numbers_are_one_category_however_they_are_written(tmp_path: Path) -> None:
    """pandas writes whole numbers with gaps as 1.0 and 2.0."""
    plans = [1, 2, None, 3] * 50
    data = tmp_path / "data.csv"
    data.write_text("plan\n" + "".join(f"{'' if plan is None else float(plan)}\n" for plan in plans))
    declared = {"plan": {"type": "categorical"}}
    references = {"training": {"static": "training.json"}}
    path = write_monitor(tmp_path, monitor(labels=None, features=declared, references=references))
    exporter("baseline", path, "--data", data, "--out", tmp_path / "training.json")
    rows = [record(i, at=i, features={"plan": plan}) for i, plan in enumerate(plans)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    gauges = once(path)
    assert value(gauges, "ml_feature_new_category_ratio", feature="plan") == 0
    assert value(gauges, "ml_feature_psi", feature="plan") == pytest.approx(0, abs=1e-9)


def test_a_byte_order_mark_costs_no_record(tmp_path: Path) -> None:
    log = write_lines(tmp_path / "logs/predictions.jsonl", [record(1, at=1), record(2, at=2)])
    log.write_bytes(b"\xef\xbb\xbf" + log.read_bytes())
    assert value(once(write_monitor(tmp_path, monitor(labels=None))), "ml_predictions_total") == 2


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-01-10T00:00:30Z",
        "2026-01-10t00:00:30z",
        "2026-01-10T01:00:30+01:00",
        "2026-01-10T00:00:30.000000Z",
        "2026-01-10 00:00:30+00:00",
        EPOCH + 30,
        str(EPOCH + 30),
        (EPOCH + 30) * 1000,
        int((EPOCH + 30) * 1_000_000),
        int((EPOCH + 30) * 1_000_000_000),
    ],
)
def test_every_way_to_write_a_time(stamp: object, tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(1, at=0, ts=stamp)])
    gauges = once(write_monitor(tmp_path, monitor(labels=None)))
    assert value(gauges, "ml_sink_last_event_timestamp_seconds", sink="predictions") == EPOCH + 30
    assert value(gauges, "ml_monitor_samples", window="1h") == 1


def test_null_nan_and_infinity_are_in_no_bin(tmp_path: Path) -> None:
    values = ["null", "NaN", "Infinity", "-Infinity", "1.5", "2.5", '"abc"', '"3.5"']
    lines = [
        f'{{"ts": {EPOCH + i}, "id": "r{i}", "version": "v1", "score": 0.5, "features": {{"amount": {text}}}}}'
        for i, text in enumerate(values)
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", [*lines, record(9, at=9, features={})])
    path = write_monitor(tmp_path, monitor(labels=None, features={"amount": {"type": "numeric"}}))
    gauges = once(path)
    # null, NaN, and the record without the key; a word and the infinities are there, though no bin takes them.
    assert value(gauges, "ml_feature_missing_ratio", feature="amount") == pytest.approx(3 / 9)
    assert value(gauges, "ml_feature_invalid_ratio", feature="amount") == pytest.approx(3 / 9)
    assert value(gauges, "ml_feature_mean", feature="amount") == pytest.approx((1.5 + 2.5 + 3.5) / 3)


def test_an_error_without_features_does_not_count_as_missing_them(tmp_path: Path) -> None:
    failed = record(1, at=1, status=500)
    del failed["features"]
    silent = record(2, at=2)
    del silent["features"]
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0, at=0), failed, silent])
    path = write_monitor(tmp_path, monitor(labels=None, features={"amount": {"type": "numeric"}}))
    assert value(once(path), "ml_feature_missing_ratio", feature="amount") == pytest.approx(1 / 2)


def test_each_version_has_its_own_gauges(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (
            record(i, at=i, version="v2" if i % 4 == 0 else "v1", score=0.75 if i % 4 == 0 else 0.25)
            for i in range(40)
        ),
    )
    gauges = once(write_monitor(tmp_path, monitor(labels=None)))
    assert value(gauges, "ml_prediction_mean", version="v1") == 0.25
    assert value(gauges, "ml_prediction_mean", version="v2") == 0.75
    assert value(gauges, "ml_predictions_total", version="v2") == 10


def test_versions_are_bounded(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", (record(i, at=i, version=f"v{i}") for i in range(80)))
    gauges = once(write_monitor(tmp_path, monitor(labels=None)))
    assert len(gauges["ml_predictions_total"]) == 51
    assert value(gauges, "ml_predictions_total", version="other") == 30
    assert value(gauges, "ml_series_dropped_total", reason="too_many_versions") == 30


def test_labels_find_their_prediction_whenever_they_come(tmp_path: Path) -> None:
    path = write_monitor(tmp_path)
    state = ("--state-dir", tmp_path / "state")
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r1", "label": 1, "ts": EPOCH + 60}])
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0, at=0, score=0.9)])
    assert value(once(path, *state), "ml_labels_unmatched_total") == 1
    write_lines(tmp_path / "logs/predictions.jsonl", [record(1, at=1, score=0.9, prediction=1)])
    gauges = once(path, *state)
    assert value(gauges, "ml_model_accuracy") == 1
    assert value(gauges, "ml_label_coverage_ratio") == 0.5
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r0", "label": 1, "ts": EPOCH + 1800}])
    gauges = once(path, *state)
    assert value(gauges, "ml_label_coverage_ratio") == 1
    assert value(gauges, "ml_label_watermark_timestamp_seconds") == EPOCH + 1800


def test_an_outcome_counts_at_the_time_of_its_prediction(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(windows=["10m", "1h"]))
    write_lines(tmp_path / "logs/predictions.jsonl", [record(0, at=60), record(1, at=3500)])
    write_lines(tmp_path / "logs/labels.jsonl", [{"id": "r0", "label": 0, "ts": EPOCH + 3550}])
    gauges = once(path)
    assert value(gauges, "ml_label_coverage_ratio", window="10m") == 0
    assert value(gauges, "ml_label_coverage_ratio", window="1h") == 0.5


def test_positive_class_by_name(tmp_path: Path) -> None:
    content = monitor()
    content["spec"]["predictions"]["positiveClass"] = "fraud"
    rows = [record(i, at=i, prediction="fraud" if i % 2 else "genuine") for i in range(10)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    write_lines(
        tmp_path / "logs/labels.jsonl",
        ({"id": f"r{i}", "label": "fraud" if i < 5 else "genuine", "ts": EPOCH} for i in range(10)),
    )
    gauges = once(write_monitor(tmp_path, content))
    assert value(gauges, "ml_prediction_class_ratio", **{"class": "fraud"}) == 0.5
    assert value(gauges, "ml_model_recall") == pytest.approx(2 / 5)


def test_features_as_a_list_of_paths(tmp_path: Path) -> None:
    content = monitor(labels=None, features={"context.country": {"type": "categorical"}})
    content["spec"]["predictions"]["fields"]["features"] = ["amount", "context.country"]
    rows = [
        {**record(i, at=i), "amount": i, "context": {"country": "DE" if i % 2 else None}} for i in range(10)
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    gauges = once(write_monitor(tmp_path, content))
    assert value(gauges, "ml_feature_missing_ratio", feature="context.country") == 0.5


def test_a_vector_may_be_a_segment_too(tmp_path: Path) -> None:
    content = monitor(labels=None, features={"v": {"type": "embedding"}}, segments=["v"])
    content["spec"]["predictions"]["fields"]["features"] = ["v"]
    rows = [{**record(i, at=i), "v": [3, 4] if i % 2 else [6, 8]} for i in range(60)]
    write_lines(tmp_path / "logs/predictions.jsonl", rows)
    gauges = once(write_monitor(tmp_path, content))
    assert value(gauges, "ml_feature_mean", feature="v.norm", segment_value="") == pytest.approx(7.5)
    assert value(gauges, "ml_feature_invalid_ratio", feature="v", segment_value="") == 0


def test_a_sliding_reference_is_the_models_own_past(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    past, present = rng.normal(0, 1, 4000), rng.normal(0.7, 1, 2000)
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        [record(i, at=-86_400 + i * 10, features={"amount": number}) for i, number in enumerate(past)]
        + [record(i, at=i, features={"amount": number}) for i, number in enumerate(present, start=1)],
    )
    write_lines(tmp_path / "training.jsonl", ({"features": {"amount": number}} for number in past))
    references = {"training": {"static": "training.json"}, "recent": {"sliding": "1d", "offset": "1h"}}
    path = write_monitor(tmp_path, monitor(labels=None, references=references))
    exporter("baseline", path, "--data", tmp_path / "training.jsonl", "--out", tmp_path / "training.json")
    gauges = once(path)
    # It ends an hour before `at` and begins a day before that: the whole of the past, and nothing of the present.
    psi = value(gauges, "ml_feature_psi", feature="amount", reference="recent")
    assert psi == pytest.approx(plain_psi(present, past), abs=1e-9)


def test_textfile_is_written_whole(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(1, at=1)])
    path = write_monitor(tmp_path, monitor(labels=None))
    done = exporter("once", path, "--at", AT, "--textfile", tmp_path / "out" / "m.prom")
    assert done.stdout == ""
    assert value(parse((tmp_path / "out/m.prom").read_text()), "ml_predictions_total") == 1
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["m.prom"]


def test_a_record_without_its_newline_is_whole_to_once(tmp_path: Path) -> None:
    log = write_lines(tmp_path / "logs/predictions.jsonl", [record(1, at=1), record(2, at=2)])
    log.write_text(log.read_text().rstrip("\n"))
    path = write_monitor(tmp_path, monitor(labels=None))
    assert value(once(path), "ml_predictions_total") == 2
    log.write_text(log.read_text()[:-5])
    assert value(once(path), "ml_predictions_total") == 1


def test_once_says_where_a_recorded_log_can_be_looked_at(tmp_path: Path) -> None:
    write_lines(tmp_path / "logs/predictions.jsonl", [record(1, at=1)])
    done = exporter("once", write_monitor(tmp_path, monitor(labels=None)))
    assert "--at 2026-01-10T00:00:02+00:00" in done.stderr
