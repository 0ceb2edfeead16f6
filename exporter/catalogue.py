"""Every metric that mlslo knows: its name, type, labels, unit, layer, better direction and help.

The one place where a metric's name is written. The generator reads it to lower gauges to PromQL;
``docs/metrics.md`` is generated from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Type(StrEnum):
    """Prometheus metric types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Layer(StrEnum):
    """What kind of trouble a metric shows."""

    SERVICE = "service"
    DATA = "data"
    PREDICTION = "prediction"
    OUTCOME = "outcome"
    FAIRNESS = "fairness"
    META = "meta"


class Better(StrEnum):
    """The direction in which the model is healthier."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


@dataclass(frozen=True)
class Metric:
    """One metric. ``labels`` come in the order of exposition; ``model`` is always the first.

    ``additive``: the value over several replicas is the sum of theirs (counters, rates, counts).
    ``measured``: this version exports it; a metric that is not measured is withheld, never guessed.
    """

    name: str
    type: Type
    labels: tuple[str, ...]
    unit: str
    layer: Layer
    better: Better
    help: str
    additive: bool = False
    measured: bool = True


_SCOPE = ("model", "version")
_WINDOW = (*_SCOPE, "window")
_SEGMENT = ("segment", "segment_value")
_FEATURE = (*_WINDOW, "feature", *_SEGMENT)
_FEATURE_REFERENCE = (*_WINDOW, "reference", "feature", *_SEGMENT)
_TRAFFIC = (*_WINDOW, *_SEGMENT)
_TRAFFIC_REFERENCE = (*_WINDOW, "reference", *_SEGMENT)
_SINK = ("model", "sink")

_LATER = False


def _gauge(
    layer: Layer,
    name: str,
    labels: tuple[str, ...],
    unit: str,
    better: Better,
    text: str,
    *,
    additive: bool = False,
    measured: bool = True,
) -> Metric:
    return Metric(name, Type.GAUGE, labels, unit, layer, better, text, additive, measured)


def _counter(
    layer: Layer, name: str, labels: tuple[str, ...], unit: str, better: Better, text: str
) -> Metric:
    return Metric(name, Type.COUNTER, labels, unit, layer, better, text, additive=True)


def _service() -> Iterable[Metric]:
    layer = Layer.SERVICE
    yield _counter(
        layer,
        "ml_predictions_total",
        _SCOPE,
        "predictions",
        Better.NEITHER,
        "Predictions in the log, errors included.",
    )
    yield _counter(
        layer,
        "ml_prediction_errors_total",
        (*_SCOPE, "code"),
        "predictions",
        Better.LOWER,
        "Predictions whose status is 400 or above.",
    )
    yield Metric(
        "ml_prediction_latency_seconds",
        Type.HISTOGRAM,
        _SCOPE,
        "seconds",
        layer,
        Better.LOWER,
        "Time to answer, as logged; buckets from latencyBuckets.",
        additive=True,
    )
    yield _gauge(
        layer,
        "ml_prediction_latency_quantile_seconds",
        (*_TRAFFIC, "quantile"),
        "seconds",
        Better.LOWER,
        "Latency quantile over the window, within 1 % of the exact one.",
    )
    yield _gauge(
        layer,
        "ml_predictions_per_second",
        _TRAFFIC,
        "predictions per second",
        Better.NEITHER,
        "Predictions in the window over its length; 0 where a readable log is silent.",
        additive=True,
    )
    yield _gauge(
        layer,
        "ml_prediction_error_ratio",
        _TRAFFIC,
        "ratio",
        Better.LOWER,
        "Share of the window's predictions whose status is 400 or above.",
    )


def _data() -> Iterable[Metric]:
    layer = Layer.DATA
    drift = _FEATURE_REFERENCE
    low = Better.LOWER
    yield _gauge(
        layer,
        "ml_feature_psi",
        drift,
        "nats",
        low,
        "Population stability index against the reference: 10 reference quantile bins, natural logarithm.",
    )
    yield _gauge(
        layer,
        "ml_feature_ks_statistic",
        drift,
        "ratio",
        low,
        "Kolmogorov-Smirnov D at the reference's fine edges; numeric features.",
    )
    for name, unit, text in (
        ("ks_p_value", "ratio", "Two-sample Kolmogorov-Smirnov p-value."),
        ("wasserstein_distance", "reference standard deviations", "First Wasserstein distance."),
        ("js_distance", "ratio", "Jensen-Shannon distance, base 2."),
        ("hellinger_distance", "ratio", "Hellinger distance."),
        ("cramers_v", "ratio", "Cramér's V of the contingency table of current against reference."),
        ("chi2_p_value", "ratio", "Chi-squared test of the contingency table, no Yates correction."),
        ("mean_shift_sigmas", "reference standard deviations", "Shift of the mean."),
    ):
        better = Better.HIGHER if name.endswith("p_value") else low
        yield _gauge(layer, f"ml_feature_{name}", drift, unit, better, text, measured=_LATER)
    yield _gauge(
        layer,
        "ml_features_drifted",
        _TRAFFIC_REFERENCE,
        "features",
        low,
        "Features that drifted, at a false-discovery rate held over all of them.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_features_drifted_ratio",
        _TRAFFIC_REFERENCE,
        "ratio",
        low,
        "Share of the monitored features that drifted.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_feature_missing_ratio",
        _FEATURE,
        "ratio",
        low,
        "Share of rows in which the feature is absent, null or NaN.",
    )
    yield _gauge(
        layer,
        "ml_feature_missing_ratio_reference",
        (*_SCOPE, "reference", "feature"),
        "ratio",
        Better.NEITHER,
        "The same share in the reference.",
    )
    yield _gauge(
        layer,
        "ml_feature_new_category_ratio",
        drift,
        "ratio",
        low,
        "Share of values that the reference does not know; categorical features.",
    )
    for name, unit, text, better in (
        ("out_of_range_ratio", "ratio", "Share of values outside the declared range.", low),
        ("invalid_ratio", "ratio", "Share of values that are infinite or not of the feature's type.", low),
        ("mean", "the feature's", "Mean.", Better.NEITHER),
        ("stddev", "the feature's", "Population standard deviation.", Better.NEITHER),
        ("min", "the feature's", "Smallest value.", Better.NEITHER),
        ("max", "the feature's", "Largest value.", Better.NEITHER),
    ):
        yield _gauge(layer, f"ml_feature_{name}", _FEATURE, unit, better, text, measured=_LATER)
    yield _gauge(
        layer,
        "ml_feature_quantile",
        (*_FEATURE, "quantile"),
        "the feature's",
        Better.NEITHER,
        "Quantile.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_feature_last_seen_timestamp_seconds",
        (*_SCOPE, "feature"),
        "Unix seconds",
        Better.HIGHER,
        "Event time of the newest row that has the feature.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_dataset_reconstruction_error_ratio",
        _TRAFFIC_REFERENCE,
        "ratio",
        low,
        "PCA reconstruction error over the reference's.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_dataset_frechet_distance",
        _TRAFFIC_REFERENCE,
        "standardised units",
        low,
        "Fréchet distance of standardised features.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_feature_text_length_mean",
        _FEATURE,
        "characters",
        Better.NEITHER,
        "Mean length of a text feature.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_feature_embedding_cosine_distance",
        drift,
        "ratio",
        low,
        "Cosine distance of the centroids of an embedding feature.",
        measured=_LATER,
    )


def _prediction() -> Iterable[Metric]:
    layer = Layer.PREDICTION
    low = Better.LOWER
    yield _gauge(
        layer,
        "ml_prediction_psi",
        _TRAFFIC_REFERENCE,
        "nats",
        low,
        "Population stability index of the score (of the value, for regression) against the reference.",
    )
    for name, unit, text in (
        ("ks_statistic", "ratio", "Kolmogorov-Smirnov D of the score."),
        ("js_distance", "ratio", "Jensen-Shannon distance of the score, base 2."),
        ("wasserstein_distance", "reference standard deviations", "First Wasserstein distance of the score."),
    ):
        yield _gauge(layer, f"ml_prediction_{name}", _TRAFFIC_REFERENCE, unit, low, text, measured=_LATER)
    yield _gauge(layer, "ml_prediction_mean", _TRAFFIC, "the score's", Better.NEITHER, "Mean score.")
    yield _gauge(
        layer,
        "ml_prediction_stddev",
        _TRAFFIC,
        "the score's",
        Better.NEITHER,
        "Population standard deviation of the score.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_prediction_class_ratio",
        (*_TRAFFIC, "class"),
        "ratio",
        Better.NEITHER,
        "Share of predictions of each class.",
    )
    yield _gauge(
        layer,
        "ml_prediction_confidence_mean",
        _TRAFFIC,
        "ratio",
        Better.HIGHER,
        "Mean probability of the predicted class.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_prediction_entropy_mean",
        _TRAFFIC,
        "bits",
        Better.NEITHER,
        "Mean entropy of the predicted distribution.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_prediction_top_value_ratio",
        _TRAFFIC,
        "ratio",
        low,
        "Share of the most frequent score (class, where no score is logged): 1 is a collapsed model.",
    )
    yield _gauge(
        layer,
        "ml_prediction_out_of_distribution_ratio",
        _TRAFFIC_REFERENCE,
        "ratio",
        low,
        "Share of rows outside the reference's support.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_prediction_fallback_ratio",
        _TRAFFIC,
        "ratio",
        low,
        "Share of answers given by the fallback.",
        measured=_LATER,
    )


def _outcome() -> Iterable[Metric]:
    layer = Layer.OUTCOME
    low, high = Better.LOWER, Better.HIGHER
    quality = _TRAFFIC
    for name, better, text in (
        ("accuracy", high, "Share of labelled predictions that were right."),
        ("precision", high, "Share of predicted positives that were positive."),
        ("recall", high, "Share of positives that were predicted positive."),
        ("f1", high, "Harmonic mean of precision and recall."),
        ("auc_roc", high, "Area under the ROC curve, ties count one half."),
        ("auc_pr", high, "Average precision."),
        (
            "log_loss",
            low,
            "Mean negative log-likelihood, natural logarithm, scores clipped as scikit-learn does.",
        ),
        ("brier_score", low, "Mean squared difference of score and label."),
    ):
        unit = "nats" if name == "log_loss" else "ratio"
        yield _gauge(layer, f"ml_model_{name}", quality, unit, better, text)
    for name, better, unit, text in (
        ("mae", low, "the target's", "Mean absolute error."),
        ("rmse", low, "the target's", "Root of the mean squared error."),
        ("mape", low, "ratio", "Mean absolute error over the label, zero labels left out."),
        ("r2", high, "ratio", "Coefficient of determination."),
    ):
        yield _gauge(layer, f"ml_model_{name}", quality, unit, better, text, measured=_LATER)
    for name, text in (
        ("ndcg", "Normalised discounted cumulative gain, linear gain, ties averaged."),
        ("map", "Mean average precision."),
        ("recall_at", "Recall of the first k."),
        ("precision_at", "Precision of the first k."),
    ):
        yield _gauge(layer, f"ml_model_{name}", (*quality, "k"), "ratio", high, text, measured=_LATER)
    yield _gauge(
        layer,
        "ml_model_confusion_ratio",
        (*quality, "actual", "predicted"),
        "ratio",
        Better.NEITHER,
        "Share of labelled predictions in each cell of the confusion matrix.",
        measured=_LATER,
    )
    for name in ("accuracy", "precision", "recall", "f1", "auc_roc"):
        yield _gauge(
            layer,
            f"ml_model_estimated_{name}",
            quality,
            "ratio",
            high,
            "Estimated without labels from calibrated scores (CBPE).",
            measured=_LATER,
        )
    yield _gauge(
        layer,
        "ml_calibration_error",
        quality,
        "ratio",
        low,
        "Expected calibration error: 15 equal-width bins (lo, hi], 0 in the first.",
    )
    yield _gauge(
        layer,
        "ml_calibration_max_error",
        quality,
        "ratio",
        low,
        "Maximum calibration error over the same bins.",
        measured=_LATER,
    )
    for name, text in (
        ("confidence", "Mean score of the bin."),
        ("observed_ratio", "Share of positives in the bin."),
    ):
        yield _gauge(
            layer,
            f"ml_calibration_bin_{name}",
            (*quality, "bin"),
            "ratio",
            Better.NEITHER,
            text,
            measured=_LATER,
        )
    yield _gauge(
        layer,
        "ml_label_positive_ratio",
        quality,
        "ratio",
        Better.NEITHER,
        "Share of positives among the labels.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_label_coverage_ratio",
        quality,
        "ratio",
        high,
        "Share of the window's answered predictions whose label has come.",
    )
    yield _gauge(
        layer,
        "ml_label_delay_seconds",
        (*quality, "quantile"),
        "seconds",
        low,
        "Time from prediction to label, quantile over the window's labelled predictions, within 1 %.",
    )
    yield _gauge(
        layer,
        "ml_label_watermark_timestamp_seconds",
        ("model",),
        "Unix seconds",
        high,
        "Event time of the newest label read.",
    )
    yield _counter(
        layer,
        "ml_labels_unmatched_total",
        ("model",),
        "labels",
        low,
        "Labels that found no prediction when they were read (kept for maxDelay, joined if it comes).",
    )


def _fairness() -> Iterable[Metric]:
    layer = Layer.FAIRNESS
    grouped = (*_WINDOW, "attribute", "group")
    for name, text in (
        ("selection_rate", "Share of predicted positives in the group."),
        ("true_positive_rate", "Recall in the group."),
        ("false_positive_rate", "False-positive rate in the group."),
    ):
        yield _gauge(layer, f"ml_fairness_{name}", grouped, "ratio", Better.NEITHER, text, measured=_LATER)
    yield _gauge(
        layer,
        "ml_fairness_demographic_parity_ratio",
        (*_WINDOW, "attribute"),
        "ratio",
        Better.HIGHER,
        "Smallest selection rate of the attribute's groups over the largest.",
        measured=_LATER,
    )
    yield _gauge(
        layer,
        "ml_fairness_equalized_odds_difference",
        (*_WINDOW, "attribute"),
        "ratio",
        Better.LOWER,
        "Largest difference of true- or false-positive rate between groups.",
        measured=_LATER,
    )


def _meta() -> Iterable[Metric]:
    layer = Layer.META
    low, high, neither = Better.LOWER, Better.HIGHER, Better.NEITHER
    yield _gauge(
        layer,
        "ml_monitor_last_success_timestamp_seconds",
        ("model",),
        "Unix seconds",
        high,
        "When the last cycle that succeeded ended.",
    )
    yield _gauge(
        layer,
        "ml_monitor_cycle_duration_seconds",
        ("model",),
        "seconds",
        low,
        "How long the last cycle took.",
    )
    yield _gauge(
        layer, "ml_monitor_samples", _TRAFFIC, "rows", neither, "Predictions in the window.", additive=True
    )
    yield _gauge(
        layer,
        "ml_gauge_withheld",
        (*_WINDOW, "gauge", "reason"),
        "series",
        low,
        "Series that were not exported, and why.",
    )
    yield _gauge(layer, "ml_sink_up", _SINK, "boolean", high, "1 where the last read of the sink succeeded.")
    yield _gauge(
        layer,
        "ml_sink_last_event_timestamp_seconds",
        _SINK,
        "Unix seconds",
        high,
        "Event time of the newest record read.",
    )
    yield _gauge(
        layer,
        "ml_sink_lag_bytes",
        _SINK,
        "bytes",
        low,
        "Bytes of the sink that are not read yet.",
        additive=True,
    )
    yield _counter(
        layer, "ml_sink_records_total", _SINK, "records", neither, "Records read, rejected ones included."
    )
    yield _counter(
        layer,
        "ml_sink_rejected_records_total",
        (*_SINK, "reason"),
        "records",
        low,
        "Records that could not be used, by reason.",
    )
    yield _counter(
        layer,
        "ml_sink_late_records_total",
        _SINK,
        "records",
        low,
        "Records whose time bucket had ended before the cycle before theirs did.",
    )
    yield _gauge(
        layer,
        "ml_reference_created_timestamp_seconds",
        ("model", "reference"),
        "Unix seconds",
        high,
        "When the reference was built.",
    )
    yield _gauge(
        layer,
        "ml_reference_info",
        ("model", "reference", "hash"),
        "boolean",
        neither,
        "Always 1; the hash names the reference's content.",
    )
    yield _gauge(
        layer,
        "ml_features_expected",
        ("model",),
        "features",
        neither,
        "Features that the monitor file and its references name.",
    )
    yield _gauge(
        layer,
        "ml_features_monitored",
        _WINDOW,
        "features",
        high,
        "Features with values enough in the window to be measured.",
    )
    yield Metric(
        "ml_series_dropped_total",
        Type.COUNTER,
        ("model", "reason"),
        "series",
        layer,
        low,
        "Series left out to keep cardinality bounded.",
        additive=True,
    )
    yield _gauge(
        layer,
        "ml_exporter_build_info",
        ("version", "python_version"),
        "boolean",
        neither,
        "Always 1; the exporter's version.",
    )
    yield _gauge(
        layer,
        "ml_exporter_config_last_reload_successful",
        (),
        "boolean",
        high,
        "1 where the last load of the monitor files succeeded.",
    )
    yield _gauge(
        layer,
        "ml_exporter_config_last_reload_success_timestamp_seconds",
        (),
        "Unix seconds",
        high,
        "When the monitor files were last loaded with success.",
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for section in (_service, _data, _prediction, _outcome, _fairness, _meta)
    for metric in section()
}


def as_data() -> list[dict[str, object]]:
    """The catalogue as plain data, in its order."""
    return [{**asdict(metric), "labels": list(metric.labels)} for metric in METRICS.values()]
