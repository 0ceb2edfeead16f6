"""How right the model was, once labels have come."""

from __future__ import annotations

from collections.abc import Iterable

from mlslo.catalogue.metric import (
    TRAFFIC,
    TRAFFIC_REFERENCE,
    Better,
    Layer,
    Metric,
    counter,
    gauge,
    quantiles,
)

_AVERAGED = ("precision", "recall", "f1", "auc_roc", "auc_pr")
"""Over the classes of a multiclass model: macro or weighted; empty for a binary one."""


def metrics() -> Iterable[Metric]:
    """The layer's metrics, in the order of the documentation."""
    layer = Layer.OUTCOME
    low, high = Better.LOWER, Better.HIGHER
    quality = TRAFFIC
    for name, better, text in (
        ("accuracy", high, "Share of labelled predictions that were right."),
        ("precision", high, "Share of predicted positives that were positive."),
        ("recall", high, "Share of positives that were predicted positive."),
        (
            "f1",
            high,
            "Harmonic mean of precision and recall, as 2 TP / (2 TP + FP + FN): 0, not withheld, for a model that "
            "never says positive while there are positives.",
        ),
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
        labels = (*quality, "average") if name in _AVERAGED else quality
        yield gauge(layer, f"ml_model_{name}", labels, unit, better, text)
    for name, better, unit, text in (
        ("mae", low, "the target's", "Mean absolute error."),
        ("rmse", low, "the target's", "Root of the mean squared error."),
        ("mape", low, "ratio", "Mean absolute error over the label, zero labels left out."),
        ("r2", high, "ratio", "Coefficient of determination."),
        ("mean_error", Better.NEITHER, "the target's", "Mean of prediction minus label: the bias."),
    ):
        yield gauge(layer, f"ml_model_{name}", quality, unit, better, text)
    for name, text in (
        ("ndcg", "Normalised discounted cumulative gain, linear gain, ties averaged."),
        ("map", "Mean average precision."),
        ("recall_at", "Recall of the first k."),
        ("precision_at", "Precision of the first k."),
    ):
        yield gauge(layer, f"ml_model_{name}", (*quality, "k"), "ratio", high, text)
    yield gauge(
        layer,
        "ml_model_confusion_ratio",
        (*quality, "actual", "predicted"),
        "ratio",
        Better.NEITHER,
        "Share of labelled predictions in each cell of the confusion matrix.",
    )
    for name in ("accuracy", "precision", "recall", "f1", "auc_roc"):
        yield gauge(
            layer,
            f"ml_model_estimated_{name}",
            quality,
            "ratio",
            high,
            "Estimated without labels from calibrated scores (CBPE).",
        )
    yield gauge(
        layer,
        "ml_model_accuracy_by_delay",
        (*quality, "delay"),
        "ratio",
        high,
        "Accuracy by how long the label took; the label is the bucket's upper end.",
    )
    yield gauge(
        layer,
        "ml_calibration_error",
        quality,
        "ratio",
        low,
        "Expected calibration error: 15 equal-width bins (lo, hi], 0 in the first.",
    )
    yield gauge(
        layer,
        "ml_calibration_max_error",
        quality,
        "ratio",
        low,
        "Maximum calibration error over the same bins.",
    )
    for name, text in (
        ("confidence", "Mean score of a calibration bin; the label is the bin's upper end."),
        ("observed_ratio", "Share of positives in a calibration bin."),
    ):
        yield gauge(
            layer,
            f"ml_calibration_bin_{name}",
            (*quality, "bin"),
            "ratio",
            Better.NEITHER,
            text,
        )
    yield gauge(
        layer,
        "ml_label_positive_ratio",
        quality,
        "ratio",
        Better.NEITHER,
        "Share of positives among the labels.",
    )
    yield gauge(
        layer,
        "ml_label_class_ratio",
        (*quality, "class"),
        "ratio",
        Better.NEITHER,
        "Share of each class among the labels (multiclass); below 1 in sum where some name a class nobody knows.",
    )
    yield gauge(layer, "ml_label_mean", quality, "the target's", Better.NEITHER, "Mean label (regression).")
    yield gauge(
        layer,
        "ml_label_psi",
        TRAFFIC_REFERENCE,
        "nats",
        low,
        "Label drift: population stability index of the labels, over classes or the deciles of the reference's labels.",
    )
    yield gauge(
        layer,
        "ml_label_drift_noise_level",
        (*TRAFFIC_REFERENCE, "statistic"),
        "the statistic's",
        Better.NEITHER,
        "What the statistic exceeds in 1 of 100 windows without drift, at these sample sizes.",
    )
    yield gauge(
        layer,
        "ml_label_coverage_ratio",
        quality,
        "ratio",
        high,
        "Share of the window's answered predictions whose label has come.",
    )
    yield quantiles(
        layer,
        "ml_label_delay_seconds",
        quality,
        "seconds",
        low,
        "Time from prediction to label, quantile over the window's labelled predictions, within 1 %.",
    )
    yield gauge(
        layer,
        "ml_predictions_pending",
        ("model",),
        "predictions",
        Better.NEITHER,
        "Predictions that wait for their label.",
        additive=True,
    )
    yield gauge(
        layer,
        "ml_label_sampling_ratio",
        ("model",),
        "ratio",
        high,
        "Share of the predictions that wait for a label: below 1 past maxPending, where a sample of them does.",
    )
    yield gauge(
        layer,
        "ml_label_watermark_timestamp_seconds",
        ("model",),
        "Unix seconds",
        high,
        "Event time of the newest label read.",
    )
    yield counter(
        layer,
        "ml_labels_unmatched_total",
        ("model",),
        "labels",
        low,
        "Labels that found no prediction when they were read (kept for maxDelay, joined if it comes).",
    )
