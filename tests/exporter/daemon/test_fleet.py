"""Aggregated fleets: the gauges of several exporters together are those of one over all logs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.support import segmented
from tests.support.fleet import Pod, PodFleet, aggregator, different, merged, share
from tests.support.logs import EPOCH, EVERYTHING, monitor

MONITOR = monitor(
    windows=["1h", "1d"],
    segments=["features.country"],
    fairness={"attributes": ["features.gender"], "minSamples": 1},
    references={"training": {"static": "reference.json"}, "yesterday": {"sliding": "1d", "offset": "1h"}},
    maxSeries=100_000,
    metrics=EVERYTHING,
)
FIELDS_BY_READING = ["ml_field_present_ratio"]


def rows(number: int, seed: int, *, ago: float = 3000.0, until: float = 300.0) -> list[dict[str, Any]]:
    """Records of the last hour, as of now; far from where a window begins."""
    shift = time.time() - EPOCH
    records = segmented.predictions(number, seed, start=-ago, end=-until)
    return [{**item, "ts": item["ts"] + shift} for item in records]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    segmented.build_reference(folder, MONITOR)
    return folder / "reference.json"


class Whole:
    """A fleet, and one exporter over the logs of all."""

    def __init__(self, folder: Path, number: int, reference: Path, spec: Mapping[str, Any] = MONITOR) -> None:
        self.pods = [Pod(folder / f"pod{place}", spec, reference) for place in range(number)]
        self.one = Pod(folder / "one", spec, reference)
        self.fleet = PodFleet()
        self.fleet.at = {f"http://pod{place}:9847": pod for place, pod in enumerate(self.pods)}

    def log(self, records: list[dict[str, Any]], labels: list[dict[str, Any]]) -> None:
        self.one.log(records, labels)
        for place, pod in enumerate(self.pods):
            mine, truth = (
                [item for item in some if share(item, len(self.pods)) == place] for some in (records, labels)
            )
            pod.log(mine, truth)

    def run(self) -> None:
        for pod in self.pods:
            pod.run()

    def close(self) -> None:
        for pod in (*self.pods, self.one):
            pod.stop()


@pytest.fixture
def whole(tmp_path: Path, reference: Path) -> Iterator[Whole]:
    with closing(Whole(tmp_path, 3, reference)) as found:
        yield found


def test_each_gauge_is_that_of_one_exporter_over_all_logs(tmp_path: Path, reference: Path) -> None:
    """Records of two days in two portions, every layer and segment; a restart of all in between."""
    with closing(Whole(tmp_path, 4, reference)) as whole:
        past = rows(1500, 7, ago=20 * 3600, until=2 * 3600)
        whole.log(past, segmented.labels(past, seed=7))
        whole.run()
        with ExitStack() as stack:
            cycle = stack.enter_context(closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")))
            merged(cycle)
        for pod in whole.pods[::2]:
            pod.stop()
        recent = rows(3000, 8)
        whole.log(recent, segmented.labels(recent, seed=8))
        whole.run()
        with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
            found, expected = merged(cycle), whole.one.run()
    names = {name for name, series in expected.series.items() if series}
    assert {"ml_feature_psi", "ml_model_auc_roc", "ml_calibration_error", "ml_fairness_selection_rate"} <= names
    assert {"ml_prediction_latency_quantile_seconds", "ml_label_delay_seconds", "ml_prediction_psi"} <= names
    assert found.series["ml_fleet_exporters"]["m", "merged"] == 4
    told = different(found, expected, FIELDS_BY_READING)
    assert not told, '\n'.join(told)
