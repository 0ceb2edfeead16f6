"""What goes into the model: drift, missing values, new categories."""

from __future__ import annotations

from collections.abc import Iterable

from mlslo.catalogue.metric import (
    FEATURE,
    FEATURE_REFERENCE,
    SCOPE,
    TRAFFIC_REFERENCE,
    Better,
    Layer,
    Metric,
    gauge,
    quantiles,
)


def metrics() -> Iterable[Metric]:
    """The layer's metrics, in the order of the documentation."""
    layer = Layer.DATA
    drift = FEATURE_REFERENCE
    low = Better.LOWER
    yield gauge(
        layer,
        "ml_feature_psi",
        drift,
        "nats",
        low,
        "Population stability index against the reference: 10 reference quantile bins, natural logarithm.",
    )
    yield gauge(
        layer,
        "ml_feature_ks_statistic",
        drift,
        "ratio",
        low,
        "Kolmogorov-Smirnov D at the reference's fine edges; numeric features.",
    )
    for name, unit, text in (
        ("ks_p_value", "ratio", "Two-sample Kolmogorov-Smirnov p-value; numeric features."),
        (
            "wasserstein_distance",
            "reference standard deviations",
            "First Wasserstein distance; numeric features.",
        ),
        ("js_distance", "ratio", "Jensen-Shannon distance, base 2."),
        ("hellinger_distance", "ratio", "Hellinger distance."),
        (
            "cramers_v",
            "ratio",
            "Cramér's V of the contingency table; categorical features.",
        ),
        (
            "chi2_p_value",
            "ratio",
            "Chi-squared test, no Yates correction; categorical features.",
        ),
        ("mean_shift_sigmas", "reference standard deviations", "Distance of the means."),
    ):
        better = Better.HIGHER if name.endswith("p_value") else low
        yield gauge(layer, f"ml_feature_{name}", drift, unit, better, text)
    yield gauge(
        layer,
        "ml_features_drifted",
        TRAFFIC_REFERENCE,
        "features",
        low,
        "Features that drifted, at a false-discovery rate held over all of them.",
    )
    yield gauge(
        layer,
        "ml_features_drifted_ratio",
        TRAFFIC_REFERENCE,
        "ratio",
        low,
        "Share of the monitored features that drifted.",
    )
    yield gauge(
        layer,
        "ml_feature_missing_ratio",
        FEATURE,
        "ratio",
        low,
        "Share of rows in which the feature is absent, null or NaN.",
    )
    yield gauge(
        layer,
        "ml_feature_missing_ratio_reference",
        (*SCOPE, "reference", "feature"),
        "ratio",
        Better.NEITHER,
        "The same share in the reference.",
    )
    yield gauge(
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
        yield gauge(layer, f"ml_feature_{name}", FEATURE, unit, better, text)
    yield quantiles(
        layer,
        "ml_feature_quantile",
        FEATURE,
        "the feature's",
        Better.NEITHER,
        "Quantile, within the width of a reference bin.",
    )
    yield gauge(
        layer,
        "ml_feature_last_seen_timestamp_seconds",
        (*SCOPE, "feature"),
        "Unix seconds",
        Better.HIGHER,
        "Event time of the newest row that has the feature.",
    )
    yield gauge(
        layer,
        "ml_dataset_reconstruction_error_ratio",
        TRAFFIC_REFERENCE,
        "ratio",
        low,
        "PCA reconstruction error over the reference's.",
    )
    yield gauge(
        layer,
        "ml_dataset_frechet_distance",
        TRAFFIC_REFERENCE,
        "standardised units",
        low,
        "Fréchet distance of standardised features.",
    )
    yield gauge(
        layer,
        "ml_feature_text_length_mean",
        FEATURE,
        "characters",
        Better.NEITHER,
        "Mean length of a text feature.",
    )
    yield gauge(
        layer,
        "ml_feature_vocabulary_overlap_ratio",
        drift,
        "ratio",
        Better.HIGHER,
        "Words that a text feature has in common with the reference: 1 where all occur as often as in it.",
    )
    yield gauge(
        layer,
        "ml_feature_embedding_cosine_distance",
        drift,
        "ratio",
        low,
        "Cosine distance of the centroids of an embedding feature.",
    )
    yield gauge(
        layer,
        "ml_feature_drift_noise_level",
        (*drift, "statistic"),
        "the statistic's",
        Better.NEITHER,
        "What the statistic exceeds in 1 of 100 windows without drift, at these sample sizes.",
    )
    yield gauge(
        layer,
        "ml_feature_attribution_mean",
        FEATURE,
        "the attribution's",
        Better.NEITHER,
        "Mean absolute attribution (SHAP value) of the feature.",
    )
    yield gauge(
        layer,
        "ml_feature_attribution_ndcg",
        TRAFFIC_REFERENCE,
        "ratio",
        Better.HIGHER,
        "NDCG of the features ranked by mean absolute attribution, against the reference's ranking.",
    )
