"""Noise that `baseline` learns, by time or by order; what it does to the decision; files without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exporter.references.baseline import source
from exporter.references.baseline.noise import Blocks, TimedBlocks
from exporter.references.noise import ViewNoise
from exporter.references.reference_file import _hash, load
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, once, record, value, write_lines, write_monitor

ROWS, A_CLUMP = 4000, 50
FEATURES = [f"f{number}" for number in range(6)]


def clumpy(seed: int, rows: int) -> list[dict[str, float]]:
    """Rows of which 50 after each other have much in common."""
    rng = np.random.default_rng(seed)
    together = rng.normal(size=(rows // A_CLUMP, len(FEATURES))).repeat(A_CLUMP, axis=0)
    values = together + rng.normal(size=together.shape)
    return [dict(zip(FEATURES, row, strict=True)) for row in values.tolist()]


def built(folder: Path, rows: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    (folder / "training.jsonl").unlink(missing_ok=True)
    write_lines(folder / "training.jsonl", rows)
    path = write_monitor(folder, monitor(references={"training": {"static": "reference.json"}}, **spec))
    exporter("baseline", path, "--data", folder / "training.jsonl", "--out", folder / "reference.json")
    found: dict[str, Any] = json.loads((folder / "reference.json").read_text())
    return found


def test_clumps_are_learnt_in_the_order_of_time_and_else_of_the_file(tmp_path: Path) -> None:
    rows = [{"ts": EPOCH + 2 * i, "features": item} for i, item in enumerate(clumpy(1, ROWS))]
    shuffled = [rows[place] for place in np.random.default_rng(2).permutation(ROWS)]
    by_time = built(tmp_path, shuffled)["noise"]
    assert by_time["rows"] == [50, 100, 200, 400, 800]
    assert by_time["secondsPerRow"] == pytest.approx(2.0)
    # 1 + 49 x a correlation of a half.
    for name in FEATURES:
        assert by_time["views"][name]["effects"][1] == pytest.approx(25, rel=0.4)
    assert built(tmp_path, rows)["noise"] == by_time
    by_order = built(tmp_path, [{"features": item["features"]} for item in rows])["noise"]
    assert by_order["secondsPerRow"] is None
    assert by_order["views"] == by_time["views"]
    lost = built(tmp_path, [{"features": item["features"]} for item in shuffled])["noise"]
    assert max(lost["views"]["f0"]["effects"]) < 3


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    written = built(tmp_path, [{"features": item} for item in clumpy(3, ROWS)])["noise"]
    reference = load(tmp_path / "reference.json")
    assert reference.noise is not None
    assert reference.noise.lengths.tolist() == written["rows"]
    noise = reference.views["f0"].noise
    assert noise is not None
    assert noise.effects.tolist() == written["views"]["f0"]["effects"]
    assert noise.single.tolist() == written["views"]["f0"]["single"]
    assert reference.noise.dependence["f0"].tolist() == written["dependence"]["f0"]


def test_of_few_rows_nothing_is_learnt(tmp_path: Path) -> None:
    assert "noise" not in built(tmp_path, [{"features": item} for item in clumpy(4, 350)])


def test_clumps_are_no_drift_where_they_are_known(tmp_path: Path) -> None:
    """The same reference file without its noise takes them for drift, as it did before there was any."""
    content = built(tmp_path, [{"features": item} for item in clumpy(5, ROWS)])
    records = [record(i, at=float(i % 600), features=item) for i, item in enumerate(clumpy(6, 600))]
    write_lines(tmp_path / "logs/predictions.jsonl", records)
    path = tmp_path / "monitor.yaml"
    assert value(once(path), "ml_features_drifted", reference="training") == 0
    levels = {
        labels["feature"]: level
        for labels, level in once(path)["ml_feature_drift_noise_level"]
        if labels["statistic"] == "psi"
    }
    del content["noise"]
    head = ("apiVersion", "kind", "model", "created", "hash")
    content["hash"] = _hash({key: item for key, item in content.items() if key not in head})
    (tmp_path / "reference.json").write_text(json.dumps(content))
    plain = once(path)
    drifted = value(plain, "ml_features_drifted", reference="training")
    assert drifted is not None
    assert drifted > 0
    for labels, level in plain["ml_feature_drift_noise_level"]:
        if labels["statistic"] == "psi":
            assert levels[labels["feature"]] > 4 * level


def test_rows_of_a_segment_have_in_common_what_their_stretches_have(tmp_path: Path) -> None:
    """A fifth of the rows, one by one and in whole clumps, every fifth."""
    sexes = np.random.default_rng(9).random(ROWS) < 0.2
    tenants = np.repeat(np.arange(ROWS // A_CLUMP) * 7 % 5 == 0, A_CLUMP)
    rows = [
        {
            "ts": EPOCH + 2 * i,
            "features": {**item, "sex": "fm"[int(sexes[i])], "tenant": "ab"[int(tenants[i])]},
        }
        for i, item in enumerate(clumpy(8, ROWS))
    ]
    content = built(tmp_path, rows, segments=["features.sex", "features.tenant"])
    together = content["noise"]["segments"]
    assert max(together["features.sex"]["m"]) < 1.5
    assert together["features.tenant"]["b"][0] > 40
    whole = load(tmp_path / "reference.json")
    one_by_one, in_clumps = (
        whole.of_segment(segment, value)
        for segment, value in (("features.sex", "m"), ("features.tenant", "b"))
    )
    for name in FEATURES:
        of_all, of_sex, of_tenant = (
            known.views[name].noise.variance(20.0, 200.0)  # type: ignore[union-attr]
            for known in (whole, one_by_one, in_clumps)
        )
        assert of_sex == pytest.approx(of_all, rel=0.1)
        assert of_tenant == pytest.approx(of_all / 0.2, rel=0.1)


def test_a_change_too_small_to_matter_is_none(tmp_path: Path) -> None:
    """Far beyond the noise of 20,000 rows, and 0.04 of them lie elsewhere."""
    rng = np.random.default_rng(7)
    built(tmp_path, [{"features": {"x": float(number)}} for number in rng.normal(size=20_000)])
    records = [
        record(i, at=float(i % 600), features={"x": float(number)})
        for i, number in enumerate(rng.normal(0.1, size=20_000))
    ]
    write_lines(tmp_path / "logs/predictions.jsonl", records)
    for least, expected in ((None, 0), (0.02, 1)):
        drift = {} if least is None else {"drift": {"effectSize": least}}
        content = monitor(references={"training": {"static": "reference.json"}}, **drift)
        found = once(write_monitor(tmp_path, content))
        assert value(found, "ml_features_drifted", reference="training") == expected
        assert value(found, "ml_feature_drift_effect_size", reference="training") == pytest.approx(
            0.04, abs=0.012
        )


def test_a_gap_is_no_time_that_rows_took(tmp_path: Path) -> None:
    times = np.arange(1000.0) * 1e6
    times[500:] += 1e12
    assert blocks_by(tmp_path, times)[0].seconds == pytest.approx(1.0)
    times[3] = np.nan
    blocks, of_rows = blocks_by(tmp_path, times)
    assert of_rows[3] == blocks.number


def test_rows_of_one_time_are_in_the_order_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = np.random.default_rng(8).integers(0, 40, 5000).astype(float)
    times[::17] = np.nan
    timed = np.flatnonzero(~np.isnan(times))
    order = timed[np.argsort(times[timed], kind="stable")]
    for part in (source.PART, 700):
        monkeypatch.setattr(source, "PART", part)
        blocks, of_rows = blocks_by(tmp_path, times)
        expected = np.full(5000, blocks.number)
        expected[order] = np.minimum(np.arange(len(order)) // blocks.rows, blocks.number)
        assert of_rows.tolist() == expected.tolist()


def blocks_by(folder: Path, times: Any) -> tuple[Blocks, Any]:
    """The blocks of rows at these times, and the block of each row."""
    rows = [{"x": 1, "time": None if np.isnan(time) else float(time)} for time in times]
    (folder / "times.jsonl").unlink(missing_ok=True)
    with source.open_source([write_lines(folder / "times.jsonl", rows)]) as opened:
        blocks = TimedBlocks.by_time(opened, "time::DOUBLE")
        assert blocks is not None
        groups = opened.fold(lambda part: [blocks.groups(part)])
    return blocks, np.concatenate(groups)


def test_the_time_counts_where_both_are_known() -> None:
    """A reference that is a sample of one in ten tells of all rows of an hour."""
    sampled = ViewNoise(
        np.array([50.0, 500.0]), np.full(2, 11.0), np.full(2, 5.0), np.full(2, 9.0), seconds=10.0
    )
    assert sampled.variance(5000, 5000.0) == sampled.variance(500) == pytest.approx(10 / 500)
    assert sampled.variance(5000, 5000.0, single=True) == pytest.approx(4 / 500)
    untimed = ViewNoise(sampled.lengths, sampled.effects, sampled.single, sampled.degrees, seconds=None)
    assert untimed.variance(5000, 5000.0) == pytest.approx(10 / 5000)
