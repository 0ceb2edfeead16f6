"""References by version, that come while the exporter runs; and references that are the model's own past."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from exporter.daemon.cycle import Cycle
from exporter.daemon.models import load_all
from mlslo.catalogue import METRICS
from tests.support.commands import exporter
from tests.support.logs import AT, monitor, record, write_lines, write_monitor
from tests.support.segmented import Series, measured

pytestmark = pytest.mark.slow

NOW = datetime.fromisoformat(AT).timestamp()
FEATURES = {"country": {"type": "categorical"}}


def rows(
    countries: Mapping[str, int], times: tuple[float, float], version: str, name: str = ""
) -> list[dict[str, Any]]:
    texts = [country for country, number in countries.items() for _ in range(number)]
    return [
        record(
            0,
            id=f"{version}{name}{times[0]}{row}",
            at=float(at),
            version=version,
            features={"country": texts[row]},
        )
        for row, at in enumerate(np.linspace(*times, len(texts)))
    ]


def build(folder: Path, name: str, countries: Mapping[str, int]) -> Path:
    data = write_lines(folder / f"{name}.jsonl", rows(countries, (0, 10), "v0"))
    out = folder / f"references/{name}.json"
    exporter("baseline", folder / "monitor.yaml", "--data", data, "--out", out)
    return out


def told(series: Series, metric: str, **wanted: str) -> dict[tuple[str, ...], float]:
    """The series with these labels, by the values of the labels that were not asked for."""
    names = METRICS[metric].labels
    return {
        tuple(text for key, text in zip(names, values, strict=True) if key not in wanted): number
        for values, number in series.get(metric, {}).items()
        if all(dict(zip(names, values, strict=True))[key] == text for key, text in wanted.items())
    }


def distance(series: Series, reference: str, version: str) -> float | None:
    found = told(
        series,
        "ml_feature_js_distance",
        model="m",
        reference=reference,
        version=version,
        window="1h",
        feature="country",
        segment="",
        segment_value="",
    )
    return found.get(())


def expected(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    names = sorted({*now, *before})
    return float(
        jensenshannon([now.get(name, 0) for name in names], [before.get(name, 0) for name in names], base=2)
    )


def missing(series: Series, version: str) -> float:
    found = told(
        series, "ml_gauge_withheld", model="m", version=version, window="1h", gauge="ml_feature_js_distance"
    )
    return found.get(("reference_missing",), 0.0)


def run(cycle: Cycle) -> Series:
    snapshot = cycle.run(at=NOW)
    assert snapshot is not None
    return snapshot.series


def test_a_reference_of_a_version_is_found_whenever_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = {"DE": 60, "FR": 40}, {"DE": 20, "PL": 70, "FR": 10}
    current = {"DE": 50, "FR": 25, "PL": 25}
    spec = monitor(
        features=FEATURES,
        labels=None,
        segments=["country"],
        references={"training": {"static": "references/{version}.json"}},
    )
    path = write_monitor(tmp_path, spec)
    build(tmp_path, "v1", old)
    later = build(tmp_path, "later", new)
    log = tmp_path / "logs/predictions.jsonl"
    for version in ("v1", "v2", "", "../v1"):
        write_lines(log, rows(current, (600, 2400), version))
    (model,) = load_all([path])
    with closing(model.open(tmp_path / "state")) as cycle:
        series = run(cycle)
        # The first batch of a version is counted over the categories of its own reference.
        assert distance(series, "training", "v1") == pytest.approx(expected(current, old))
        assert missing(series, "v1") == 0
        for version in ("v2", "", "../v1"):
            assert distance(series, "training", version) is None
        (tmp_path / "references/v2.json").write_text('{"apiVersion": ')
        for _ in range(3):
            series = run(cycle)
        assert distance(series, "training", "v2") is None
        warnings = [message for message in caplog.messages if "v2.json" in message]
        assert len(warnings) == 1
        assert "reference 'training' of version 'v2'" in warnings[0]
        # It comes right. What was counted without it cannot be compared, and is dropped; new rows are.
        (tmp_path / "references/v2.json").write_bytes(later.read_bytes())
        series = run(cycle)
        assert distance(series, "training", "v2") is None
        assert any("counted over other edges are dropped" in message for message in caplog.messages)
        write_lines(log, rows(current, (2500, 3500), "v2", "again"))
        series = run(cycle)
        assert distance(series, "training", "v2") == pytest.approx(expected(current, new))
        assert distance(series, "training", "v1") == pytest.approx(expected(current, old))
        # A version that has never been seen, whose reference is there before it is.
        (tmp_path / "references/v3.json").write_bytes(later.read_bytes())
        write_lines(log, rows(current, (2500, 3500), "v3"))
        series = run(cycle)
        assert distance(series, "training", "v3") == pytest.approx(expected(current, new))
        hashes = told(series, "ml_reference_info", model="m", reference="training")
        created = told(series, "ml_reference_created_timestamp_seconds", model="m", reference="training")
        contents = {
            name: json.loads((tmp_path / f"references/{name}.json").read_text()) for name in ("v1", "v2")
        }
        assert set(hashes) == {
            ("v1", contents["v1"]["hash"]),
            ("v2", contents["v2"]["hash"]),
            ("v3", contents["v2"]["hash"]),
        }
        assert set(created) == {("v1",), ("v2",), ("v3",)}
        data = (tmp_path / "v1.jsonl").stat().st_mtime
        assert created[("v1",)] == pytest.approx(data, abs=1)
        # Built again with other data: no restart is needed.
        (tmp_path / "references/v3.json").write_bytes((tmp_path / "references/v1.json").read_bytes())
        run(cycle)
        write_lines(log, rows(current, (2500, 3500), "v3", "again"))
        assert distance(run(cycle), "training", "v3") == pytest.approx(expected(current, old))
    with closing(model.open(tmp_path / "state")) as cycle:
        series = run(cycle)
        assert distance(series, "training", "v2") == pytest.approx(expected(current, new))
        assert missing(series, "../v1") >= 1


def test_a_reference_that_reads_a_feature_otherwise_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A record is decoded once: one version's number cannot be another's category."""
    spec = monitor(labels=None, references={"training": {"static": "references/{version}.json"}})
    path = write_monitor(tmp_path, spec)
    for version, values in (("v1", ["a", "b"]), ("v2", [1.5, 2.5])):
        data = write_lines(
            tmp_path / f"{version}.jsonl",
            [record(row, at=row, features={"code": values[row % 2]}) for row in range(100)],
        )
        exporter("baseline", path, "--data", data, "--out", tmp_path / f"references/{version}.json")
        write_lines(
            tmp_path / "logs/predictions.jsonl",
            [record(row, at=600 + row, version=version, features={"code": values[0]}) for row in range(50)],
        )
    series = measured(tmp_path, spec)
    assert [message for message in caplog.messages if "'code' as numeric, another as categorical" in message]
    psi = {values[1] for values in series["ml_feature_psi"]}
    assert psi == {"v1"}


MONTHS = {
    "a leap year ago": ("2025-02-10T12:00:00Z", "2024-02-01", "2024-03-01"),
    "on a leap day": ("2024-02-29T12:00:00Z", "2023-02-01", "2023-03-01"),
    "in January": ("2025-01-15T12:00:00Z", "2024-01-01", "2024-02-01"),
    "at the year's end": ("2025-12-31T23:30:00Z", "2024-12-01", "2025-01-01"),
}


@pytest.mark.parametrize("month", MONTHS)
def test_several_pasts_at_once(month: str, tmp_path: Path) -> None:
    """The same month last year to the second, the week before last, and a file."""
    at, first, last = MONTHS[month]
    end = datetime.fromisoformat(at).timestamp()
    start, stop = (datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in (first, last))
    origin = datetime.fromisoformat("2026-01-10T00:00:00Z").timestamp()
    training, now = {"DE": 50, "FR": 50}, {"DE": 70, "FR": 30}
    year_ago, week_ago, decoy = {"DE": 20, "FR": 80}, {"DE": 45, "FR": 55}, {"DE": 400}
    day = 86_400.0
    spec = monitor(
        features=FEATURES,
        labels=None,
        references={
            "training": {"static": "references/training.json"},
            "season": {"calendar": "month"},
            "week": {"sliding": "7d", "offset": "7d"},
        },
    )
    write_monitor(tmp_path, {**spec, "spec": {**spec["spec"], "references": {}}})
    build(tmp_path, "training", training)
    stretches = [
        (now, end - 3500, end - 1),
        (year_ago, start, stop - 0.001),
        (decoy, start - 50, start - 0.001),
        (decoy, stop, stop + 50),
        (week_ago, end - 14 * day, end - 7 * day - 0.001),
        (decoy, end - 14 * day - 50, end - 14 * day - 0.001),
        (decoy, end - 7 * day, end - 7 * day + 50),
    ]
    for number, (countries, low, high) in enumerate(stretches):
        lines = rows(countries, (low - origin, high - origin), "v1", str(number))
        write_lines(tmp_path / "logs/predictions.jsonl", lines)
    series = measured(tmp_path, spec, at)
    for reference, countries in (("training", training), ("season", year_ago), ("week", week_ago)):
        assert distance(series, reference, "v1") == pytest.approx(expected(now, countries)), reference
    created = told(series, "ml_reference_created_timestamp_seconds", model="m", version="v1")
    assert created[("season",)] == stop
    assert created[("week",)] == end - 7 * day
    assert set(created) == {("training",), ("season",), ("week",)}
    assert {values[2] for values in series["ml_reference_info"]} == {"training"}


def test_a_past_that_is_too_short_is_no_reference(tmp_path: Path) -> None:
    spec = monitor(
        features=FEATURES,
        labels=None,
        minSamples=30,
        references={
            "training": {"static": "references/training.json"},
            "yesterday": {"sliding": "1d", "offset": "1d"},
        },
    )
    write_monitor(tmp_path, {**spec, "spec": {**spec["spec"], "references": {}}})
    build(tmp_path, "training", {"DE": 50, "FR": 50})
    write_lines(tmp_path / "logs/predictions.jsonl", rows({"DE": 40}, (600, 3000), "v1"))
    write_lines(tmp_path / "logs/predictions.jsonl", rows({"DE": 29}, (-100_000, -99_000), "v1", "before"))
    series = measured(tmp_path, spec)
    assert distance(series, "yesterday", "v1") is None
    reasons = told(
        series, "ml_gauge_withheld", model="m", version="v1", window="1h", gauge="ml_feature_js_distance"
    )
    assert reasons[("reference_too_small",)] == 1


def test_a_past_without_rows_has_no_age(tmp_path: Path) -> None:
    spec = monitor(features=FEATURES, labels=None, references={"season": {"calendar": "month"}})
    write_lines(tmp_path / "logs/predictions.jsonl", rows({"DE": 40}, (600, 3000), "v1"))
    assert "ml_reference_created_timestamp_seconds" not in measured(tmp_path, spec)
