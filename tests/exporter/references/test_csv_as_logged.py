"""A baseline of CSV takes values for what the exporter takes them for when it reads the same file as a log."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, once, value, write_monitor

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_the_same_file_does_not_drift_from_itself(tmp_path: Path, separator: str, suffix: str) -> None:
    comma = separator == ";"
    rows = [["ts", "score", "amount", "country"]]
    for number in range(400):
        score, amount = f"{(number % 97) / 100:.2f}", f"{number % 31}.5"
        if comma:
            score, amount = score.replace(".", ","), amount.replace(".", ",")
        country = ["DE", "NA", "FR", "None", ""][number % 5]
        rows.append([str(EPOCH + number), score, "NULL" if number % 10 == 0 else amount, country])
    text = "".join(separator.join(row) + "\n" for row in rows).encode()
    log = tmp_path / f"log{suffix}"
    log.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    content = monitor(labels=None, references={"training": {"static": "training.json"}})
    content["spec"]["predictions"] = {
        "sink": {"file": {"path": log.name}},
        "fields": {"timestamp": "ts", "score": "score", "features": ["amount", "country"]},
    }
    path = write_monitor(tmp_path, content)
    exporter("baseline", path, "--data", log, "--out", tmp_path / "training.json")
    gauges = once(path)
    for feature, missing in (("amount", 0.1), ("country", 0.6)):
        assert value(gauges, "ml_feature_psi", feature=feature) == pytest.approx(0, abs=1e-9)
        assert value(gauges, "ml_feature_missing_ratio", feature=feature) == pytest.approx(missing)
        assert value(gauges, "ml_feature_missing_ratio_reference", feature=feature) == pytest.approx(missing)
    assert value(gauges, "ml_prediction_psi") == pytest.approx(0, abs=1e-9)
