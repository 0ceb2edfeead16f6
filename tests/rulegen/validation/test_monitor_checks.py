"""What an SLO names must be measured by the monitor file beside it: else it would be silent for ever."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from exporter.features import KINDS
from mlslo.catalogue import METRICS, Layer
from mlslo.monitor.measurable import VIEWS
from rulegen.cli import main
from tests.support.paths import ROUTING

MONITOR = """\
apiVersion: mlslo/v1
kind: ModelMonitor
metadata: {name: some}
spec:
  task: TASK
  windows: [1h]
  predictions:
    sink: {file: {path: predictions.jsonl}}
    classes: [cat, dog, fish]
    cutoffs: [5, 10]
    fields: {timestamp: ts, id: id, prediction: answer, features: features FIELDS}
  labels:
    sink: {file: {path: labels.jsonl}}
    fields: {id: id, label: label}
  features:
    note: {type: text}
    amount: {type: numeric}
  segments: [features.country, [features.age_band, features.gender]]
  references:
    recent: {sliding: 30d, offset: 1d}
    last-year: {calendar: month}
    OTHERS
"""

SLO = """\
apiVersion: mlslo/v1
kind: ModelSLO
metadata: {name: some}
spec:
  model: some
  slos:
    - name: one
      layer: outcome
      sli: {gauge: {metric: METRIC}}
      alerts:
        - {name: Bad, tier: P3, when: {above: 0.5}, for: 2m}
  noData: {tier: P2, after: 30m}
"""


def said(tmp_path: Path, metric: str, task: str, fields: str = "", others: str = "") -> str:
    """What is said of an SLO on ``metric``; empty where nothing is wrong with it."""
    (tmp_path / "m.yaml").write_text(
        MONITOR.replace("TASK", task).replace("FIELDS", fields).replace("OTHERS", others)
    )
    (tmp_path / "s.yaml").write_text(SLO.replace("METRIC", metric))
    files = [str(tmp_path / "s.yaml"), str(tmp_path / "m.yaml"), str(ROUTING)]
    result = CliRunner().invoke(main, ["generate", *files, "--out", str(tmp_path / "out")])
    # A single model leaves much of the routing file unused; that is not looked at here.
    found = [line for line in result.stderr.splitlines() if line.startswith(f"{tmp_path / 's.yaml'}:")]
    assert (result.exit_code == 0) == (not found), result.output
    return "".join(f"{line}\n" for line in found).removeprefix(f"{tmp_path / 's.yaml'}:")


STATIC = "training: {static: training.json}"
FIRST = "launch: {first: 7d}"


SCORED = ", score: p"

# Task, metric and what else of the monitor file; the text that the message points at; the message.
MISTAKES = [
    ("regression", "ml_model_recall, window: 1h", "", "", "ml_model_recall",
     "'ml_model_recall' is of task binary, multiclass, multilabel, m.yaml has task regression"),
    ("multiclass", "ml_label_positive_ratio, window: 1h", SCORED, "", "ml_label_positive_ratio",
     "'ml_label_positive_ratio' is of task binary, m.yaml has task multiclass"),
    ("multiclass", "ml_fairness_selection_rate, window: 1h", "", "", "ml_fairness_selection_rate",
     "'ml_fairness_selection_rate' is of task binary, m.yaml has task multiclass"),
    ("binary", "ml_fairness_selection_rate, window: 1h", "", "", "ml_fairness_selection_rate",
     "'ml_fairness_selection_rate' needs fairness attributes, m.yaml has none"),
    ("binary", "ml_model_auc_roc, window: 1h", "", "", "ml_model_auc_roc",
     "'ml_model_auc_roc' needs a score, m.yaml reads none"),
    ("binary", 'ml_label_delay_seconds, window: 1h, labels: {quantile: "0.5"}', "", "", "ml_label_delay_seconds",
     "'ml_label_delay_seconds' needs the labels' timestamp, m.yaml reads none"),
    ("binary", "ml_prediction_fallback_ratio, window: 1h", "", "", "ml_prediction_fallback_ratio",
     "'ml_prediction_fallback_ratio' needs fallback, m.yaml reads none"),
    ("binary", "ml_feature_attribution_mean, window: 1h", "", "", "ml_feature_attribution_mean",
     "'ml_feature_attribution_mean' needs attributions, m.yaml reads none"),
    ("binary", "ml_model_f1, window: 1h, labels: {average: macro}", "", "", "macro",
     "m.yaml has task binary: its 'ml_model_f1' has no average"),
    ("multiclass", "ml_model_f1, window: 1h, labels: {average: macor}", "", "", "macor",
     "m.yaml has no average 'macor', expected one of macro, weighted; did you mean 'macro'?"),
    ("multiclass", "ml_prediction_class_ratio, window: 1h, labels: {class: dgo}", "", "", "dgo",
     "m.yaml has no class 'dgo', expected one of cat, dog, fish; did you mean 'dog'?"),
    ("multilabel", "ml_model_f1, window: 1h, labels: {average: sample}", "", "", "sample",
     "m.yaml has no average 'sample', expected one of micro, macro, weighted, samples; did you mean 'samples'?"),
    ("multilabel", "ml_model_auc_roc, window: 1h, labels: {average: samples}", SCORED, "", "samples",
     "m.yaml has task multilabel: its 'ml_model_auc_roc' has no average 'samples', "
     "expected one of micro, macro, weighted"),
    ("multilabel", "ml_model_auc_roc, window: 1h", "", "", "ml_model_auc_roc",
     "'ml_model_auc_roc' needs a score, m.yaml reads none"),
    ("multilabel", "ml_model_f1, window: 1h, labels: {class: cta}", "", "", "cta",
     "m.yaml has no class 'cta', expected one of cat, dog, fish; did you mean 'cat'?"),
    ("multilabel", "ml_model_f1, window: 1h, labels: {class: cat, average: macro}", "", "", "macro",
     "m.yaml has task multilabel: its 'ml_model_f1' has no average of a single class; name one of them"),
    ("multilabel", "ml_model_f1, window: 1h, labels: {class: cat, segment: features.country}", "", "",
     "features.country", "m.yaml has task multilabel: its 'ml_model_f1' has no series of single classes in segments, "
     "only of all traffic"),
    ("multiclass", "ml_model_f1, window: 1h, labels: {class: cat}", "", "", "cat",
     "m.yaml has task multiclass: its 'ml_model_f1' has no series of single classes"),
    ("multiclass", "ml_model_hamming_loss, window: 1h", "", "", "ml_model_hamming_loss",
     "'ml_model_hamming_loss' is of task multilabel, m.yaml has task multiclass"),
    ("ranking", 'ml_model_ndcg, window: 1h, labels: {k: "20"}', "", "", '"20"',
     "m.yaml has no cutoff '20', expected one of 5, 10"),
    ("binary", "ml_feature_psi, window: 1h, reference: recent", "", "", "recent",
     "'recent' takes its bins from a static reference, there is none"),
    ("binary", "ml_prediction_out_of_distribution_ratio, window: 1h, reference: last-year", "", STATIC, "last-year",
     "'ml_prediction_out_of_distribution_ratio' needs a static reference, 'last-year' is the model's own past"),
    ("binary", "ml_feature_mean, window: 1h, labels: {feature: note.lenght}", "", "", "note.lenght",
     "m.yaml has no feature 'note.lenght', expected one of note, amount, note.length, note.characters; "
     "did you mean 'note.length'?"),
]  # fmt: skip


@pytest.mark.parametrize(("task", "metric", "fields", "others", "at", "message"), MISTAKES)
def test_what_can_never_be_measured_is_named_with_its_place(
    tmp_path: Path, task: str, metric: str, fields: str, others: str, at: str, message: str
) -> None:
    found = said(tmp_path, metric, task, fields, others)
    line = (tmp_path / "s.yaml").read_text().splitlines()[8]
    assert found == f"9:{line.index(at) + 1}: {message}\n"


@pytest.mark.parametrize(
    ("task", "metric", "fields", "others"),
    [
        ("regression", "ml_model_mae, window: 1h", "", ""),
        ("ranking", 'ml_model_ndcg, window: 1h, labels: {k: "5"}', "", ""),
        ("multiclass", "ml_model_auc_roc, window: 1h, labels: {average: weighted}", SCORED, ""),
        ("multiclass", "ml_model_confusion_ratio, window: 1h, labels: {actual: cat, predicted: dog}", "", ""),
        ("multilabel", "ml_model_f1, window: 1h", "", ""),
        ("multilabel", "ml_model_f1, window: 1h, labels: {average: samples}", "", ""),
        ("multilabel", "ml_model_recall, window: 1h, labels: {class: dog}", "", ""),
        ("multilabel", "ml_model_auc_pr, window: 1h, labels: {average: micro}", SCORED, ""),
        ("multilabel", "ml_model_hamming_loss, window: 1h", "", ""),
        ("multilabel", "ml_prediction_cardinality, window: 1h", "", ""),
        ("multilabel", "ml_label_cardinality, window: 1h", "", ""),
        ("binary", "ml_model_estimated_auc_roc, window: 1h", SCORED, STATIC),
        ("binary", "ml_feature_psi, window: 1h, reference: last-year", "", STATIC),
        ("binary", "ml_feature_psi, window: 1h, reference: launch", "", FIRST),
        ("binary", "ml_feature_mean, window: 1h, labels: {feature: note.length}", "", ""),
        ("binary", "ml_prediction_fallback_ratio, window: 1h", ", fallback: default_used", ""),
        (
            "binary",
            'ml_model_recall, window: 1h, labels: {segment: "features.age_band,features.gender"}',
            "",
            "",
        ),
    ],
)
def test_what_can_be_measured_is_accepted(
    tmp_path: Path, task: str, metric: str, fields: str, others: str
) -> None:
    assert said(tmp_path, metric, task, fields, others) == ""


def test_a_joined_log_tells_errors_without_a_status(tmp_path: Path) -> None:
    """Requests that have no response are errors."""
    whole, metric = MONITOR, "ml_prediction_error_ratio, window: 1h"
    joined = whole.replace(
        "timestamp: ts, id: id, prediction: answer, features: features",
        "timestamp: request.ts, id: request.id, prediction: response.answer, features: request.features",
    ).replace("    classes:", "    join: {id: id, request: {kind: in}, response: {kind: out}}\n    classes:")
    assert joined.count("request.") == 3
    for content, expected in ((whole, "needs status, m.yaml reads none"), (joined, "")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"{__name__}.MONITOR", content)
            assert (
                said(tmp_path, metric, "binary").strip().rpartition("'ml_prediction_error_ratio' ")[2]
                == expected
            )


def test_every_metric_of_a_model_has_its_tasks() -> None:
    for metric in METRICS.values():
        if metric.layer is Layer.OUTCOME and metric.name.startswith(("ml_model_", "ml_calibration_")):
            assert metric.tasks, metric.name


def test_views_are_those_of_the_exporter() -> None:
    found = {
        name: {view.removeprefix("f.") for view in kind.views("f").values()} - {"f"}
        for name, kind in KINDS.items()
    }
    assert {name: set(views) for name, views in VIEWS.items()} == {name: v for name, v in found.items() if v}
