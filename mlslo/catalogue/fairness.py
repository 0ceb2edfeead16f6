"""Whether groups are treated alike."""

from __future__ import annotations

from collections.abc import Iterable

from mlslo.catalogue.metric import WINDOW, Better, Layer, Metric, gauge


def metrics() -> Iterable[Metric]:
    """The layer's metrics, in the order of the documentation."""
    layer = Layer.FAIRNESS
    grouped = (*WINDOW, "attribute", "group")
    for name, text in (
        ("selection_rate", "Share of predicted positives in the group."),
        ("true_positive_rate", "Recall in the group."),
        ("false_positive_rate", "False-positive rate in the group."),
        ("calibration_error", "Expected calibration error in the group."),
    ):
        yield gauge(layer, f"ml_fairness_{name}", grouped, "ratio", Better.NEITHER, text)
    yield gauge(
        layer,
        "ml_fairness_demographic_parity_ratio",
        (*WINDOW, "attribute"),
        "ratio",
        Better.HIGHER,
        "Smallest selection rate of the attribute's groups over the largest.",
    )
    yield gauge(
        layer,
        "ml_fairness_equalized_odds_difference",
        (*WINDOW, "attribute"),
        "ratio",
        Better.LOWER,
        "Largest difference of true- or false-positive rate between groups.",
    )
