"""docs/fleet.md: its objects, its Prometheus files and its flags are valid, and every gauge that it names is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from exporter.commands.aggregate import aggregate
from exporter.commands.run import run
from exporter.daemon.fleet_cycle import MOST_EXPORTERS, STATES
from exporter.state.sent import MOST_BYTES
from mlslo.catalogue import METRICS
from tests.support import tools
from tests.support.manifests import KUBERNETES, mistakes
from tests.support.paths import ROOT
from tests.support.sessions import blocks

PAGE = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
FILES = [block.text for block in blocks(PAGE) if block.language == "yaml"]
OBJECTS, SCRAPES, RULES = FILES


def test_objects_are_valid() -> None:
    objects = list(yaml.safe_load_all(OBJECTS))
    assert [item["kind"] for item in objects] == ["Service", "Deployment"]
    assert [mistake for item in objects for mistake in mistakes(item, KUBERNETES[-1])] == []


def test_flags_are_there() -> None:
    known = {flag for command in (aggregate, run) for option in command.params for flag in option.opts}
    assert set(re.findall(r"(?<![-\w])--[a-z.-]+[a-z]", PAGE)) - {"--web"} <= known


def test_metrics_and_states_are_there() -> None:
    named = set(re.findall(r"`(ml_[a-z_]+)[`{]", PAGE))
    assert named <= METRICS.keys()
    assert {name for name in METRICS if name.startswith("ml_fleet_")} <= set(re.findall(r"ml_\w+", PAGE))
    for state in STATES:
        assert state in PAGE or state in ("merged", "unreachable")
    assert f"At most {MOST_EXPORTERS} exporters" in PAGE
    assert f"{MOST_BYTES >> 20} MB when expanded" in PAGE


def test_prometheus_takes_the_files(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yaml").write_text(SCRAPES)
    (tmp_path / "rules.yaml").write_text(RULES)
    promtool = tools.tool("promtool")
    for words in (["config", "prometheus.yaml"], ["rules", "rules.yaml"]):
        done = subprocess.run(
            [promtool, "check", *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr


ALERTS = """
rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
  - name: one of three exporters is refused, and its counts grow old
    interval: 1m
    input_series:
      - {series: 'ml_fleet_exporters{model="m", state="merged"}', values: 2x60}
      - {series: 'ml_fleet_exporters{model="m", state="refused"}', values: 1x60}
      - {series: 'ml_fleet_exporter_last_summaries_timestamp_seconds{model="m", exporter="a"}', values: 0+60x60}
      - {series: 'ml_fleet_exporter_last_summaries_timestamp_seconds{model="m", exporter="b"}', values: 0x60}
    alert_rule_test:
      - {eval_time: 14m, alertname: FleetExportersMissing}
      - eval_time: 16m
        alertname: FleetExportersMissing
        exp_alerts:
          - exp_labels: {model: m, severity: warning}
            exp_annotations: {summary: 1 exporters of m are not in its gauges.}
      - {eval_time: 20m, alertname: FleetSummariesOld}
      - eval_time: 22m
        alertname: FleetSummariesOld
        exp_alerts:
          - exp_labels: {model: m, exporter: b, severity: warning}
            exp_annotations: {summary: What b has counted is old.}
  - name: one is replaced in a rollout
    interval: 1m
    input_series:
      - {series: 'ml_fleet_exporters{model="m", state="merged"}', values: 3x60}
      - {series: 'ml_fleet_exporters{model="m", state="departed"}', values: 1x60}
      - {series: 'ml_fleet_exporters{model="m", state="unreachable"}', values: 0x10 1x5 0x45}
    alert_rule_test:
      - {eval_time: 30m, alertname: FleetExportersMissing}
"""


def test_alerts_ring_when_they_should(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "test.yaml").write_text(ALERTS)
    words: list[str | Path] = [tools.tool("promtool"), "test", "rules", "test.yaml"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
