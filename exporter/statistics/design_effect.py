"""Design effects: how much more the stretches of a stream differ from each other than independent rows would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from exporter.statistics.contingency import MOST
from exporter.statistics.false_discovery import combined_p_values, data_set_p_value, evidence
from exporter.summary.base import Flags, Floats

LEAST_STRETCHES = 4
"""Of a length that the data has fewer stretches of, nothing is learnt."""

_CARRIED = 8.0
"""Degrees of freedom that a length brings to the next longer one, at most."""
_RARE = 50.0
_LEAST_EXPECTED = 1.0
_SHAPE = 0.2
_CARRIED_DEPENDENCE = 128.0
_STEP = 1.05
_REFUTED = 0.001
_MOST_UNUSUAL = 3
_KNOWN = 1e6
# Degrees of freedom, at most, where rows depend on each other: fitted to data sets (docs/decisions.md).
_HEAVY = 8.0
_ONE_SIDED = 2.33


class Learnt(NamedTuple):
    """Design effects that stretches of one view show, an array of shape (lengths,) each.

    ``effects``: of its shares. ``single``: of the share of any one bin alone; of categories 1. ``degrees``: of freedom.
    ``p_values``: of each length, shape (stretches,).
    """

    effects: Floats
    single: Floats
    degrees: Floats
    p_values: list[Floats]


def learn(counts: Floats, steps: Sequence[int], cells: Floats | None = None) -> Learnt:
    """Compute the design effect of one view for stretches of each of ``steps`` blocks.

    ``counts``: of consecutive blocks of rows over the view's categories or deciles, shape (blocks, bins). ``steps``:
    ascending. ``cells``: of numbers, the same over finer bins in the order of the values, shape (blocks, cells).

    The variance of a stretch's shares, over that of as many independent rows: of the shares of ``counts`` the average
    of the covariance's eigenvalues, weighted by themselves (Rao and Scott, 1981, with Srivastava's estimate of the sum
    of their squares, 2005), and of numbers that of their mean normal score, where it is larger. Never less than 1. What
    few stretches say is pooled with what shorter ones do, extrapolated by how the effect grew up to there, unless it
    refutes them. The most unusual stretch may be as unusual as the most of 50 times as many; where it would be more,
    the effect is raised.
    """
    scores = None if cells is None else _normal_scores(cells.sum(axis=0))
    whole, single = _Chain(), _Chain()
    found = []
    for step in steps:
        stretches, there = _together(counts, step)
        if len(stretches) < LEAST_STRETCHES:
            # Nearly always empty: as far as is known, as before.
            found.append((whole.effect, single.effect, max(whole.carried, 1.0), np.ones(len(there))))
            continue
        squares, degrees, average, deviations = _shares(stretches)
        squared_deviations = None
        if cells is not None and scores is not None:
            squared_deviations = _locations(_together(cells, step)[0], scores) ** 2
            average = max(average, float(np.mean(squared_deviations)))
        number = len(stretches)
        free = whole.pool(step, average, number)
        whole.effect = max(whole.effect, _raised(squares, degrees, squared_deviations, free))
        largest = None
        if squared_deviations is not None and deviations.shape[1]:
            single.pool(step, float(np.max(np.mean(deviations**2, axis=0))), number)
            largest = np.max(deviations**2, axis=1)
            single.effect = max(single.effect, _raised_single(largest, deviations.shape[1], free))
        p_values = np.ones(len(there))
        parts = [_chi_squared(squares / whole.effect, degrees)]
        weights = [1.0]
        if squared_deviations is not None and largest is not None:
            parts.append(_chi_squared(squared_deviations / whole.effect, 1))
            parts.append(_of_many(_chi_squared(largest / single.effect, 1), deviations.shape[1]))
            weights = [_SHAPE / 2, 1 - _SHAPE, _SHAPE / 2]
        p_values[there] = student_p_value(combined_p_values(parts, weights=weights), free)
        found.append((whole.effect, single.effect, free, p_values))
    effects, singles, degrees_of = (np.array([item[place] for item in found]) for place in range(3))
    # Where the effect grows with the length, neighbours are alike: there are fewer independent stretches.
    longest = np.maximum.accumulate(effects[::-1])[::-1] if len(effects) else effects
    return Learnt(
        effects,
        singles,
        _degrees(effects, np.maximum(degrees_of * effects / longest, 1.0)),
        [item[3] for item in found],
    )


class _Chain:
    """An effect by ascending length, each pooled with what the shorter ones say."""

    def __init__(self) -> None:
        self.effect = self.growth = 1.0
        self.carried = 0.0
        self.before = 0

    def pool(self, step: int, average: float, number: int) -> float:
        """Take in the ``average`` of ``number`` stretches of ``step`` blocks; return the degrees of freedom."""
        from scipy.special import chdtr

        own, carried = number - 1.0, self.carried
        doublings = np.log2(step / self.before) if self.before else 0.0
        expected = self.effect * self.growth**doublings
        if chdtr(own, own * average / expected) < _REFUTED:
            # A whole season: what shorter stretches see of it does not hold here.
            carried = 0.0
        free = carried + own
        effect = _beyond_chance((carried * expected + own * average) / free, free)
        if doublings:
            self.growth = float(np.clip((effect / self.effect) ** (1 / doublings), 1.0, 2.0))
        self.effect, self.carried, self.before = effect, min(free, _CARRIED), step
        return free


def learn_dependence(p_values: Sequence[Floats]) -> Floats:
    """Compute as how many features each one counts, itself among them; shape (lengths, features).

    ``p_values``: of each length, shape (features, stretches). The sum of a feature's correlations with all, as
    chi-squared variables, over the stretches (as Brown, 1975, has it for all together); at least 1. Pooled and raised
    as design effects are.
    """
    from scipy.special import chdtri

    found: list[Floats] = []
    pooled, carried = np.ones(len(p_values[0])), 0.0
    for by_stretch in p_values:
        features, stretches = by_stretch.shape
        own = stretches - 1.0
        pooled = (carried * pooled + own * _correlations(chdtri(1, np.clip(by_stretch, 1e-15, 1.0)))) / (
            carried + own
        )
        carried = min(carried + own, _CARRIED_DEPENDENCE)
        beyond = pooled > 1 + _ONE_SIDED * np.sqrt(features / carried)
        number = np.where(beyond, np.clip(pooled, 1.0, features), 1.0)
        least = 1 / (_RARE * stretches)
        for stretch in by_stretch.T[np.argsort(evidence(by_stretch).sum(axis=0))[-_MOST_UNUSUAL:]]:
            while number.max() < features and data_set_p_value(stretch, 1 / number) < least:
                number = np.minimum(number * _STEP, features)
        found.append(number)
    return np.array(found)


def _correlations(squares: Floats) -> Floats:
    """The sum of each row's correlations with all rows, 1 where it is constant."""
    centred = squares - squares.mean(axis=1, keepdims=True)
    length = np.sqrt(np.sum(centred**2, axis=1, keepdims=True))
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    return np.where(length[:, 0] > 0, unit @ unit.sum(axis=0), 1.0)


def student_p_value(p_value: float | Floats, degrees: float) -> Floats:
    """The p-value of a normal deviate whose scale is an estimate with ``degrees`` of freedom: Student's t of it."""
    from scipy.special import ndtri, stdtr

    found: Floats = 2 * stdtr(degrees, ndtri(np.clip(p_value, 1e-300, 1.0) / 2))
    return found


def _degrees(effects: Floats, estimated: Floats) -> Floats:
    """Degrees of freedom of each effect: none are lost where it is 1, and where it is large the tails are heavy."""
    excess = effects - 1.0
    tails = np.divide(_HEAVY * effects, excess, out=np.full(len(effects), _KNOWN), where=excess > 0)
    return np.where(excess > 0, np.minimum(estimated, tails), _KNOWN)


def _beyond_chance(ratio: float, degrees: float) -> float:
    """A ratio of variances, or 1 where 1 of 100 streams of independent rows has more."""
    return ratio if ratio > 1.0 + _ONE_SIDED * np.sqrt(2 / degrees) else 1.0


def _together(counts: Floats, step: int) -> tuple[Floats, Flags]:
    """Counts of stretches of ``step`` blocks that are not empty, and which are not; blocks left over belong to none."""
    number = len(counts) // step
    stretches: Floats = counts[: number * step].reshape(number, step, -1).sum(axis=1)
    there: Flags = stretches.sum(axis=1) > 0
    return stretches[there], there


def _shares(stretches: Floats) -> tuple[Floats, int, float, Floats]:
    """Chi-squared of each stretch against all, its degrees of freedom, and the weighted average eigenvalue.

    Then the deviation of each share, in its standard deviations for independent rows, shape (stretches, bins).
    """
    rows = stretches.sum(axis=1)
    expected = stretches.sum(axis=0) / rows.sum()
    rare = expected * rows.mean() < _LEAST_EXPECTED
    if rare.any():
        stretches = np.column_stack([stretches[:, ~rare], stretches[:, rare].sum(axis=1)])
        expected = stretches.sum(axis=0) / rows.sum()
    kept = expected * rows.mean() >= _LEAST_EXPECTED / 2
    number, degrees = len(rows), int(kept.sum()) - 1
    if degrees < 1 or number < LEAST_STRETCHES:
        return np.zeros(number), 1, 1.0, np.zeros((number, 0))
    # A stretch is a part of all, so that it differs less than from other rows.
    scale = np.sqrt(rows * number / (number - 1))[:, None]
    deviations = (stretches[:, kept] / rows[:, None] - expected[kept]) / np.sqrt(expected[kept]) * scale
    products = deviations.T @ deviations * (number - 1) / number
    free = number - 1.0
    trace = float(np.trace(products))
    squared = (free * float(np.sum(products**2)) - trace**2) / (free * (free - 1) * (free + 2))
    average = max(squared, 0.0) / (trace / free) if trace else 1.0
    single = deviations / np.sqrt(1 - expected[kept])
    return np.sum(deviations**2, axis=1), degrees, average, single


def _locations(stretches: Floats, scores: Floats) -> Floats:
    """The mean normal score of each stretch, in its standard deviations for independent rows."""
    rows = stretches.sum(axis=1)
    number = len(rows)
    found: Floats = stretches @ scores / np.sqrt(rows) * np.sqrt(number / (number - 1))
    return found


def _normal_scores(counts: Floats) -> Floats | None:
    """Van der Waerden's scores of ordered bins, standardised; None where all rows share one bin."""
    from scipy.special import ndtri

    total = counts.sum()
    if np.count_nonzero(counts) < 2:
        return None
    scores = ndtri((np.cumsum(counts) - counts / 2 + 0.5 * (counts == 0)) / (total + 1))
    scores -= counts @ scores / total
    standardised: Floats = scores / np.sqrt(counts @ scores**2 / total)
    return standardised


def _raised(squares: Floats, degrees: int, locations: Floats | None, free: float) -> float:
    """The least effect with which the most unusual stretch is one that chance allows."""
    from scipy.special import chdtri, ndtr, stdtrit

    deviate = stdtrit(free, 1 / (_RARE * len(squares)) / 2)
    raised = float(squares.max()) / chdtri(degrees, 2 * ndtr(deviate))
    return float(raised if locations is None else max(raised, locations.max() / deviate**2))


def _raised_single(largest: Floats, bins: int, free: float) -> float:
    """The same of the share that deviates most, of ``bins``."""
    from scipy.special import stdtrit

    deviate = stdtrit(free, 1 / (_RARE * len(largest) * bins) / 2)
    return float(largest.max() / deviate**2)


def _chi_squared(squares: Floats, degrees: int) -> Floats:
    from scipy.special import chdtrc

    found: Floats = chdtrc(degrees, squares)
    return found


def _of_many(p_values: Floats, number: int) -> Floats:
    """Bonferroni's p-value of the smallest of ``number``."""
    found: Floats = np.minimum(MOST, number * p_values)
    return found
