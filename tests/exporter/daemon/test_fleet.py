"""Aggregated fleets: the gauges of several exporters together are those of one over all logs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from exporter.daemon.fleet_cycle import FleetCycle
from exporter.measure.exposition import Snapshot
from exporter.state import sent
from mlslo.yamlfile import InputError
from tests.support import segmented
from tests.support.fleet import Pod, PodFleet, aggregator, different, merged, share
from tests.support.logs import EPOCH, EVERYTHING, monitor, record, write_lines
from tests.support.properties import examples

pytestmark = pytest.mark.slow

MONITOR = monitor(
    windows=["1h", "1d"],
    segments=["features.country"],
    fairness={"attributes": ["features.gender"], "minSamples": 1},
    references={"training": {"static": "reference.json"}, "yesterday": {"sliding": "1d", "offset": "1h"}},
    maxSeries=100_000,
    metrics=EVERYTHING,
)
PLAIN = monitor(windows=["1h"], labels=None)
WHEN_READ = ["ml_sink_late_records_total"]
"""What depends on when a record was read."""


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

    def __init__(
        self, folder: Path, number: int, reference: Path | None, spec: Mapping[str, Any] = MONITOR
    ) -> None:
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
def whole(tmp_path: Path) -> Iterator[Whole]:
    """Three exporters that have logged and read 30 records in the last hour, without labels or references."""
    with closing(Whole(tmp_path, 3, None, PLAIN)) as found:
        found.log(plain_rows(30), [])
        found.run()
        yield found


def plain_rows(
    number: int, *, first: int = 0, ago: float = 3000.0, until: float = 300.0
) -> list[dict[str, Any]]:
    times = np.linspace(time.time() - EPOCH - ago, time.time() - EPOCH - until, number)
    return [record(first + place, at=float(at)) for place, at in enumerate(times)]


def samples(snapshot: Snapshot) -> float:
    return snapshot.series["ml_monitor_samples"]["m", "v1", "1h", "", ""]


def total(snapshot: Snapshot) -> float:
    return snapshot.series["ml_predictions_total"]["m", "v1"]


def states(snapshot: Snapshot) -> dict[str, float]:
    return {state: number for (_, state), number in snapshot.series["ml_fleet_exporters"].items() if number}


def test_each_gauge_is_that_of_one_exporter_over_all_logs(tmp_path: Path, reference: Path) -> None:
    """Every layer and segment; two portions of a log, and restarts of the aggregator and of exporters between them."""
    with closing(Whole(tmp_path, 3, reference)) as whole:
        past = rows(600, 7, ago=20 * 3600, until=2 * 3600)
        whole.log(past, segmented.labels(past, seed=7))
        whole.run()
        with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
            merged(cycle)
        for pod in whole.pods[::2]:
            pod.stop()
        recent = rows(1200, 8)
        whole.log(recent, segmented.labels(recent, seed=8))
        whole.run()
        with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
            found, expected = merged(cycle), whole.one.run()
    names = {name for name, series in expected.series.items() if series}
    assert {
        "ml_feature_psi",
        "ml_model_auc_roc",
        "ml_calibration_error",
        "ml_fairness_selection_rate",
    } <= names
    assert {"ml_prediction_latency_quantile_seconds", "ml_label_delay_seconds", "ml_prediction_psi"} <= names
    assert states(found) == {"merged": 3}
    told = different(found, expected, WHEN_READ)
    assert not told, "\n".join(told)


@pytest.mark.parametrize("seed", range(examples(1)))
def test_life_of_a_fleet(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes, so that buckets merge and expire; exporters and the aggregator read and restart when they like."""
    rng = random.Random(seed)
    clock = SimpleNamespace(now=time.time())
    clock.time = clock.monotonic = lambda: clock.now
    for module in ("cycle", "fleet_cycle"):
        monkeypatch.setattr(f"exporter.daemon.{module}.time", clock)
    monkeypatch.setattr(sent, "MOST_NUMBERS", rng.choice([1, 50, 1 << 20]))
    spec = monitor(
        windows=["2m", "1h"],
        segments=["features.country"],
        references={"before": {"sliding": "10m", "offset": "5m"}},
    )
    with closing(Whole(tmp_path, 3, None, spec)) as whole:
        cycle: FleetCycle | None = None
        for step in range(12):
            clock.now += rng.choice([1.0, 7.0, 20.0, 200.0])
            # Not at a time that a window ends at, nor too late to be counted.
            times = [clock.now - EPOCH - rng.choice([0.4, 3.3, 100.1]) for _ in range(rng.randrange(5))]
            records = [
                record(
                    1000 * step + place,
                    at=at,
                    version=rng.choice(["v1", "v2"]),
                    score=rng.randrange(8) / 8,
                    features={"amount": rng.randrange(100) / 4, "country": rng.choice("ABC")},
                )
                for place, at in enumerate(times)
            ]
            labels = [
                {"id": item["id"], "label": rng.randrange(2), "ts": item["ts"] + 0.125}
                for item in records
                if rng.random() < 0.7
            ]
            whole.log(records, labels)
            whole.one.run()
            for pod in whole.pods:
                if rng.random() < 0.6:
                    pod.run()
                elif rng.random() < 0.1:
                    pod.stop()
            if rng.random() < 0.5:
                cycle = cycle or aggregator(whole.one, whole.fleet, tmp_path / "fleet")
                merged(cycle)
            elif cycle is not None and rng.random() < 0.2:
                cycle.close()
                cycle = None
        whole.run()
        with closing(cycle or aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
            found, expected = merged(cycle), whole.one.run()
        assert states(found) == {"merged": 3}
        told = different(found, expected, [*WHEN_READ, "ml_field_present_ratio"])
        assert not told, "\n".join(told)


def test_exporter_that_is_gone_still_counts(
    whole: Whole, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Unreachable, then no longer discovered; through a restart of the aggregator. Each is said once."""
    with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
        first = merged(cycle)
        assert (samples(first), states(first)) == (30.0, {"merged": 3})
        whole.pods[1].stop()
        for _ in range(2):
            found = merged(cycle)
            assert (samples(found), total(found)) == (30.0, 30.0)
            assert states(found) == {"merged": 2, "unreachable": 1}
            assert list(cycle.trouble()) == [
                "http://pod1:9847: unreachable: it is gone; its last counts stay in the sums."
            ]
    assert [text for text in caplog.messages if "pod1" in text] == [
        "model m: http://pod1:9847: unreachable: it is gone; its last counts stay in the sums"
    ]
    del whole.fleet.at["http://pod1:9847"]
    for pod in whole.pods:
        pod.stop()
    with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
        found = merged(cycle)
        assert (samples(found), total(found)) == (30.0, 30.0)
        assert states(found) == {"unreachable": 2, "departed": 1}
        assert len(cycle.trouble()) == 2
        assert found.series["ml_sink_up"]["m", "predictions"] == 0
        seen = found.series["ml_fleet_exporter_last_summaries_timestamp_seconds"]
        assert sorted(exporter for _, exporter in seen) == ["http://pod0:9847", "http://pod2:9847"]


def test_state_that_was_lost_and_counted_again_replaces_the_old_one(whole: Whole, tmp_path: Path) -> None:
    with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
        merged(cycle)
        whole.pods[1].stop()
        for file in (whole.pods[1].folder / "state").iterdir():
            file.unlink()
        for _ in range(2):
            whole.pods[1].run()
            found = merged(cycle)
            assert (samples(found), total(found), states(found)) == (30.0, 30.0, {"merged": 3})


def test_fresh_state_that_goes_on_counts_beside_the_old_one(whole: Whole, tmp_path: Path) -> None:
    """A pod that is replaced at the same address, with an empty disk."""
    with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
        merged(cycle)
        whole.pods[1].stop()
        whole.pods[1] = fresh = Pod(tmp_path / "fresh", PLAIN, None)
        whole.fleet.at["http://pod1:9847"] = fresh
        fresh.run()
        assert samples(merged(cycle)) == 30.0
        fresh.log(plain_rows(5, first=100, ago=200, until=100))
        fresh.run()
        for _ in range(2):
            found = merged(cycle)
            assert (samples(found), total(found)) == (35.0, 35.0)
            assert states(found) == {"merged": 3, "departed": 1}


def test_counters_never_fall(whole: Whole, tmp_path: Path) -> None:
    """Of a log that is counted again, and of an exporter whose buckets have expired."""
    with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
        merged(cycle)
        whole.pods[1].stop()
        for file in [*(whole.pods[1].folder / "state").iterdir(), *(whole.pods[1].folder / "logs").iterdir()]:
            file.unlink()
        del whole.fleet.at["http://pod0:9847"]
        again = plain_rows(30)[:3]
        whole.pods[1].log(again)
        whole.pods[1].run()
        found = merged(cycle)
        assert total(found) == 30.0
        assert samples(found) < 30.0
        with cycle._store.transaction():
            cycle._parts.expire(int(time.time() * 1e6))
        assert total(merged(cycle)) == 30.0


def test_two_addresses_of_one_state_count_once(whole: Whole, tmp_path: Path) -> None:
    whole.fleet.at["http://[::1]:9847"] = whole.pods[1]
    with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
        for _ in range(3):
            found = merged(cycle)
            assert (samples(found), states(found)) == (30.0, {"merged": 3, "duplicate": 1})


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"windows": ["1h", "2h"]}, "windows and sliding references"),
        ({"segments": ["features.country"]}, "features, segments"),
        ({"features": {"amount": {"type": "categorical"}}}, "features"),
        ({"references": {"before": {"sliding": "2h"}}}, "windows and sliding references"),
    ],
    ids=["windows", "segments", "features", "references"],
)
def test_exporter_of_another_monitor_file_is_left_out(
    change: dict[str, Any], differs: str, whole: Whole, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = whole.fleet.at["http://pod3:9847"] = Pod(
        tmp_path / "other", monitor(**{**PLAIN["spec"], "labels": None, **change}), None
    )
    other.log(plain_rows(10, first=500))
    other.run()
    with closing(aggregator(whole.one, whole.fleet)) as cycle:
        found = merged(cycle)
        assert (samples(found), total(found)) == (30.0, 30.0)
        assert states(found) == {"merged": 3, "other_schema": 1}
    assert f"pod3:9847: other schema: its {differs} are not the aggregator's; give both" in caplog.text
    other.stop()


def test_skew_and_ages_are_those_of_one_exporter(tmp_path: Path) -> None:
    """Offline rows are where their predictions are; those that come later, too."""
    spec = monitor(
        windows=["1h"],
        labels=None,
        features={"amount": {"type": "numeric"}, "country": {"type": "categorical"}},
        skew={"sink": {"file": {"path": "logs/offline*.jsonl"}}, "fields": {"id": "id"}},
        featureTimestamps={"amount": "made"},
    )
    rng = random.Random(5)
    with (
        closing(Whole(tmp_path, 3, None, spec)) as whole,
        closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle,
    ):
        some = plain_rows(90)
        for item in some:
            item["features"] = {"amount": rng.randrange(4), "country": rng.choice(["DE", None])}
            item["made"] = item["ts"] - rng.lognormvariate(5, 2)
        whole.log(some, [])
        for portion in (some[:50], some[40:80]):
            for place, pod in enumerate((*whole.pods, whole.one)):
                offline = [
                    {"id": item["id"], "amount": 1.0, "country": "DE"}
                    for item in portion
                    if pod is whole.one or share(item, 3) == place
                ]
                write_lines(pod.folder / "logs" / "offline.jsonl", offline)
            whole.run()
            found, expected = merged(cycle), whole.one.run()
            assert len(expected.series["ml_feature_skew_ratio"]) == 2
            assert len(expected.series["ml_feature_age_seconds"]) == 3
            told = different(found, expected, [*WHEN_READ, "ml_skew_pending", "ml_skew_sampling_ratio"])
            assert not told, "\n".join(told)
            assert found.series["ml_sink_up"]["m", "skew"] == 1
            assert "ml_skew_pending" not in found.series


def test_exporter_with_another_reference_is_left_out(tmp_path: Path, reference: Path) -> None:
    spec = monitor(windows=["1h"], labels=None, references={"training": {"static": "reference.json"}})
    with closing(Whole(tmp_path, 2, reference, spec)) as whole:
        whole.log(plain_rows(10), [])
        segmented.build_reference(tmp_path / "pod1", spec, rows=300)
        whole.run()
        with closing(aggregator(whole.one, whole.fleet)) as cycle:
            found = merged(cycle)
            assert states(found) == {"merged": 1, "other_schema": 1}
            assert samples(found) == samples(whole.pods[0].run())


def test_segment_values_past_the_limit_share_one(tmp_path: Path) -> None:
    """The largest of the fleet have series; no row is lost, or counted twice, as sizes change."""
    spec = monitor(windows=["1h"], labels=None, segments=["features.country"], maxSegmentValues=3)
    rng, counted, held = random.Random(4), 0, set()
    with (
        closing(Whole(tmp_path, 3, None, spec)) as whole,
        closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle,
    ):
        for step in range(7):
            # Each exporter sees three values at most, and the fleet nine.
            for place, pod in enumerate(whole.pods):
                weights = [rng.choice([1, 4, 30]) for _ in range(3)]
                number = 20 * 2**step if step % 3 == place else 4
                some = plain_rows(number, first=10_000 * step + 3000 * place)
                for item in some:
                    item["features"] = {"country": f"{place}{rng.choices('abc', weights)[0]}"}
                pod.log(some)
                counted += len(some)
                pod.run()
            found = merged(cycle)
            by_value = {
                labels["segment_value"]: number
                for labels, number in found.having("ml_monitor_samples", segment="features.country")
            }
            assert sum(by_value.values()) == counted == samples(found)
            assert len(by_value) == 4
            assert "other" in by_value
            held.add(frozenset(by_value))
    assert len(held) > 1, "no value ever took the series of another"


def test_first_references_are_refused(tmp_path: Path) -> None:
    pod = Pod(tmp_path, monitor(references={"start": {"first": "1h"}}), None)
    with pytest.raises(InputError, match=r"monitor.yaml:\d+:\d+: each exporter of a fleet builds its own"):
        aggregator(pod, PodFleet())


def test_state_of_an_exporter_is_refused(whole: Whole) -> None:
    whole.pods[0].stop()
    with pytest.raises(Exception, match="the state of an exporter"):
        aggregator(whole.pods[0], whole.fleet, whole.pods[0].folder / "state" / "m.sqlite")


def test_only_what_has_changed_is_sent(whole: Whole, tmp_path: Path) -> None:
    with closing(aggregator(whole.one, whole.fleet, tmp_path / "fleet")) as cycle:
        merged(cycle)
        first = sum(whole.fleet.buckets)
        whole.fleet.buckets.clear()
        whole.log(plain_rows(1, first=300, ago=100), [])
        whole.run()
        assert samples(merged(cycle)) == 31.0
        # All traffic of the bucket that it fell into, and the fields that its records had.
        assert sorted(whole.fleet.buckets) == [0, 0, 2]
        assert first > 20
