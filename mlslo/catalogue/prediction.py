"""What comes out of the model, before anybody knows the truth."""

from __future__ import annotations

from collections.abc import Iterable

from mlslo.catalogue.metric import TRAFFIC, TRAFFIC_REFERENCE, Better, Layer, Metric, gauge


def metrics() -> Iterable[Metric]:
    """The layer's metrics, in the order of the documentation."""
    layer = Layer.PREDICTION
    low = Better.LOWER
    yield gauge(
        layer,
        "ml_prediction_psi",
        TRAFFIC_REFERENCE,
        "nats",
        low,
        "Population stability index of the score (the value, for regression; the class, for multiclass).",
    )
    for name, unit, text in (
        ("ks_statistic", "ratio", "Kolmogorov-Smirnov D of the score."),
        ("js_distance", "ratio", "Jensen-Shannon distance of the score, base 2."),
        ("wasserstein_distance", "reference standard deviations", "First Wasserstein distance of the score."),
    ):
        yield gauge(layer, f"ml_prediction_{name}", TRAFFIC_REFERENCE, unit, low, text)
    yield gauge(layer, "ml_prediction_mean", TRAFFIC, "the score's", Better.NEITHER, "Mean score.")
    yield gauge(
        layer,
        "ml_prediction_stddev",
        TRAFFIC,
        "the score's",
        Better.NEITHER,
        "Population standard deviation of the score.",
    )
    yield gauge(
        layer,
        "ml_prediction_class_ratio",
        (*TRAFFIC, "class"),
        "ratio",
        Better.NEITHER,
        "Share of predictions of each class.",
    )
    yield gauge(
        layer,
        "ml_prediction_confidence_mean",
        TRAFFIC,
        "ratio",
        Better.HIGHER,
        "Mean probability of the predicted class.",
    )
    yield gauge(
        layer,
        "ml_prediction_entropy_mean",
        TRAFFIC,
        "bits",
        Better.NEITHER,
        "Mean entropy of the predicted distribution.",
    )
    yield gauge(
        layer,
        "ml_prediction_top_value_ratio",
        TRAFFIC,
        "ratio",
        low,
        "Share of the most frequent score (class, where no score is logged): 1 is a collapsed model.",
    )
    yield gauge(
        layer,
        "ml_prediction_out_of_distribution_ratio",
        TRAFFIC_REFERENCE,
        "ratio",
        low,
        "Share of rows outside the reference's support.",
    )
    yield gauge(
        layer,
        "ml_prediction_fallback_ratio",
        TRAFFIC,
        "ratio",
        low,
        "Share of answers given by the fallback.",
    )
    yield gauge(
        layer,
        "ml_prediction_drift_noise_level",
        (*TRAFFIC_REFERENCE, "statistic"),
        "the statistic's",
        Better.NEITHER,
        "What the statistic exceeds in 1 of 100 windows without drift, at these sample sizes.",
    )
