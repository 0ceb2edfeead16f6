"""Fleets whose exporters send counts with noise."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.daemon.fleet_cycle import FleetCycle
from exporter.measure.exposition import Snapshot
from exporter.measure.gauges import PRIVATE
from mlslo.catalogue import METRICS, Layer
from tests.support import segmented
from tests.support.fleet import Pod, PodFleet, aggregator, merged
from tests.support.logs import EPOCH, EVERYTHING, monitor

pytestmark = pytest.mark.slow

DAY = 86_400
RELEASED = EPOCH + DAY + 3600
PLAIN = monitor(
    windows=["3d"],
    segments=["features.country"],
    references={"training": {"static": "reference.json"}},
    maxSeries=100_000,
    metrics=EVERYTHING,
)
PRIVATE_MONITOR = {**PLAIN, "spec": {**PLAIN["spec"], "privacy": {"epsilon": 10.0}}}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    segmented.build_reference(folder, PLAIN)
    return folder / "reference.json"


CLOCK: Any = SimpleNamespace(time=lambda: CLOCK.now, monotonic=lambda: CLOCK.now)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("cycle", "fleet_cycle"):
        monkeypatch.setattr(f"exporter.daemon.{module}.time", CLOCK)


def run(pod: Pod, at: float) -> Snapshot:
    CLOCK.now = at
    return pod.run()


def measured(cycle: FleetCycle, at: float) -> Snapshot:
    CLOCK.now = at
    return merged(cycle)


def values(snapshot: Snapshot, name: str) -> dict[tuple[str, ...], float]:
    """All traffic's series of a metric, without the labels model and version."""
    labels = METRICS[name].labels
    at = [place for place, label in enumerate(labels) if label not in ("model", "version")]
    segment = labels.index("segment") if "segment" in labels else None
    return {
        tuple(key[place] for place in at): value
        for key, value in snapshot.series.get(name, {}).items()
        if segment is None or not key[segment]
    }


def test_gauges_of_noisy_counts(tmp_path: Path, reference: Path) -> None:
    """What has gauges is near the exact ones; all else is withheld for privacy, and so are few rows. One sends late."""
    pods = [Pod(tmp_path / f"pod{place}", PRIVATE_MONITOR, reference) for place in range(3)]
    one = Pod(tmp_path / "one", PLAIN, reference)
    fleet = PodFleet()
    for place, pod in enumerate(pods):
        run(pod, EPOCH - DAY + 10)
        rows = segmented.predictions(1500, place)
        labels = segmented.labels(rows, seed=place)
        pod.log(rows, labels)
        one.log(rows, labels)
        run(pod, EPOCH + 4000)
        fleet.at[f"http://pod{place}:9847"] = pod
    exact = run(one, RELEASED)
    for pod in pods[:2]:
        run(pod, RELEASED)
    late = pods[2].cycle
    pods[2].cycle = None
    with closing(aggregator(pods[0], fleet)) as cycle:
        two = measured(cycle, RELEASED)
        pods[2].cycle = late
        run(pods[2], RELEASED + DAY)
        three = measured(cycle, RELEASED + DAY)
        again = measured(cycle, RELEASED + DAY)
    (few,), (all_rows,) = (
        values(two, "ml_monitor_samples").values(),
        values(three, "ml_monitor_samples").values(),
    )
    assert few == pytest.approx(3000, abs=30)
    assert all_rows == pytest.approx(4500, abs=60)
    assert values(again, "ml_monitor_samples") == values(three, "ml_monitor_samples")
    checked = 0
    for name in PRIVATE:
        found, expected = values(three, name), values(exact, name)
        assert found.keys() == expected.keys(), name
        for key in found:
            assert found[key] == pytest.approx(expected[key], abs=0.08), (name, key)
            checked += 1
    assert checked > 25
    # Nothing else of the model, but what is said of the exporters.
    for name, series in three.series.items():
        assert name in PRIVATE or METRICS[name].layer is Layer.META or not series, name
    reasons = {(key[-2], key[-1]) for key in three.series["ml_gauge_withheld"]}
    for name in (
        "ml_feature_mean",
        "ml_feature_ks_statistic",
        "ml_predictions_per_second",
        "ml_features_drifted",
    ):
        assert (name, "privacy") in reasons
    assert ("ml_model_auc_roc", "too_few_samples") in reasons
    for pod in (*pods, one):
        pod.stop()


def test_noise_alone_has_no_gauges(tmp_path: Path, reference: Path) -> None:
    """Exporters without a record: what noise adds up to is less than the margin."""
    pods = [Pod(tmp_path / f"pod{place}", PRIVATE_MONITOR, reference) for place in range(2)]
    fleet = PodFleet()
    for place, pod in enumerate(pods):
        run(pod, EPOCH - DAY + 10)
        run(pod, RELEASED)
        fleet.at[f"http://pod{place}:9847"] = pod
    with closing(aggregator(pods[0], fleet)) as cycle:
        found = measured(cycle, RELEASED)
    assert not [name for name in PRIVATE if found.series.get(name)]
    for pod in pods:
        pod.stop()


def test_other_settings_are_refused(tmp_path: Path, reference: Path) -> None:
    pod, other = Pod(tmp_path / "pod", PLAIN, reference), Pod(tmp_path / "other", PRIVATE_MONITOR, reference)
    run(pod, RELEASED)
    fleet = PodFleet()
    fleet.at = {"http://pod:9847": pod}
    with closing(aggregator(other, fleet)) as cycle:
        found = measured(cycle, RELEASED)
    assert found.series["ml_fleet_exporters"]["m", "other_schema"] == 1
    pod.stop()
