"""Every query of the dashboards, asked of a real Prometheus that scraped the example."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import threading
import time
from collections.abc import Iterator

import pytest
import yaml

from mlslo.catalogue import METRICS
from rulegen.dashboards.sections import metrics_of
from tests.rulegen.dashboards.test_dashboards import panels_of, with_variables
from tests.support.commands import exporter
from tests.support.paths import ROOT
from tests.support.prometheus import Prometheus

EXAMPLE = ROOT / "examples" / "diabetes"
# What the example has not -> why.
MISSING = {
    "regression": "the example is a classifier",
    "ranking": "the example is a classifier",
    "multilabel": "the example has two classes",
    "ml_feature_text_length_mean": "no feature is a text",
    "ml_feature_vocabulary_overlap_ratio": "no feature is a text",
    "ml_feature_embedding_cosine_distance": "no feature is an embedding",
    "ml_feature_attribution_mean": "no attributions are logged",
    "ml_feature_attribution_ndcg": "no attributions are logged",
    "ml_alert_episodes_total": "of `act`; the page is of `once`",
    "ml_alert_actions_total": "of `act`; the page is of `once`",
    "ml_action_callbacks_total": "of `act`; the page is of `once`",
    "ml_action_alertmanager_failures_total": "of `act`; the page is of `once`",
    "ml_actions_total": "of `act`; the page is of `once`",
    "ml_action_requests_total": "of `act`; the page is of `once`",
    "ml_comparison_difference": "one version predicts alone at that time",
    "ml_comparison_difference_lower_bound": "one version predicts alone at that time",
    "ml_comparison_difference_upper_bound": "one version predicts alone at that time",
    "ml_exporter_config_last_reload_successful": "of the daemon; the page is of `once`",
    "ml_exporter_config_last_reload_success_timestamp_seconds": "of the daemon; the page is of `once`",
    "ml_fleet_exporters": "of an aggregator; the page is of one exporter",
    "ml_fleet_exporter_last_summaries_timestamp_seconds": "of an aggregator; the page is of one exporter",
    "ml_monitor_cycle_running_seconds": "of the daemon; the page is of `once`",
    "ml_prediction_fallback_ratio": "no fallback is logged",
    "ml_push_events_total": "the logs are files",
    "ml_push_refused_requests_total": "the logs are files",
    "ml_push_waiting_bytes": "the logs are files",
    "ml_sink_lag_records": "the logs are files",
    "ml_feature_skew_ratio": "no offline features are read",
    "ml_feature_skew_missing_ratio": "no offline features are read",
    "ml_skew_joined_rows": "no offline features are read",
    "ml_skew_pending": "no offline features are read",
    "ml_skew_sampling_ratio": "no offline features are read",
    "ml_skew_unmatched_total": "no offline features are read",
    "ml_feature_age_seconds": "no timestamps of features are read",
    "ml_feature_age_negative_ratio": "no timestamps of features are read",
    "ml_state_set_aside_total": "the page is of `once`, which keeps no state",
    "ml_state_size_bytes": "the page is of `once`, which keeps no state",
    "ml_state_writable": "the page is of `once`, which keeps no state",
}
# Of other exporters; of 30 days ago.
FOREIGN = re.compile(r"DCGM_|container_|nv_inference|vllm:|QueueTime|_offset\d")


def missing(metric: str) -> bool:
    tasks = METRICS[metric].tasks
    return metric in MISSING or bool(tasks and "binary" not in tasks and set(tasks) & set(MISSING))


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files as Prometheus 3 wants pages, and says nothing of it."""

    def guess_type(self, path: object) -> str:  # noqa: ARG002
        return "text/plain; version=0.0.4"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrapes a page of the example's, once things have gone wrong; its rules wait for nothing."""
    folder = tmp_path_factory.mktemp("dashboards")
    copy = folder / "diabetes"
    shutil.copytree(EXAMPLE, copy)
    monitor = yaml.safe_load((copy / "monitor.yaml").read_text())
    monitor["spec"]["metrics"] = {"include": ["ml_*"], "segments": ["ml_*"]}
    (copy / "monitor.yaml").write_text(yaml.safe_dump(monitor))
    reference = copy / "references" / "validation.json"
    exporter("baseline", copy / "monitor.yaml", "--data", copy / "reference-data.jsonl", "--out", reference)
    site = folder / "site"
    site.mkdir()
    pages = [
        exporter("once", copy / "monitor.yaml", "--at", f"2025-01-06T08:{minute}:00Z").stdout
        for minute in (30, 40)
    ]
    (site / "metrics").write_text(pages[0])
    rules = folder / "rules.yaml"
    text = (ROOT / "rules" / "diabetes.yaml").read_text()
    rules.write_text(re.sub(r"(interval|for): \w+", r"\1: 1s", text))
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = f"127.0.0.1:{server.server_address[1]}"
        with Prometheus(folder / "prometheus", [rules], [target], []) as started:
            until = time.monotonic() + 60
            while time.monotonic() < until and len(started.query("count_over_time(ml_sink_up[1m]) >= 3")) < 2:
                time.sleep(0.2)
            # Counters rise.
            (site / "new").write_text(pages[1])
            (site / "new").rename(site / "metrics")
            needed = 'ALERTS{alertstate="firing",model!=""}', "model_slo:ml_slo_error_budget_remaining:ratio"
            while time.monotonic() < until and not all(started.query(query) for query in needed):
                time.sleep(0.2)
            yield started
        server.shutdown()


@pytest.mark.parametrize("name", ["diabetes", "mlslo_fleet"])
def test_every_query_has_data_or_needs_what_the_example_has_not(name: str, prometheus: Prometheus) -> None:
    dashboard = json.loads((ROOT / "dashboards" / f"{name}.json").read_text(encoding="utf-8"))
    empty = {}
    for panel in panels_of(dashboard):
        for target in panel["targets"]:
            queries = [
                with_variables(target["expr"], __rate_interval="1m", window=window, feature=feature)
                for window in ("30m", "2h")
                for feature in ("glucose", "bmi_class")
            ]
            if not any(map(prometheus.query, queries)) and not FOREIGN.search(queries[0]):
                names = metrics_of(queries[0])
                if not names or not all(map(missing, names)):
                    empty[f"{panel['title']}: {target['legendFormat']}"] = queries[0]
    assert empty == {}


def test_what_is_said_to_be_missing_is_missing(prometheus: Prometheus) -> None:
    for metric in METRICS:
        if missing(metric):
            assert prometheus.query(f"count({metric})") == [], metric


def test_variables_find_their_values(prometheus: Prometheus) -> None:
    dashboard = json.loads((ROOT / "dashboards" / "diabetes.json").read_text(encoding="utf-8"))
    for variable in dashboard["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", ""))
        if found:
            values = {series["metric"].get(found[2], "") for series in prometheus.query(found[1])} - {""}
            assert values, variable["name"]
            assert variable.get("current", {}).get("value") in (None, ["$__all"], *values)
