"""The gauges of the model in Prometheus now, in one line."""

from urllib.parse import quote

from examples.demo.processes import get_json

_GAUGES = (
    ("features drifted", "sum(ml_feature_psi{%s} > bool 0.25)", "{:.0f}"),
    ("same score", "ml_prediction_top_value_ratio{%s}", "{:.0%}"),
    ("recall", "ml_model_recall{%s}", "{:.2f}"),
    ("AUC", "ml_model_auc_roc{%s}", "{:.2f}"),
    ("errors", "ml_prediction_error_ratio{%s}", "{:.0%}"),
)


def measured(prometheus: str, version: str, window: str) -> str:
    """The gauges of one release over one window; those that are withheld are left out. Raises OSError."""
    selector = f'version="{version}",window="{window}"'
    parts = []
    for name, query, form in _GAUGES:
        found = get_json(f"{prometheus}/api/v1/query?query={quote(query % selector)}")["data"]["result"]
        if found:
            parts.append(f"{name} {form.format(float(found[0]['value'][1]))}")
    return " · ".join(parts)
