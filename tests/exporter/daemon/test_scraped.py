"""The exporter's page, as Prometheus negotiates it: plain text or OpenMetrics, the same series."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as plain_text

from exporter.measure.exposition import negotiated
from tests.exporter.daemon.test_daemon import daemon, record, total
from tests.support.commands import exporter
from tests.support.logs import monitor, write_lines, write_monitor
from tests.support.paths import ROOT
from tests.support.prometheus import instant
from tests.support.servers import Server
from tests.support.tools import chosen, tool

pytestmark = pytest.mark.slow

openmetrics: Callable[[str], Iterable[Metric]] = parser.text_string_to_metric_families
# What Prometheus 3.5 sends by itself, and what 2.42 does.
OF_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
OF_PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"
)
PROTOCOLS = (
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
    "PrometheusProto",
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Of the recorded log, with labels, a reference and a histogram."""
    copy = tmp_path_factory.mktemp("recorded") / "diabetes"
    shutil.copytree(ROOT / "examples" / "diabetes", copy)
    reference = copy / "references" / "validation.json"
    exporter("baseline", copy / "monitor.yaml", "--data", copy / "reference-data.jsonl", "--out", reference)
    return exporter("once", copy / "monitor.yaml", "--at", "2025-01-06T08:00:00Z").stdout.encode()


def samples(families: Iterable[Metric]) -> set[tuple[str, frozenset[tuple[str, str]], str]]:
    return {
        (sample.name, frozenset(sample.labels.items()), repr(sample.value))
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", [OF_PROMETHEUS_2, OF_PROMETHEUS_3, "application/openmetrics-text"])
def test_openmetrics_has_the_same_series(page: bytes, accept: str) -> None:
    body, content_type = negotiated(page, accept)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert body.endswith(b"\n# EOF\n")
    assert samples(openmetrics(body.decode())) == samples(plain_text(page.decode()))


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/html", "text/plain;version=0.0.4", "application/openmetrics-text;version=0.0.1"],
)
def test_everybody_else_gets_plain_text(page: bytes, accept: str) -> None:
    assert negotiated(page, accept) == (page, "text/plain; version=0.0.4; charset=utf-8")


class Scraping(Server):
    """A Prometheus that scrapes one target with the settings of several jobs."""

    def __init__(self, folder: Path, jobs: dict[str, dict[str, Any]], target: str) -> None:
        super().__init__(folder / "prometheus.log")
        given = {
            "scrape_interval": "500ms",
            "scrape_timeout": "500ms",
            "static_configs": [{"targets": [target]}],
        }
        configuration = {"scrape_configs": [{"job_name": name, **given, **job} for name, job in jobs.items()]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self._command = [
            str(tool("prometheus")), f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data", f"--web.listen-address={self.address}",
        ]  # fmt: skip

    def by_job(self, expression: str) -> dict[str, float]:
        return {one["metric"]["job"]: float(one["value"][1]) for one in instant(self.url, expression)}


@pytest.mark.xdist_group("programs that wait")
def test_prometheus_scrapes_it_by_every_protocol(tmp_path: Path) -> None:
    """Without `fallback_scrape_protocol`; before 2.49 the protocol cannot be chosen."""
    jobs: dict[str, dict[str, Any]] = {"by-itself": {}}
    if chosen() in ("2.53", "3.5"):
        known = [name for name in PROTOCOLS if name != "PrometheusText1.0.0" or chosen() == "3.5"]
        jobs |= {
            name: {"scrape_protocols": list(dict.fromkeys([name, "PrometheusText0.0.4"]))} for name in known
        }
    if chosen() == "3.5":
        jobs["utf-8"] = {
            "metric_name_validation_scheme": "utf8",
            "metric_name_escaping_scheme": "allow-utf-8",
        }
        jobs["legacy"] = {
            "metric_name_validation_scheme": "legacy",
            "metric_name_escaping_scheme": "underscores",
        }
    write_lines(tmp_path / "logs/predictions.jsonl", (record(number) for number in range(50)))
    write_monitor(tmp_path)
    with daemon(tmp_path) as running:
        running.wait_for(total(50))
        with Scraping(tmp_path, jobs, running.url.removeprefix("http://")) as prometheus:
            deadline = time.monotonic() + 20
            found: dict[str, float] = {}
            while time.monotonic() < deadline and found != dict.fromkeys(jobs, 50.0):
                time.sleep(0.2)
                found = prometheus.by_job('sum by (job) ({__name__="ml_predictions_total"})')
            assert found == dict.fromkeys(jobs, 50.0), prometheus.log
            counts = prometheus.by_job('count by (job) ({__name__=~"ml_.+"})')
            assert len(set(counts.values())) == 1
            assert set(prometheus.by_job("up").values()) == {1.0}
        assert "error" not in prometheus.log.lower().replace("errors=0", ""), prometheus.log


@pytest.mark.slow
@pytest.mark.one_version
@pytest.mark.xdist_group("programs that wait")
def test_prometheus_scrapes_a_wide_model_with_a_limit_of_samples(tmp_path: Path) -> None:
    """50 features, 20 segment values, 3 windows and 2 references, with labels and groups, under the usual limit."""
    names = [f"n{number}" for number in range(49)]

    def row(number: int) -> dict[str, Any]:
        values = {name: float((number * (place + 7)) % 97) for place, name in enumerate(names)}
        return {"score": number % 100 / 100, "features": {**values, "region": f"region {number % 20}"}}

    data = write_lines(tmp_path / "data.jsonl", [record(number, **row(number)) for number in range(400)])
    past = [record(number, ts=time.time() - 5400, **row(number)) for number in range(400)]
    recent = [record(400 + number, **row(number)) for number in range(2000)]
    write_lines(tmp_path / "logs/predictions.jsonl", [*past, *recent])
    labels = [{"id": item["id"], "label": number % 2, "ts": item["ts"]} for number, item in enumerate(recent)]
    write_lines(tmp_path / "logs/labels.jsonl", labels)
    content = monitor(
        windows=["20m", "1h", "1d"],
        segments=["features.region"],
        fairness={"attributes": ["features.region"]},
        references={"training": {"static": "r.json"}, "past": {"sliding": "1h", "offset": "1h"}},
    )
    path = write_monitor(tmp_path, content)
    exporter("baseline", path, "--data", data, "--out", tmp_path / "r.json")
    with daemon(tmp_path) as running:
        running.wait_for(total(2400))
        jobs: dict[str, dict[str, Any]] = {
            "limited": {"sample_limit": 10_000, "scrape_interval": "2s", "scrape_timeout": "2s"}
        }
        with Scraping(tmp_path, jobs, running.url.removeprefix("http://")) as prometheus:
            deadline = time.monotonic() + 30
            found: dict[str, float] = {}
            while time.monotonic() < deadline and not found:
                time.sleep(0.2)
                found = prometheus.by_job('count by (job) ({__name__=~"ml_.+"})')
            assert prometheus.by_job("up") == {"limited": 1.0}, prometheus.log
            assert 2000 < found["limited"] <= 5000
            assert prometheus.by_job("count by (job) (ml_feature_psi)") == {"limited": 50 * 3 * 2}
