"""The ids of predictions as exemplars of the latency histogram: in the daemon, and in a real Prometheus."""

from __future__ import annotations

import json
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from exporter.daemon.models import load_all
from exporter.measure.exposition import Exemplar, Snapshot
from tests.exporter.daemon.test_daemon import daemon, record, total
from tests.exporter.daemon.test_scraped import openmetrics
from tests.support.commands import exporter
from tests.support.logs import EPOCH, monitor, write_lines, write_monitor
from tests.support.servers import Server
from tests.support.tools import tool


def with_exemplars(**spec: Any) -> dict[str, Any]:
    content = monitor(labels=None, **spec)
    content["spec"]["predictions"]["exemplars"] = True
    return content


def measured(path: Path, at: float) -> Snapshot:
    (model,) = load_all([path])
    cycle = model.open(None)
    found = cycle.run(at=EPOCH + at)
    cycle.close()
    assert found is not None
    return found


def line(number: int, at: float, latency: float | None, **changes: Any) -> dict[str, Any]:
    return {
        "ts": EPOCH + at,
        "id": f"r{number}",
        "version": "v1",
        "latency_ms": latency,
        "score": 0.5,
        **changes,
    }


def test_the_latest_prediction_of_each_bucket_and_version(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, with_exemplars(latencyBuckets=["100ms", "1s"]))
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        [
            line(0, 10, 50),
            line(1, 30, 60, id="naïve"),
            line(2, 20, 70),
            line(3, 5, 500),
            "no record",
            line(4, 40, 4000),
            line(5, 50, None),
            line(6, 51, -1),
            line(7, 52, 80, id=None),
            line(8, 15, 90, version="v2", id=17),
            line(9, 60, 300, id="x" * 119),
        ],
    )
    found = measured(path, 100).histograms
    assert found["v1"].exemplars == {
        "0.1": Exemplar("naïve", 0.06, EPOCH + 30),
        "+Inf": Exemplar("r4", 4.0, EPOCH + 40),
    }
    assert found["v2"].exemplars == {"0.1": Exemplar("17", 0.09, EPOCH + 15)}


def test_a_later_batch_replaces_them_and_a_late_record_does_not(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, with_exemplars(latencyBuckets=["1s"]))
    log = write_lines(tmp_path / "logs/predictions.jsonl", [line(0, 10, 50)])
    (model,) = load_all([path])
    cycle = model.open(None)
    for number, at, expected in ((1, 30, "r1"), (2, 20, "r1"), (3, 30, "r3")):
        cycle.run(at=EPOCH + 40)
        write_lines(log, [line(number, at, 50)])
        snapshot = cycle.run(at=EPOCH + 40)
        assert snapshot is not None
        assert snapshot.histograms["v1"].exemplars["1.0"].request == expected
    cycle.close()


def test_records_of_another_shape_have_them(tmp_path: Path) -> None:
    """Two models in one log, of which one is chosen: its records are written anew before they are decoded."""
    content = with_exemplars(latencyBuckets=["1s"])
    content["spec"]["predictions"]["where"] = {"model": "mine"}
    path = write_monitor(tmp_path, content)
    records = [line(number, number, 50, model=("mine", "other")[number % 2]) for number in range(50)]
    write_lines(tmp_path / "logs/predictions.jsonl", records)
    assert measured(path, 100).histograms["v1"].exemplars["1.0"].request == "r48"


def test_rows_across_chunks_of_a_large_batch(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, with_exemplars(latencyBuckets=["1ms", "2ms", "3ms", "4ms", "5ms"]))
    padding = "x" * 1000
    slow = {number: float(place + 1) for place, number in enumerate((0, 1049, 2100, 4000, 5999))}
    write_lines(
        tmp_path / "logs/predictions.jsonl",
        (line(number, number / 10, slow.get(number, 9.0), padding=padding) for number in range(6000)),
    )
    found = measured(path, 1000).histograms["v1"].exemplars
    assert {bound: one.request for bound, one in found.items()} == {
        "0.001": "r0",
        "0.002": "r1049",
        "0.003": "r2100",
        "0.004": "r4000",
        "0.005": "r5999",
        "+Inf": "r5998",
    }


def test_by_default_no_id_is_shown(tmp_path: Path) -> None:
    path = write_monitor(tmp_path, monitor(labels=None))
    write_lines(tmp_path / "logs/predictions.jsonl", [line(0, 10, 50)])
    assert measured(path, 100).histograms["v1"].exemplars == {}


def test_they_need_an_id_and_a_latency(tmp_path: Path) -> None:
    content = with_exemplars()
    del content["spec"]["predictions"]["fields"]["id"]
    done = exporter("check", write_monitor(tmp_path, content), check=False)
    assert done.returncode == 2
    assert "exemplars need the fields id and latency" in done.stderr


class Storing(Server):
    """A Prometheus that keeps exemplars."""

    def __init__(self, folder: Path, target: str) -> None:
        super().__init__(folder / "prometheus.log")
        scrape = {
            "job_name": "mlslo",
            "scrape_interval": "500ms",
            "scrape_timeout": "500ms",
            "static_configs": [{"targets": [target]}],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [scrape]}))
        self._command = [
            str(tool("prometheus")), f"--config.file={folder}/prometheus.yml", "--enable-feature=exemplar-storage",
            f"--storage.tsdb.path={folder}/data", f"--web.listen-address={self.address}",
        ]  # fmt: skip

    def exemplars(self) -> list[dict[str, Any]]:
        now = time.time()
        asked = {"query": "ml_prediction_latency_seconds_bucket", "start": now - 600, "end": now + 60}
        url = f"{self.url}/api/v1/query_exemplars?{urllib.parse.urlencode(asked)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]
            return found


def test_prometheus_finds_the_slow_request(tmp_path: Path) -> None:
    began = time.time()
    log = tmp_path / "logs/predictions.jsonl"
    write_lines(log, [record(0, ts=began - 2, latency_ms=3), record(1, ts=began - 1, latency_ms=7000)])
    write_monitor(tmp_path, with_exemplars())
    with daemon(tmp_path) as running:
        running.wait_for(total(2))
        page = running.get(Accept="application/openmetrics-text")[1]
        families = {family.name: family for family in openmetrics(page)}
        assert sum(1 for one in families["ml_prediction_latency_seconds"].samples if one.exemplar) == 2
        with Storing(tmp_path, running.url.removeprefix("http://")) as prometheus:
            deadline = time.monotonic() + 100
            while len(found := prometheus.exemplars()) < 2 and time.monotonic() < deadline:
                time.sleep(0.2)
            by_bound = {one["seriesLabels"]["le"]: one["exemplars"] for one in found}
            assert by_bound.keys() == {"0.005", "10.0"} or by_bound.keys() == {"0.005", "10"}, prometheus.log
            (slow,) = next(items for bound, items in by_bound.items() if bound.startswith("10"))
            assert slow["labels"] == {"request_id": "r1"}
            assert float(slow["value"]) == 7.0
            assert abs(slow["timestamp"] - (began - 1)) < 0.01
