"""Cosine distance and vocabulary overlap against plain formulas."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import chi2
from sklearn.datasets import load_digits

from exporter.features import characters
from exporter.statistics.cosine import cosine_distance, cosine_distance_noise
from exporter.statistics.hashed_counts import vocabulary_overlap
from exporter.summary.embedding import EmbeddingSummary
from exporter.summary.hashed import VocabularySummary


def embedding(vectors: np.ndarray) -> EmbeddingSummary:
    nothing = np.zeros(len(vectors), dtype=bool)
    return EmbeddingSummary.fold(vectors, nothing, nothing, np.zeros(len(vectors), dtype=np.intp), 1)[0]


def vocabulary(*texts: str) -> VocabularySummary:
    found = characters.classify(list(texts), np.array([len(text) for text in texts], dtype=np.intp))
    owners = np.repeat(np.arange(len(texts)), found.tokens)
    present = np.zeros(len(texts), dtype=bool)
    return VocabularySummary.fold(found.slots, owners, present, np.zeros(len(texts), dtype=np.intp), 1)[0]


DIGITS, TARGET = load_digits(return_X_y=True)


@pytest.mark.parametrize(("one", "other"), [(0, 1), (3, 8), (5, 5)])
def test_cosine_distance_is_scipys(one: int, other: int) -> None:
    a, b = DIGITS[one == TARGET], DIGITS[other == TARGET][::2]
    expected = cosine(a.mean(axis=0), b.mean(axis=0))
    assert cosine_distance(embedding(a), embedding(b)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_directions() -> None:
    x, y = np.array([[1.0, 0.0]]), np.array([[0.0, 3.0]])
    assert cosine_distance(embedding(x), embedding(1e90 * x)) == 0
    assert cosine_distance(embedding(x), embedding(y)) == pytest.approx(1)
    assert cosine_distance(embedding(x), embedding(-x)) == pytest.approx(2)
    tiny = np.array([[1.0, 1e-9]])
    assert cosine_distance(embedding(x), embedding(tiny)) == pytest.approx(5e-19, rel=1e-6)


def test_cosine_distance_is_withheld_where_there_is_no_direction() -> None:
    x = embedding(np.array([[1.0, 0.0]]))
    for other in (np.empty((0, 2)), np.zeros((3, 2)), np.array([[1.0, 0.0], [-1.0, 0.0]]), np.ones((2, 3))):
        assert cosine_distance(x, embedding(other)) is None
        assert cosine_distance(embedding(other), x) is None
    assert cosine_distance_noise(0, x) is None
    assert cosine_distance_noise(100, embedding(np.empty((0, 2)))) is None
    assert cosine_distance_noise(100, embedding(np.zeros((3, 2)))) is None
    assert cosine_distance_noise(100, x) == 0


@pytest.mark.parametrize("deviations", [(0.0, 3.0), (1.0, 1.0, 1.0, 1.0, 1.0, 1.0), (0.1, 0.5, 0.0, 2.0)])
def test_few_windows_exceed_the_noise_of_cosine_distance(deviations: tuple[float, ...]) -> None:
    rng = np.random.default_rng(3)
    mean = np.zeros(len(deviations))
    mean[0] = 4.0
    size, windows = 200, 400
    exceeded = 0
    for _ in range(windows):
        reference = embedding(mean + deviations * rng.normal(size=(1000, len(mean))))
        current = embedding(mean + deviations * rng.normal(size=(size, len(mean))))
        distance, noise = cosine_distance(current, reference), cosine_distance_noise(size, reference)
        assert distance is not None
        assert noise is not None
        exceeded += distance > noise
    # So many or more come of 400 at 1 % in 1 of 1000 runs.
    assert exceeded <= 11
    assert chi2.ppf(0.99, 1) == pytest.approx(6.634896601021213)


ENGLISH = "the model is right and the log says so " * 3
GERMAN = "das Modell hat recht und das Protokoll sagt es auch " * 2


def test_overlap_is_that_of_the_tokens_or_more() -> None:
    for one, other in [(ENGLISH, GERMAN), (ENGLISH, ENGLISH[:40]), ("a b", "c d e")]:
        p, q = Counter(one.lower().split()), Counter(other.lower().split())
        exact = sum(min(p[token] / p.total(), q[token] / q.total()) for token in p)
        found = vocabulary_overlap(vocabulary(one), vocabulary(other))
        assert found is not None
        assert exact - 1e-12 <= found <= min(1.0, exact + 0.2) + 1e-12


def test_overlap_of_extremes() -> None:
    assert vocabulary_overlap(vocabulary(ENGLISH), vocabulary(ENGLISH, ENGLISH)) == pytest.approx(1)
    assert vocabulary_overlap(vocabulary("a"), vocabulary("b")) == 0
    assert vocabulary_overlap(vocabulary(), vocabulary("b")) is None
    assert vocabulary_overlap(vocabulary("... !"), vocabulary("b")) is None
