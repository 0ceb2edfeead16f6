"""Attributions by feature and the ranking of features, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import datasets, linear_model, metrics

from exporter.statistics.attribution_ranking import attribution_ndcg, mean_absolute_attribution
from exporter.summary.traffic import AttributionSummary
from tests.support.summaries import empty_of


def folded(values: np.ndarray) -> AttributionSummary:
    names = tuple(f"f{position}" for position in range(values.shape[1]))
    return AttributionSummary.fold(names, values, np.zeros(len(values), dtype=np.intp), 1)[0]


def test_attributions_of_a_real_model() -> None:
    features, target = datasets.load_diabetes(return_X_y=True)
    model = linear_model.LinearRegression().fit(features, target)
    # The exact SHAP values of a linear model of independent features.
    attributions = model.coef_ * (features - features.mean(axis=0))
    reference, now = attributions[:300], attributions[300:] * np.linspace(0.2, 3, 10)
    found = mean_absolute_attribution(folded(now))
    assert list(found.values()) == pytest.approx(list(np.abs(now).mean(axis=0)), rel=1e-12)
    exact = metrics.ndcg_score([np.abs(reference).mean(axis=0)], [np.abs(now).mean(axis=0)])
    assert attribution_ndcg(folded(now), folded(reference)) == pytest.approx(exact, abs=1e-12)
    assert exact < 0.999


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12))
def test_ndcg_agrees_with_scikit_learn_ties_included(pairs: list[tuple[int, int]]) -> None:
    gains, now = np.array(pairs, dtype=float).T
    measured = attribution_ndcg(folded(now[None]), folded(-gains[None]))
    if gains.any():
        assert measured == pytest.approx(metrics.ndcg_score([gains], [now]), abs=1e-12)
    else:
        assert measured is None


def test_the_published_example() -> None:
    # SAT score, GPA and class rank, from the documentation of Amazon SageMaker Clarify, which gives 0.69.
    training, live = np.array([[0.70, 0.50, 0.05]]), np.array([[0.10, 0.20, 0.70]])
    assert attribution_ndcg(folded(live), folded(training)) == pytest.approx(0.69, abs=0.005)


def test_missing_and_infinite_attributions() -> None:
    values = np.array([[1.0, np.nan, np.inf], [-3.0, -np.inf, np.nan], [np.nan, np.nan, np.nan]])
    summary = folded(values)
    assert summary.explained == 2
    assert mean_absolute_attribution(summary) == {"f0": 2.0, "f1": None, "f2": None}
    reference = folded(np.array([[1.0, 2.0, 3.0]]))
    ranked = attribution_ndcg(summary, reference)
    assert ranked == pytest.approx(metrics.ndcg_score([[1, 2, 3]], [[2, 0, 0]]), abs=1e-12)


def test_nothing_is_guessed() -> None:
    nothing = empty_of(AttributionSummary, ("f0", "f1"))
    something = folded(np.array([[1.0, 2.0]]))
    assert attribution_ndcg(nothing, something) is None
    assert attribution_ndcg(something, nothing) is None
    assert attribution_ndcg(something, folded(np.zeros((3, 2)))) is None
    assert attribution_ndcg(folded(np.ones((1, 1))), folded(np.ones((1, 1)))) is None
    with pytest.raises(ValueError, match="different features"):
        attribution_ndcg(something, empty_of(AttributionSummary, ("a", "b")))
