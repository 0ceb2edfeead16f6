"""Design effects: about 1 of independent rows, and what theory says of clumps, trends and repeated features."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from exporter.statistics.design_effect import Learnt, learn, learn_dependence, student_p_value

STEPS = (1, 2, 4, 8, 16, 32)
BLOCKS, ROWS = 256, 50


def counted(values: np.ndarray, bins: int) -> np.ndarray:
    """Counts of each block of ``values`` (0 to 1) over equal bins."""
    cells = np.minimum((values * bins).astype(int), bins - 1)
    counts = np.zeros((BLOCKS, bins))
    np.add.at(counts, (np.repeat(np.arange(BLOCKS), ROWS), cells), 1)
    return counts


def of_numbers(values: np.ndarray) -> Learnt:
    ranks = stats.rankdata(values) / (len(values) + 1)
    return learn(counted(ranks, 10), STEPS, counted(ranks, 200))


def clumps(rng: np.random.Generator, length: int, share: float) -> np.ndarray:
    """Normal values of which ``share`` of the variance is that of their clump."""
    rows = BLOCKS * ROWS
    together = rng.normal(size=rows // length + 1)[np.arange(rows) // length]
    values: np.ndarray = np.sqrt(share) * together + np.sqrt(1 - share) * rng.normal(size=rows)
    return values


def test_independent_rows_have_none() -> None:
    """Of 100 streams: hardly any length has an effect, and the effects are 1 at the median and small on average."""
    rng = np.random.default_rng(1)
    effects = np.array([of_numbers(rng.normal(size=BLOCKS * ROWS)).effects for _ in range(100)])
    assert np.all(np.median(effects, axis=0) == 1.0)
    assert np.all(effects.mean(axis=0) < 1.15)
    assert np.mean(effects > 1) < 0.2


@pytest.mark.parametrize("length", [50, 200])
def test_clumps_have_what_kish_says(length: int) -> None:
    """A stretch of whole clumps has 1 + (length - 1) x the correlation within them (Kish, 1965)."""
    rng = np.random.default_rng(length)
    share = 0.3
    found = np.mean([of_numbers(clumps(rng, length, share)).effects for _ in range(20)], axis=0)
    expected = 1 + (length - 1) * share
    for step, effect in zip(STEPS, found, strict=True):
        if step * ROWS >= 2 * length:
            # What is pooled from shorter stretches, whose effect is smaller, and what is raised: a third.
            assert effect == pytest.approx(expected, rel=0.35)


def test_within_a_clump_rows_count_as_one() -> None:
    rng = np.random.default_rng(3)
    effects = of_numbers(clumps(rng, 1600, 0.3)).effects
    ratios = effects[1:4] / effects[:3]
    assert np.all((ratios > 1.6) & (ratios < 2.1))


def test_categories_have_the_effect_of_their_clumps() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 5, BLOCKS // 2).repeat(2 * ROWS)
    codes = np.where(rng.random(len(codes)) < 0.5, codes, rng.integers(0, 5, len(codes)))
    effects = learn(counted((codes + 0.5) / 5, 5), STEPS).effects
    # Half of the rows are the clump's category: a correlation of a quarter.
    assert effects[2] == pytest.approx(1 + (2 * ROWS - 1) * 0.25, rel=0.35)


def test_the_most_unusual_stretch_is_one_that_chance_allows() -> None:
    """One burst in 256 blocks: on average it hardly shows, yet a window like it is no drift."""
    rng = np.random.default_rng(5)
    values = rng.normal(size=BLOCKS * ROWS)
    values[5000:5050] = 3.0
    found = of_numbers(values)
    assert found.effects[0] > 5
    for p_values in found.p_values:
        assert p_values.min() >= 0.9 / (50 * len(p_values))


def test_a_season_is_in_the_effect_of_short_stretches_only() -> None:
    rng = np.random.default_rng(6)
    rows = np.arange(BLOCKS * ROWS)
    effects = of_numbers(np.sin(2 * np.pi * rows / 800) + rng.normal(size=len(rows))).effects
    assert effects[:3].max() > 40
    assert effects[4] < 0.35 * effects[:3].max()


def test_of_a_view_that_is_empty_or_constant_nothing_is_learnt() -> None:
    constant = np.zeros((BLOCKS, 3))
    constant[:, 1] = ROWS
    for counts in (constant, np.zeros((BLOCKS, 3))):
        found = learn(counts, STEPS, counts)
        assert found.effects.tolist() == [1.0] * len(STEPS)
        assert all(np.all(p_values > 0.999) for p_values in found.p_values)


def test_features_that_say_the_same_count_as_many() -> None:
    rng = np.random.default_rng(7)
    alone, same = rng.random((3, 400)), np.tile(rng.random(400), (4, 1))
    (found,) = learn_dependence([np.concatenate([alone, same])])
    assert found[:3].tolist() == [1.0] * 3
    assert found[3:] == pytest.approx(np.full(4, 4.0), rel=0.1)


def test_independent_features_count_as_themselves() -> None:
    rng = np.random.default_rng(8)
    found = np.array([learn_dependence([rng.random((20, 200)), rng.random((20, 50))]) for _ in range(50)])
    assert np.mean(found > 1.5) < 0.02
    assert np.median(found) == 1.0


def test_students_p_value_agrees_with_scipy() -> None:
    deviates = np.array([0.5, 2.0, 6.0])
    found = student_p_value(2 * stats.norm.sf(deviates), 8)
    assert found == pytest.approx(2 * stats.t.sf(deviates, 8))
    assert student_p_value(1e-9, 1e6) == pytest.approx(1e-9, rel=0.01)
