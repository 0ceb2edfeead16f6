"""Requirements of a metric on the ModelMonitor file that measures it."""

from mlslo.catalogue import Better, Layer, Metric
from mlslo.monitor.spec import Reference, Spec
from mlslo.yamlfile import quoted_list

_CLASSIFIERS = ("binary", "multiclass", "multilabel")
_NEED_SCORES = (
    "_auc_roc", "_auc_pr", "_log_loss", "_brier_score", "_mean", "_stddev", "_ks_statistic", "_wasserstein_distance",
)  # fmt: skip
SEQUENCE = "ml_comparison_sequence_"
SEQUENTIAL = {"accuracy": Better.HIGHER, "mae": Better.LOWER, "error_ratio": Better.LOWER}
"""Statistics of ``ml_comparison_sequence_*``, and the direction in which the candidate is better."""
# Views of a feature that have series of their own, by its type; the label `feature` is `name.view`.
VIEWS = {
    "text": ("length", "characters"),
    "timestamp": ("hour", "weekday"),
    "embedding": ("norm",),
}


def lacking(metric: Metric, spec: Spec, file: str) -> str | None:
    """Why ``metric`` cannot be measured by the monitor ``file``, if it can't."""
    fields, name = spec.predictions.fields, metric.name
    if metric.tasks and spec.task not in metric.tasks:
        return f"'{name}' is of task {quoted_list(metric.tasks)}, {file} has task {spec.task}"
    if name.startswith("ml_comparison_") and spec.comparison is None:
        return f"'{name}' needs comparison, {file} has none"
    if name.startswith(SEQUENCE) and spec.comparison is not None and spec.comparison.sequential is None:
        return f"'{name}' needs comparison.sequential, {file} has none"
    if needs_labels(metric) and spec.labels is None:
        return f"'{name}' needs labels, {file} has none"
    if name.startswith(("ml_feature_skew_", "ml_skew_")) and spec.skew is None:
        return f"'{name}' needs skew, {file} has none"
    if name.startswith("ml_feature_age_"):
        return None if spec.featureTimestamps else f"'{name}' needs featureTimestamps, {file} has none"
    if metric.layer is Layer.FAIRNESS and spec.fairness is None:
        return f"'{name}' needs fairness attributes, {file} has none"
    if name in ("ml_label_delay_seconds", "ml_model_accuracy_by_delay"):
        assert spec.labels is not None
        if spec.labels.fields.timestamp is None:
            return f"'{name}' needs the labels' timestamp, {file} reads none"
    if "attribution" in name:
        return None if fields.attributions else f"'{name}' needs attributions, {file} reads none"
    if metric.layer is Layer.DATA and fields.features is None:
        return f"'{name}' needs features, {file} reads none"
    needed = {
        "ml_prediction_fallback_ratio": ("fallback", fields.fallback),
        "ml_prediction_error_ratio": ("status", spec.predictions.tells_errors),
        "ml_prediction_latency_quantile_seconds": ("latency", fields.latency),
    }
    if name in needed and not needed[name][1]:
        return f"'{name}' needs {needed[name][0]}, {file} reads none"
    scored = name.startswith(("ml_calibration_", "ml_model_estimated_")) or (
        name.startswith(("ml_model_", "ml_prediction_"))
        and name.removesuffix("_standard_error").endswith(_NEED_SCORES)
    )
    if scored and spec.task in _CLASSIFIERS and fields.score is None:
        return f"'{name}' needs a score, {file} reads none"
    return None


def unfit(metric: Metric, reference: str, references: dict[str, Reference]) -> str | None:
    """Why ``metric`` cannot be compared with ``reference``, if it can't."""
    chosen = references[reference]
    if metric.name == "ml_prediction_out_of_distribution_ratio":
        if chosen.static is None and chosen.first is None:
            return f"'{metric.name}' needs a static reference, '{reference}' is the model's own past"
        return None
    bins = any(other.static is not None or other.first is not None for other in references.values())
    if metric.name == "ml_feature_attribution_ndcg" or bins:
        return None
    return f"'{reference}' takes its bins from a static reference, there is none"


def needs_labels(metric: Metric) -> bool:
    """Return whether ``metric`` is only measured where labels come."""
    if metric.layer is Layer.OUTCOME:
        return not metric.name.startswith("ml_model_estimated_")
    without = ("selection_rate", "parity_ratio")
    return metric.layer is Layer.FAIRNESS and not metric.name.removesuffix("_reference").endswith(without)


def lacks_sequence(statistic: str, spec: Spec) -> bool:
    """Return whether ``statistic`` of ``SEQUENTIAL`` cannot be measured."""
    if statistic == "error_ratio":
        return spec.predictions.fields.status is None
    tasks = ("regression",) if statistic == "mae" else ("binary", "multiclass")
    return spec.labels is None or spec.task not in tasks
