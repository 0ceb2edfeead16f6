"""Design effects: how much more the stretches of a stream differ from each other than independent rows would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from exporter.statistics.false_discovery import combined_p_values, data_set_p_value, evidence
from exporter.summary.base import Flags, Floats

LEAST_STRETCHES = 4
"""Of a length that the data has fewer stretches of, nothing is learnt."""

_CARRIED = 8.0
"""Degrees of freedom that a length brings to the next longer one, at most."""
_RARE = 20.0
_LEAST_EXPECTED = 1.0
_SHAPE = 0.2
_CARRIED_DEPENDENCE = 128.0
_STEP = 1.05
_REFUTED = 0.001
_MOST_UNUSUAL = 3
_KNOWN = 1e6
# Degrees of freedom, at most, where rows depend on each other: fitted to data sets (docs/decisions.md).
_HEAVY = 8.0
_ONE_SIDED = 1.645


class Learnt(NamedTuple):
    """``effects``, ``degrees`` of freedom: one of each length. ``p_values``: of each length, shape (stretches,)."""

    effects: Floats
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
    refutes them. The most unusual stretch may be as unusual as the most of 20 times as many; where it would be more,
    the effect is raised.
    """
    from scipy.special import chdtr

    scores = None if cells is None else _normal_scores(cells.sum(axis=0))
    effect = growth = 1.0
    carried, before = 0.0, 0
    found = []
    for step in steps:
        stretches, there = _together(counts, step)
        if len(stretches) < LEAST_STRETCHES:
            # Nearly always empty: as far as is known, as before.
            found.append((effect, max(carried, 1.0), np.ones(len(there))))
            continue
        squares, degrees, average = _shares(stretches)
        deviations = None
        if cells is not None and scores is not None:
            deviations = _locations(_together(cells, step)[0], scores)
            average = max(average, float(np.mean(deviations**2)))
        own = len(stretches) - 1.0
        expected = effect * growth ** np.log2(step / before) if before else 1.0
        if chdtr(own, own * average / expected) < _REFUTED:
            # A whole season: what shorter stretches see of it does not hold here.
            carried = 0.0
        pooled = _beyond_chance((carried * expected + own * average) / (carried + own), carried + own)
        if before:
            growth = float(np.clip((pooled / effect) ** (1 / np.log2(step / before)), 1.0, 2.0))
        free = own + carried
        effect = max(pooled, _raised(squares, degrees, deviations, free))
        p_values = np.ones(len(there))
        p_values[there] = _p_values(squares, degrees, deviations, effect, free)
        found.append((effect, free, p_values))
        carried, before = min(free, _CARRIED), step
    effects = np.array([effect for effect, _, _ in found])
    degrees = np.array([free for _, free, _ in found])
    # Where the effect grows with the length, neighbours are alike: there are fewer independent stretches.
    longest = np.maximum.accumulate(effects[::-1])[::-1]
    return Learnt(
        effects,
        _degrees(effects, np.maximum(degrees * effects / longest, 1.0)),
        [p_values for _, _, p_values in found],
    )


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
        for stretch in by_stretch.T[np.argsort(evidence(by_stretch, axis=0))[-_MOST_UNUSUAL:]]:
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
    """A ratio of variances, or 1 where 1 of 20 streams of independent rows has more."""
    return ratio if ratio > 1.0 + _ONE_SIDED * np.sqrt(2 / degrees) else 1.0


def _together(counts: Floats, step: int) -> tuple[Floats, Flags]:
    """Counts of stretches of ``step`` blocks that are not empty, and which are not; blocks left over belong to none."""
    number = len(counts) // step
    stretches: Floats = counts[: number * step].reshape(number, step, -1).sum(axis=1)
    there: Flags = stretches.sum(axis=1) > 0
    return stretches[there], there


def _shares(stretches: Floats) -> tuple[Floats, int, float]:
    """Chi-squared of each stretch against all, its degrees of freedom, and the weighted average eigenvalue."""
    rows = stretches.sum(axis=1)
    expected = stretches.sum(axis=0) / rows.sum()
    rare = expected * rows.mean() < _LEAST_EXPECTED
    if rare.any():
        stretches = np.column_stack([stretches[:, ~rare], stretches[:, rare].sum(axis=1)])
        expected = stretches.sum(axis=0) / rows.sum()
    kept = expected * rows.mean() >= _LEAST_EXPECTED / 2
    number, degrees = len(rows), int(kept.sum()) - 1
    if degrees < 1 or number < LEAST_STRETCHES:
        return np.zeros(number), 1, 1.0
    # A stretch is a part of all, so that it differs less than from other rows.
    scale = np.sqrt(rows * number / (number - 1))[:, None]
    deviations = (stretches[:, kept] / rows[:, None] - expected[kept]) / np.sqrt(expected[kept]) * scale
    products = deviations.T @ deviations * (number - 1) / number
    free = number - 1.0
    trace = float(np.trace(products))
    squared = (free * float(np.sum(products**2)) - trace**2) / (free * (free - 1) * (free + 2))
    average = max(squared, 0.0) / (trace / free) if trace else 1.0
    return np.sum(deviations**2, axis=1), degrees, average


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


def _raised(squares: Floats, degrees: int, deviations: Floats | None, free: float) -> float:
    """The least effect with which the most unusual stretch is one that chance allows."""
    from scipy.special import chdtri, ndtr, stdtrit

    least = 1 / (_RARE * len(squares))
    deviate = stdtrit(free, least / 2)
    raised = float(squares.max()) / chdtri(degrees, 2 * ndtr(deviate))
    return float(raised if deviations is None else max(raised, np.max(deviations**2) / deviate**2))


def _p_values(squares: Floats, degrees: int, deviations: Floats | None, effect: float, free: float) -> Floats:
    """The p-value of each stretch, about as windows have theirs."""
    from scipy.special import chdtrc, ndtr

    p_values: Floats = chdtrc(degrees, squares / effect)
    if deviations is not None:
        location = 2 * ndtr(-np.abs(deviations) / np.sqrt(effect))
        p_values = combined_p_values([location, p_values], weights=(1 - _SHAPE, _SHAPE))
    return student_p_value(p_values, free)
