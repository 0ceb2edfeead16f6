"""Fit the estimator of a regression's losses to the labelled rows of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from exporter.extras import needs
from exporter.features.kind import number_column
from exporter.parse import sql
from exporter.references.baseline.columns import Column
from exporter.references.baseline.source import Source
from exporter.references.loss_estimator import Boosted, LossEstimator, Tree
from exporter.references.reference import FeatureViews
from exporter.summary.base import Floats
from mlslo.monitor import Monitor

LEAST_ROWS = 200
"""Fewer labelled rows than this say nothing of where a model is wrong."""
_NUMBERS = 1 << 22
# Every row of the log passes through all of them: 50 trees of 8 leaves take 2.4 s of CPU for a million rows.
_TREES, _LEAVES, _RATE = 25, 8, 0.2


def fit(
    source: Source, monitor: Monitor, columns: Sequence[Column], described: Mapping[str, FeatureViews]
) -> LossEstimator:
    """Fit the absolute and the squared error to numeric and categorical features and the prediction.

    Raises InputError where the model is no regression, labels are too few, or scikit-learn is missing.
    """
    spec = monitor.spec
    labels, fields = spec.labels, spec.predictions.fields
    if spec.task != "regression":
        message = f"--fit-loss-estimator is for regressions, this model's task is {spec.task}"
        raise monitor.document.error(("spec", "task"), message)
    label = source.at(labels.fields.label) if labels else None
    score = source.at(fields.score or fields.prediction)
    if label is None or score is None:
        missing = "label" if label is None else "prediction"
        raise monitor.document.error(("spec",), f"--fit-loss-estimator: the data has no {missing}")
    features, requested = _features(columns, described)
    requested |= {
        "prediction": Column("", score, source.type_of(score)).parsed("number"),
        "label": Column("", label, source.type_of(label)).parsed("number"),
    }
    blocks = [
        np.stack([number_column(block[name]) for name in requested], axis=1)
        for block in source.blocks(requested, max(1, _NUMBERS // len(requested)))
    ]
    rows = np.concatenate(blocks)
    rows = rows[np.isfinite(rows[:, -2:]).all(axis=1)]
    if len(rows) < LEAST_ROWS:
        message = f"--fit-loss-estimator: the data has {len(rows)} labelled predictions, expected {LEAST_ROWS} or more"
        raise monitor.document.error(("spec",), message)
    inputs, errors = np.where(np.isfinite(rows[:, :-1]), rows[:, :-1], np.nan), rows[:, -2] - rows[:, -1]
    try:
        absolute, squared = _boosted(inputs, np.abs(errors)), _boosted(inputs, errors**2)
    except ImportError:
        raise monitor.document.error(("spec",), f"--fit-loss-estimator {needs('loss')}") from None
    return LossEstimator(features, len(rows), absolute, squared)


def _features(
    columns: Sequence[Column], described: Mapping[str, FeatureViews]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Return each feature with its categories, and SQL for its value as a number."""
    features: dict[str, tuple[str, ...]] = {}
    requested: dict[str, str] = {}
    for column in sorted(columns, key=lambda column: column.feature):
        item = described.get(column.feature)
        if item is None or item.kind not in ("numeric", "categorical"):
            continue
        alias = f"feature {len(features)}"
        if item.kind == "numeric":
            features[column.feature] = ()
            requested[alias] = column.parsed("number")
        else:
            categories = tuple(item.primary.summary.categories)
            features[column.feature] = categories
            known = f"[{', '.join(map(sql.text, categories))}]"
            requested[alias] = f"list_position({known}, {sql.canonical(column.text)}) - 1"
    return features, requested


def _boosted(inputs: Floats, losses: Floats) -> Boosted:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        max_iter=_TREES,
        max_leaf_nodes=_LEAVES,
        learning_rate=_RATE,
        min_samples_leaf=max(20, len(inputs) // 500),
        early_stopping=False,
        random_state=0,
    ).fit(inputs, losses)
    trees = [_tree(predictors[0].nodes) for predictors in model._predictors]
    return Boosted(float(np.ravel(model._baseline_prediction)[0]), trees)


def _tree(nodes: Any) -> Tree:
    inner = nodes["is_leaf"] == 0
    largest = np.finfo(np.float64).max
    return Tree(
        feature=nodes["feature_idx"].astype(np.intp) * inner,
        # All that is there goes left of an infinite threshold, which JSON has no word for.
        threshold=np.clip(nodes["num_threshold"].astype(np.float64), -largest, largest) * inner,
        left=nodes["left"].astype(np.intp) * inner,
        right=nodes["right"].astype(np.intp) * inner,
        missing_left=(nodes["missing_go_to_left"] != 0) & inner,
        value=nodes["value"].astype(np.float64),
    )
