"""Drift: statistics of a sample against a reference, and the level that each reaches by chance.

One table for each kind of view. A statistic is one line of a table; a metric is named after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from exporter.features.binning import (
    Binning,
    CategoricalBinning,
    EmbeddingBinning,
    MixBinning,
    NumericBinning,
    VocabularyBinning,
)
from exporter.measure.gauges import Reason, WindowSummaries
from exporter.references.reference import Reference, ViewReference
from exporter.statistics import contingency, cosine, divergences, mean_shift, normal_scores, wasserstein
from exporter.statistics import kolmogorov_smirnov as ks
from exporter.statistics.contingency import largest_share_p_value
from exporter.statistics.design_effect import student_p_value
from exporter.statistics.false_discovery import combined_p_value
from exporter.statistics.hashed_counts import vocabulary_overlap
from exporter.summary.base import Floats, Summary

EFFECT_SIZE = "drift_effect_size"

_DIGITS = 7
# Most of what drifts moves; what only changes its shape must show by itself.
_LOCATION, _SHAPE = 0.8, 0.2


@dataclass(frozen=True, eq=False)
class Sample:
    """One of two samples. ``summary``: of it. ``reference``: whose bins both are counted over."""

    summary: Any
    reference: ViewReference

    @cached_property
    def bins(self) -> Floats:
        """Counts over the bins of PSI and its kin: deciles, categories, or slots of words."""
        counts: Floats
        match self.reference.binning:
            case NumericBinning():
                counts = self.summary.regrouped(self.reference.deciles)
            case CategoricalBinning(categories) | MixBinning(categories):
                counts = self.summary.over(categories)
            case _:
                counts = self.summary.counts
        return counts

    @property
    def edges(self) -> Floats:
        """The fine edges of numbers."""
        edges: Floats = self.reference.summary.edges
        return edges

    @cached_property
    def fine(self) -> Floats:
        """Counts over the fine edges."""
        counts: Floats = self.summary.regrouped(self.edges)
        return counts

    @cached_property
    def deviation(self) -> float:
        """Population standard deviation of numbers."""
        return float(np.sqrt(self.summary.variance))


class _Itself:
    """Key of a cache: a summary that is this very one, whatever it holds."""

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.summary is self.summary

    def __hash__(self) -> int:
        return id(self.summary)


def _reference_sample(summary: Summary, bins: ViewReference) -> Sample:
    return _kept_sample(_Itself(summary), bins)


# Windows are compared with the same references, of all traffic and of each segment: their counts are grouped once.
@lru_cache(maxsize=4096)
def _kept_sample(summary: _Itself, bins: ViewReference) -> Sample:
    return Sample(summary.summary, bins)


class Pair:
    """A sample now and one then, both over the bins of ``bins``; then is that of ``bins``, where no other is given.

    ``seconds``: that the sample now took, where it is a window.
    """

    def __init__(
        self,
        current: Summary,
        bins: ViewReference,
        then: Summary | None = None,
        seconds: float | None = None,
    ) -> None:
        self.kind: ViewKind = _KINDS[type(bins.binning)]
        self.now: Sample = Sample(current, bins)
        self.then: Sample = _reference_sample(then or bins.summary, bins)
        self._seconds = seconds
        self._rows: float = float(self.now.summary.present)

    def value(self, statistic: str) -> float | None:
        """Compute a statistic of this kind of view; None where it is undefined."""
        return self.kind.statistics[statistic].value(self)

    @property
    def p_value(self) -> float | None:
        """The chance of this much difference without drift; None where it is not known."""
        p_value = self.kind.p_value(self)
        noise = self.now.reference.noise
        if noise is None or p_value is None:
            return p_value
        return float(student_p_value(p_value, noise.degrees_of_freedom(self._rows, self._seconds)))

    @cached_property
    def effect_size(self) -> float | None:
        """The share of rows that would have to change for there to be no difference; None where it is not known."""
        return self.kind.effect_size(self)

    @cached_property
    def effective_rows(self) -> float:
        """Independent rows that say as much as those of the sample now; all noise beyond chance is taken as its."""
        return self._effective_rows()

    def _effective_rows(self, *, single: bool = False) -> float:
        of_reference = self.then.summary is self.now.reference.summary
        then = None if of_reference else float(self.then.summary.present)
        return effective_rows(self.now.reference, self._rows, self._seconds, then, single=single)

    def _effective(self, counts: Floats) -> Floats:
        """Counts of the sample now, of so many rows as it is worth."""
        return counts * (self.effective_rows / self._rows) if self._rows else counts

    @cached_property
    def ks(self) -> float | None:
        """Kolmogorov-Smirnov's distance of numbers."""
        return ks.kolmogorov_smirnov(self.now.fine, self.then.fine)

    @cached_property
    def ks_p_value(self) -> float | None:
        """The chance of such a distance without drift, were all rows independent."""
        return self._ks_p_value(self._rows)

    def _ks_p_value(self, rows: float) -> float | None:
        if self.ks is None:
            return None
        return ks.kolmogorov_smirnov_p_value(self.ks, rows, self.then.summary.present)

    @property
    def numbers_p_value(self) -> float | None:
        """The chance, without drift, of numbers this different in location (normal scores) and shape (KS)."""
        location = normal_scores.normal_scores_p_value(self._effective(self.now.fine), self.then.fine)
        shape = self._ks_p_value(self.effective_rows)
        if location is None or shape is None:
            return shape
        largest = self._largest_share_p_value()
        if largest is None:
            return combined_p_value(location, shape, weights=(_LOCATION, _SHAPE))
        return combined_p_value(location, shape, largest, weights=(_LOCATION, _SHAPE / 2, _SHAPE / 2))

    def _largest_share_p_value(self) -> float | None:
        """The chance of a share of one decile as different, where its noise is known: a spike is in no clump."""
        if self.now.reference.noise is None:
            return None
        return largest_share_p_value(
            self.now.bins, self.then.bins, self._effective_rows(single=True), self.then.summary.present
        )

    @property
    def categories_p_value(self) -> float | None:
        """The chance, without drift, of categories this different."""
        return contingency.chi_squared_p_value(self._effective(self.now.bins), self.then.bins)

    @cached_property
    def chi2_p_value(self) -> float | None:
        """The same, were all rows independent."""
        return contingency.chi_squared_p_value(self.now.bins, self.then.bins)


def effective_rows(
    bins: ViewReference,
    rows: float,
    seconds: float | None,
    rows_then: float | None = None,
    *,
    single: bool = False,
) -> float:
    """Return how many independent rows say as much as ``rows`` that took ``seconds``.

    ``rows_then``: of a window of the past that they are compared with; None where that is the reference of ``bins``.
    ``single``: of the share of one bin alone.
    """
    noise = bins.noise
    if noise is None or not rows:
        return rows
    if rows_then is None:
        then = noise.variance(float(bins.summary.present), single=single)
    else:
        took = None if seconds is None else seconds * rows_then / rows
        then = noise.variance(rows_then, took, single=single)
    return 1.0 / (1.0 / rows + noise.variance(rows, seconds, single=single) + then)


@dataclass(frozen=True)
class Statistic:
    """``value``: of a pair. ``noise``: the level that 1 of 100 drift-free windows of so many rows exceeds."""

    value: Callable[[Pair], float | None]
    noise: Callable[[float, Sample], float | None] | None = None


@dataclass(frozen=True)
class ViewKind:
    """``statistics``: by name, as metrics have it. ``p_value``, ``effect_size``: of a pair, where it has any."""

    statistics: Mapping[str, Statistic]
    p_value: Callable[[Pair], float | None] = lambda _: None
    effect_size: Callable[[Pair], float | None] = lambda _: None


def _of_bins(
    value: Callable[[Floats, Floats], float | None],
    noise: Callable[[float, Floats], float | None] | None = None,
) -> Statistic:
    return Statistic(
        lambda pair: value(pair.now.bins, pair.then.bins),
        None if noise is None else lambda rows, then: noise(rows, then.bins),
    )


_OF_COUNTS = {
    "psi": _of_bins(divergences.population_stability_index, divergences.psi_noise),
    "js_distance": _of_bins(divergences.jensen_shannon_distance, divergences.jensen_shannon_noise),
    "hellinger_distance": _of_bins(divergences.hellinger_distance, divergences.hellinger_noise),
}

NUMBERS = ViewKind(
    {
        **_OF_COUNTS,
        "ks_statistic": Statistic(
            lambda pair: pair.ks, lambda rows, then: ks.kolmogorov_smirnov_noise(rows, then.fine)
        ),
        "ks_p_value": Statistic(lambda pair: pair.ks_p_value),
        "wasserstein_distance": Statistic(
            lambda pair: wasserstein.wasserstein_distance(
                pair.now.summary, pair.then.summary, pair.then.edges, pair.then.deviation
            ),
            lambda rows, then: wasserstein.wasserstein_noise(rows, then.summary, then.edges, then.deviation),
        ),
        "mean_shift_sigmas": Statistic(
            lambda pair: mean_shift.mean_shift(pair.now.summary, pair.then.summary, pair.then.deviation),
            lambda rows, then: mean_shift.mean_shift_noise(rows, then.summary.present, then.deviation),
        ),
        EFFECT_SIZE: Statistic(lambda pair: pair.effect_size),
    },
    lambda pair: pair.numbers_p_value,
    lambda pair: pair.ks,
)
CATEGORIES = ViewKind(
    {
        **_OF_COUNTS,
        "cramers_v": _of_bins(contingency.cramers_v, contingency.cramers_v_noise),
        "chi2_p_value": Statistic(lambda pair: pair.chi2_p_value),
        "new_category_ratio": _of_bins(contingency.new_category_ratio),
        EFFECT_SIZE: Statistic(lambda pair: pair.effect_size),
    },
    lambda pair: pair.categories_p_value,
    lambda pair: divergences.total_variation(pair.now.bins, pair.then.bins),
)
# A value is no sample of its parts, nor a text of its words: neither has a p-value or a noise level.
MIXES = ViewKind({name: Statistic(item.value) for name, item in _OF_COUNTS.items()})
WORDS = ViewKind(
    {
        "js_distance": _of_bins(divergences.jensen_shannon_distance),
        "hellinger_distance": _of_bins(divergences.hellinger_distance),
        "vocabulary_overlap_ratio": Statistic(
            lambda pair: vocabulary_overlap(pair.now.summary, pair.then.summary)
        ),
    },
)
VECTORS = ViewKind(
    {
        "embedding_cosine_distance": Statistic(
            lambda pair: cosine.cosine_distance(pair.now.summary, pair.then.summary),
            lambda rows, then: cosine.cosine_distance_noise(rows, then.summary),
        ),
    },
)
_KINDS: Mapping[type[Binning], ViewKind] = {
    NumericBinning: NUMBERS,
    CategoricalBinning: CATEGORIES,
    MixBinning: MIXES,
    VocabularyBinning: WORDS,
    EmbeddingBinning: VECTORS,
}


def statistics_of(binning: Binning) -> tuple[str, ...]:
    """Return the names of the statistics that a view over ``binning`` has."""
    return tuple(_KINDS[type(binning)].statistics)


def with_noise(binning: Binning) -> tuple[str, ...]:
    """Return the names of those whose noise level is known."""
    statistics = _KINDS[type(binning)].statistics
    return tuple(name for name, item in statistics.items() if item.noise is not None)


def noise(
    current: Summary,
    bins: ViewReference,
    past: Summary | None = None,
    statistics: Collection[str] | None = None,
    seconds: float | None = None,
) -> Mapping[str, float | None]:
    """Compute the noise levels of ``statistics`` (None: of all) that have one.

    Against a reference that stays as it is they are worked out once for about so many rows: rounded down to seven
    binary digits, at most 1/64 fewer. A level falls with 1/n or slower, so that it is at most 1.6 % too high.
    """
    rows = effective_rows(
        bins,
        float(current.present),  # type: ignore[attr-defined]
        seconds,
        None if past is None else float(past.present),  # type: ignore[attr-defined]
    )
    known = with_noise(bins.binning)
    wanted = known if statistics is None else [name for name in known if name in statistics]
    if past is None:
        about = rounded_rows(rows)
        return {name: _static_level(name, bins, about) for name in wanted}
    return {name: _level(name, rows, bins, past) for name in wanted}


def rounded_rows(rows: float) -> float:
    """``rows``, rounded down to seven binary digits."""
    step = 2.0 ** max(0, math.frexp(rows)[1] - _DIGITS)
    return math.floor(rows / step) * step


# Some 4 MB: windows hold a little more or less from cycle to cycle, and most find what an earlier one worked out.
@lru_cache(maxsize=32_768)
def _static_level(statistic: str, bins: ViewReference, rows: float) -> float | None:
    return _level(statistic, rows, bins, bins.summary)


def _level(statistic: str, rows: float, bins: ViewReference, reference: Summary) -> float | None:
    level = _KINDS[type(bins.binning)].statistics[statistic].noise
    assert level is not None
    return level(rows, _reference_sample(reference, bins))


def export(
    window: WindowSummaries,
    prefix: str,
    part: str,
    statistics: tuple[str, ...],
    view: Callable[[Reference], ViewReference | None],
    *,
    judged: bool = False,
    **labels: str,
) -> dict[str, tuple[float, float]]:
    """Export drift of ``part`` of the traffic against every reference.

    Return p-value and effect size by reference, where ``judged``.

    ``prefix``: of the names of metrics. ``view``: what a static reference holds of it.
    """
    statistics = tuple(name for name in statistics if window.wants(f"{prefix}_{name}"))
    if not (statistics or judged):
        return {}
    noisy = statistics and not window.segment and window.wants(f"{prefix}_drift_noise_level")
    current = window.traffic[part]
    fixed = window.bins(view)
    compared: list[tuple[str, ViewReference | None, Any]] = [
        *((name, view(reference), None) for name, reference in window.static.items()),
        *((name, fixed, past[part]) for name, past in window.past.items()),
    ]
    found = {}
    withheld = dict(window.absent)
    for name, bins, past in compared:
        if bins is None:
            withheld[name] = Reason.NOT_IN_REFERENCE
        elif not window.enough(current.present):
            withheld[name] = Reason.TOO_FEW_SAMPLES
        elif (past is not None or window.segment) and not window.enough((past or bins.summary).present):
            withheld[name] = Reason.REFERENCE_TOO_SMALL
        else:
            pair = Pair(current, bins, past, window.seconds)
            levels = noise(current, bins, past, statistics, window.seconds) if noisy else {}
            of = {**labels, "reference": name}
            for statistic in statistics:
                window.set(f"{prefix}_{statistic}", pair.value(statistic), **of)
                if statistic in levels:
                    level = levels[statistic]
                    window.set(f"{prefix}_drift_noise_level", level, **of, statistic=statistic)
            if judged and (p_value := pair.p_value) is not None and (size := pair.effect_size) is not None:
                found[name] = p_value, size
    for name, reason in withheld.items():
        for statistic in statistics:
            window.withhold(f"{prefix}_{statistic}", reason, **labels, reference=name)
    return found
