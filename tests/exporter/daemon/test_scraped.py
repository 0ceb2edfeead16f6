"""The exporter's page, as Prometheus negotiates it: plain text or OpenMetrics, the same series."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as plain_text

from exporter.daemon.models import load_all
from exporter.measure.exposition import (
    OPENMETRICS,
    TEXT,
    Exemplar,
    Histogram,
    Page,
    Series,
    Snapshot,
    prefers_openmetrics,
    render,
)
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
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Of the recorded log, with labels, a reference and a histogram."""
    copy = tmp_path_factory.mktemp("recorded") / "diabetes"
    shutil.copytree(ROOT / "examples" / "diabetes", copy)
    reference = copy / "references" / "validation.json"
    exporter("baseline", copy / "monitor.yaml", "--data", copy / "reference-data.jsonl", "--out", reference)
    (model,) = load_all([copy / "monitor.yaml"])
    with closing(model.open(None)) as cycle:
        found = cycle.run(at=datetime(2025, 1, 6, 8, tzinfo=UTC).timestamp(), final=True)
    assert found is not None
    return found


def samples(families: Iterable[Metric]) -> set[tuple[str, frozenset[tuple[str, str]], str]]:
    return {
        (sample.name, frozenset(sample.labels.items()), repr(sample.value))
        for family in families
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", [OF_PROMETHEUS_2, OF_PROMETHEUS_3, "application/openmetrics-text"])
def test_openmetrics_has_the_same_series(snapshot: Snapshot, accept: str) -> None:
    page = Page([snapshot], {})
    body, content_type = page.answer(accept)
    assert content_type == OPENMETRICS
    assert body.endswith(b"\n# EOF\n")
    text = render([snapshot], {}).decode()
    assert samples(openmetrics(body.decode())) == samples(plain_text(text))
    assert b"\n# UNIT ml_prediction_latency_seconds seconds\n" in body


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "text/plain;version=0.0.4"])
def test_everybody_else_gets_plain_text(snapshot: Snapshot, accept: str) -> None:
    assert Page([snapshot], {}).answer(accept) == (render([snapshot], {}), TEXT)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text; version=1.0.0; q=0.5, text/plain;q=0.4", True),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.2", False),
        ("text/plain, application/openmetrics-text", True),
        ("application/openmetrics-text;version=0.0.1, text/plain;q=0.1", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ('APPLICATION/OpenMetrics-Text; Version="1.0.0"', True),
        ("application/openmetrics-text;q=much", False),
        ("application/openmetrics-text-next", False),
    ],
)
def test_the_weights_of_an_accept_header_count(accept: str, expected: bool) -> None:
    assert prefers_openmetrics(accept) == expected


def test_exemplars_are_part_of_openmetrics_only() -> None:
    exemplars = {
        "0.25": Exemplar("é 1", 0.125, 1_700_000_000.5),
        "+Inf": Exemplar("r2", 9.5, 1_700_000_001.0),
    }
    histogram = Histogram([("0.25", 3.0), ("1.0", 3.0), ("+Inf", 4.0)], 9.9, exemplars)
    page = Page([Snapshot("m", {}, {"v1": histogram, "v2": histogram._replace(exemplars={})})], {})
    (family,) = openmetrics(page.answer("application/openmetrics-text")[0].decode())
    found = {
        (sample.labels["version"], sample.labels["le"]): sample.exemplar
        for sample in family.samples
        if sample.exemplar
    }
    assert found.keys() == {("v1", "0.25"), ("v1", "+Inf")}
    assert found["v1", "0.25"].labels == {"request_id": "é 1"}
    assert found["v1", "+Inf"].value == 9.5
    assert float(str(found["v1", "+Inf"].timestamp)) == 1_700_000_001.0
    assert b"r2" not in page.answer("text/plain")[0]


def test_an_odd_id_is_escaped() -> None:
    """As the reference says; the parser of prometheus_client does not read quotes in exemplars."""
    histogram = Histogram([("+Inf", 4.0)], 9.9, {"+Inf": Exemplar('r"1\n\r\\', 9.5, 1_700_000_001.0)})
    body, _ = Page([Snapshot("m", {}, {"v1": histogram})], {}).answer("application/openmetrics-text")
    assert b' 4.0 # {request_id="r\\"1\\n\r\\\\"} 9.5 1700000001.0\n' in body


def decompressed(body: bytes) -> bytes:
    """Take out the first member, as curl does, which must be all."""
    stream = zlib.decompressobj(31)
    content = stream.decompress(body)
    assert stream.eof
    assert stream.unused_data == b""
    return content


def test_a_page_is_compressed_before_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot
) -> None:
    """By the second snapshot: then nobody waits for it."""
    first = Page([snapshot], {})
    body, _ = first.answer(OF_PROMETHEUS_3, compressed=True)
    second = Page([snapshot], {}, like=first)
    begun: list[int] = []
    begin = zlib.compressobj

    def counting(level: int, *, wbits: int) -> Any:
        begun.append(level)
        return begin(level, wbits=wbits)

    monkeypatch.setattr("exporter.measure.exposition.zlib.compressobj", counting)
    assert second.answer(OF_PROMETHEUS_3, compressed=True)[0] == body
    assert begun == []
    assert decompressed(body) == second.answer(OF_PROMETHEUS_3)[0]
    second.answer("", compressed=True)
    assert begun == [1]


@pytest.mark.parametrize("compressed", [False, True])
def test_what_is_as_old_as_the_scrape_is_appended(snapshot: Snapshot, compressed: bool) -> None:
    live: Series = {"ml_exporter_config_last_reload_successful": {(): 1.0}}
    page = Page([snapshot], {})
    for accept in ("", OF_PROMETHEUS_2):
        body, _ = page.answer(accept, compressed=compressed, live=live)
        text = (decompressed(body) if compressed else body).decode()
        assert "\nml_exporter_config_last_reload_successful 1.0\n" in text
        assert len(samples(openmetrics(text) if accept else plain_text(text))) > 100
        # The next scrape appends to the same.
        assert page.answer(accept, compressed=compressed, live=live)[0] == body


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
            deadline = time.monotonic() + 100
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
            deadline = time.monotonic() + 100
            found: dict[str, float] = {}
            while time.monotonic() < deadline and not found:
                time.sleep(0.2)
                found = prometheus.by_job('count by (job) ({__name__=~"ml_.+"})')
            assert prometheus.by_job("up") == {"limited": 1.0}, prometheus.log
            assert 2000 < found["limited"] <= 5000
            assert prometheus.by_job("count by (job) (ml_feature_psi)") == {"limited": 50 * 3 * 2}
