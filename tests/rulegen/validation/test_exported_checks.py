"""An SLO on what the monitor file beside it leaves out is refused: it would be silent for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rulegen.cli import main
from tests.support.paths import ROUTING

MONITOR = """\
apiVersion: mlslo/v1
kind: ModelMonitor
metadata: {name: some}
spec:
  task: binary
  windows: [1h]
  METRICS
  predictions:
    sink: {file: {path: predictions.jsonl}}
    fields:
      {timestamp: ts, id: id, status: status, latency: {field: ms, unit: ms}, score: p, features: features}
  labels:
    sink: {file: {path: labels.jsonl}}
    fields: {id: id, label: label, timestamp: ts}
  segments: [features.country]
  references:
    training: {static: training.json}
"""

SLO = """\
apiVersion: mlslo/v1
kind: ModelSLO
metadata: {name: some}
spec:
  model: some
  slos:
    - name: one
      layer: data
      ONE
  noData: {tier: P2, after: 30m}
  companions: {COMPANIONS}
"""
ALERTS = "\n      alerts: [{name: Bad, tier: P3, when: {WHEN}, for: 2m}]"


def said(
    folder: Path,
    sli: str,
    metrics: str,
    *,
    when: str = "above: 0.5",
    companions: str = "sinkDown: {tier: P3, after: 10m}",
    beside: bool = True,
    task: str = "binary",
) -> tuple[int, str]:
    """Exit code, and what is said of the ModelSLO file, without its path."""
    slo = f"sli: {sli}" if "objective" in sli else f"sli: {sli}{ALERTS.replace('WHEN', when)}"
    (folder / "s.yaml").write_text(SLO.replace("ONE", slo).replace("COMPANIONS", companions))
    (folder / "m.yaml").write_text(
        MONITOR.replace("METRICS", f"metrics: {metrics}")
        .replace("task: binary", f"task: {task}")
        .replace(
            "  predictions:",
            "  predictions:\n    classes: [news, sport]" if task == "multilabel" else "  predictions:",
        )
    )
    files = [str(folder / "s.yaml"), *([str(folder / "m.yaml")] if beside else []), str(ROUTING)]
    result = CliRunner().invoke(main, ["generate", *files, "--out", str(folder / "out")])
    own = f"{folder / 's.yaml'}:"
    found = [
        line.removeprefix(own)
        for line in result.stderr.splitlines()
        if line.startswith(own) and ": warning: " not in line
    ]
    return result.exit_code, "\n".join(found)


KS = "{gauge: {metric: ml_feature_ks_statistic, window: 1h, reference: training}}"
PSI = "{gauge: {metric: ml_feature_psi, window: 1h, reference: training}}"
MISSING = "{gauge: {metric: ml_feature_missing_ratio, window: 1h}}"
SEGMENT = "labels: {segment: features.country}}}"
RECALL = f"{{gauge: {{metric: ml_model_recall, window: 1h, {SEGMENT}"
PSI_OF_SEGMENTS = f"{{gauge: {{metric: ml_feature_psi, window: 1h, reference: training, {SEGMENT}"
ERRORS = "{errors: {}}\n      objective: 99\n      timeWindow: 30d"
LATENCY = "{latency: {below: 250ms}}\n      objective: 99\n      timeWindow: 30d"
QUERY = "{promql: {query: 'max by (model) (ml_feature_psi)'}}"


@pytest.mark.parametrize(
    ("sli", "metrics", "at", "message"),
    [
        (KS, "{}", "ml_feature_ks",
         "m.yaml exports 'ml_feature_ks_statistic' by default only where the model has few series: "
         "add it to spec.metrics.include"),
        (PSI, "{exclude: [data]}", "ml_feature_psi",
         "m.yaml leaves 'ml_feature_psi' out: take it from spec.metrics.exclude, or include it there by name"),
        (PSI, "{exclude: [ml_feature_*]}", "ml_feature_psi", "m.yaml leaves 'ml_feature_psi' out"),
        (PSI_OF_SEGMENTS, "{}", "ml_feature_psi",
         "m.yaml does not export 'ml_feature_psi' of segments: add it to spec.metrics.segments.include"),
        (PSI_OF_SEGMENTS, "{include: [ml_feature_psi]}", "ml_feature_psi",
         "m.yaml does not export 'ml_feature_psi' of segments"),
        (RECALL, "{segments: [data]}", "ml_model_recall",
         "m.yaml does not export 'ml_model_recall' of segments: add it to spec.metrics.segments"),
        (RECALL, "{segments: {exclude: [outcome]}}", "ml_model_recall",
         "m.yaml leaves 'ml_model_recall' of segments out: take it from spec.metrics.segments.exclude"),
        (ERRORS, "{exclude: [service]}", "{}", "m.yaml leaves 'ml_predictions_total' out"),
        (LATENCY, "{exclude: [ml_prediction_latency_seconds]}", "{below",
         "m.yaml leaves 'ml_prediction_latency_seconds' out"),
        (QUERY, "{exclude: [ml_feature_psi]}", "'max by", "m.yaml leaves 'ml_feature_psi' out"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_named_with_its_place(
    tmp_path: Path, sli: str, metrics: str, at: str, message: str
) -> None:
    code, found = said(tmp_path, sli, metrics)
    line = (tmp_path / "s.yaml").read_text().splitlines()[8]
    assert code == 2
    assert found.startswith(f"9:{line.index(at) + 1}: {message}"), found
    assert said(tmp_path, sli, metrics, beside=False)[0] == 0


@pytest.mark.parametrize(
    ("sli", "metrics"),
    [
        (PSI, "{}"),
        (KS, "{include: [ml_feature_ks_statistic]}"),
        (KS, "{include: [ml_feature_*]}"),
        (PSI, "{exclude: [data], include: [ml_feature_psi]}"),
        (RECALL, "{}"),
        (RECALL, "{segments: [outcome]}"),
        (PSI_OF_SEGMENTS, "{segments: {include: [ml_feature_psi]}}"),
        (ERRORS, "{exclude: [data]}"),
    ],
)
def test_what_is_exported_is_accepted(tmp_path: Path, sli: str, metrics: str) -> None:
    assert said(tmp_path, sli, metrics) == (0, "")


def test_a_reference_that_is_left_out_cannot_be_compared_with(tmp_path: Path) -> None:
    when = "aboveReference: {byFactor: 3}"
    left_out = "{exclude: [ml_feature_missing_ratio_reference]}"
    code, found = said(tmp_path, MISSING, left_out, when=when)
    assert (code, "m.yaml leaves 'ml_feature_missing_ratio_reference' out" in found) == (2, True)
    assert said(tmp_path, MISSING, left_out) == (0, "")


BEYOND = "below: 0.5, beyondNoise: true"
RECALL_OF_ALL = "{gauge: {metric: ml_model_recall, window: 1h}}"


@pytest.mark.parametrize(
    ("sli", "metrics", "message"),
    [
        (RECALL_OF_ALL, "{exclude: [ml_model_recall_standard_error]}",
         "m.yaml leaves 'ml_model_recall_standard_error' out: take it from spec.metrics.exclude"),
        (RECALL_OF_ALL, "{exclude: [ml_model_*], include: [ml_model_recall]}",
         "m.yaml leaves 'ml_model_recall_standard_error' out"),
        (RECALL, "{segments: [ml_model_recall]}",
         "m.yaml does not export 'ml_model_recall_standard_error' of segments: add it to spec.metrics.segments"),
    ],
)  # fmt: skip
def test_a_condition_needs_the_error_that_it_looks_at(
    tmp_path: Path, sli: str, metrics: str, message: str
) -> None:
    code, found = said(tmp_path, sli, metrics, when=BEYOND)
    column = ALERTS.removeprefix("\n").replace("WHEN", BEYOND).index("true") + 1
    assert code == 2
    assert found.startswith(f"10:{column}: {message}"), found
    assert said(tmp_path, sli, metrics) == (0, "")
    assert said(tmp_path, sli, "{}", when=BEYOND) == (0, "")


def test_a_task_without_the_error_is_named(tmp_path: Path) -> None:
    sli = "{gauge: {metric: ml_model_recall, window: 1h, labels: {average: macro}}}"
    code, found = said(tmp_path, sli, "{}", when=BEYOND, task="multilabel")
    message = "'ml_model_recall_standard_error' is of task binary, multiclass, m.yaml has task multilabel"
    assert (code, found.endswith(message)) == (2, True), found
    assert said(tmp_path, sli, "{}", task="multilabel")[0] == 0
    class_of_it = "{gauge: {metric: ml_model_recall, window: 1h, labels: {class: news}}}"
    code, found = said(tmp_path, class_of_it, "{}", when=BEYOND, beside=False)
    assert (code, "has a standard error of averages, none of a single class" in found) == (2, True), found


@pytest.mark.parametrize(
    ("companions", "metric"),
    [
        ("labelsStale: {tier: P3, after: 1h}", "ml_label_watermark_timestamp_seconds"),
        ("unmonitored: {tier: P3, atLeastRatio: 0.2}", "ml_feature_missing_ratio"),
    ],
)
def test_a_companion_reads_nothing_that_is_left_out(tmp_path: Path, companions: str, metric: str) -> None:
    assert said(tmp_path, PSI, "{}", companions=companions) == (0, "")
    code, found = said(tmp_path, PSI, f"{{exclude: [{metric}]}}", companions=companions)
    assert code == 2
    assert found.startswith(f"12:16: m.yaml leaves '{metric}' out"), found
