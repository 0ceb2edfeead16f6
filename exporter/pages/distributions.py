"""Distributions now and in a reference, over the bins of their drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from exporter.features.binning import CategoricalBinning, MixBinning, NumericBinning
from exporter.measure import drift
from exporter.measure.exposition import Snapshot
from exporter.measure.gauges import WindowSummaries
from exporter.measure.prediction import classes_of_reference
from exporter.references.reference import ViewReference, view_part
from exporter.summary.base import Floats


@dataclass(frozen=True, eq=False)
class Distribution:
    """Shares by bin, now and in a reference.

    ``bins``: their names; ``now``, ``then``: shares, shape (bins,). ``rows``, ``rows_then``: values that they rest on.
    ``statistic``, ``distance``, ``noise``: how far they are apart, and what that exceeds in 1 of 100 windows without
    drift. ``effect_size``: the share of rows that lie elsewhere, by which it is sorted; ``least``: from which it
    matters.
    ``missing``: the share of rows without a value.
    """

    name: str
    bins: tuple[str, ...]
    now: Floats
    then: Floats
    rows: int
    rows_then: int
    statistic: str
    distance: float | None = None
    noise: float | None = None
    effect_size: float | None = None
    least: float = 0.0
    missing: float | None = None

    @property
    def rank(self) -> float:
        """The effect size; where there is none, the distance, which is a share as well."""
        return (self.distance or 0.0) if self.effect_size is None else self.effect_size

    @property
    def drifted(self) -> bool:
        """True where the distance is more than noise explains, and large enough to matter."""
        beyond = self.distance is not None and self.noise is not None and self.distance > self.noise
        return beyond and (self.effect_size is None or self.effect_size >= self.least)


def most_drifted(snapshot: Snapshot, window: WindowSummaries, reference: str) -> list[str]:
    """Return the views of features whose drift is measured, those with the largest effect size first."""
    chosen = {**window.labels, "reference": reference}
    distances: dict[str, float] = {}
    for statistic in ("psi", "js_distance", drift.EFFECT_SIZE):
        for labels, value in snapshot.having(f"ml_feature_{statistic}", **chosen):
            distances[labels["feature"]] = value
    # Where no distance is exported, all are as good as each other.
    views = distances or dict.fromkeys(window.schema.binnings, 0.0)
    return sorted(views, key=lambda view: (-views[view], view))


def features(window: WindowSummaries, reference: str, views: Sequence[str]) -> list[Distribution]:
    """Return the distribution of each of ``views`` that has one, the most drifted first."""
    found = []
    for view in views:
        bins, past = _compared(
            window, reference, lambda content, view=view: content.views.get(view), view_part(view)
        )
        distribution = _of_part(window, view, view_part(view), bins, past)
        if distribution is not None:
            found.append(distribution)
    return sorted(found, key=lambda item: (not item.drifted, -item.rank, item.name))


def prediction(window: WindowSummaries, reference: str) -> Distribution | None:
    """Return the distribution of the score; of the predicted class, where no score is logged or there are several."""
    task = window.task
    if task.classes and "classes" in window.traffic and (not task.scored or len(task.classes) > 2):
        bins, past = _compared(
            window, reference, lambda content: classes_of_reference(content, task), "classes"
        )
        return _of_part(window, "predicted class", "classes", bins, past)
    if task.scored and "score" in window.traffic:
        bins, past = _compared(window, reference, lambda content: content.score, "score")
        return _of_part(window, "score", "score", bins, past)
    return None


def _compared(
    window: WindowSummaries, reference: str, part_of: Any, part: str
) -> tuple[ViewReference | None, Any]:
    """Return the bins, and the summary of a window of the past that is compared over them, as gauges of drift are."""
    if reference in window.past:
        return window.bins(part_of), window.past[reference][part]
    return part_of(window.static[reference]) if reference in window.static else None, None


def _of_part(
    window: WindowSummaries, name: str, part: str, bins: ViewReference | None, past: Any
) -> Distribution | None:
    if part not in window.traffic:
        return None
    summary = window.traffic[part]
    if bins is None or not isinstance(bins.binning, NumericBinning | CategoricalBinning | MixBinning):
        return None
    pair = drift.Pair(summary, bins, past, window.seconds)
    now, then = pair.now.bins, pair.then.bins
    rows = int(pair.now.summary.present)
    if not window.enough(rows) or not then.sum():
        return None
    statistic = "psi" if "psi" in drift.statistics_of(bins.binning) else "js_distance"
    levels = (
        drift.noise(summary, bins, past, (statistic,), window.seconds)
        if statistic in drift.with_noise(bins.binning)
        else {}
    )
    missing = getattr(summary, "missing", None)
    return Distribution(
        name,
        _names(bins),
        now / now.sum(),
        then / then.sum(),
        rows,
        int(then.sum()),
        statistic,
        pair.value(statistic),
        levels.get(statistic),
        pair.effect_size,
        window.spec.drift.effectSize,
        None if missing is None or not summary.rows else float(missing) / summary.rows,
    )


def _names(bins: ViewReference) -> tuple[str, ...]:
    if isinstance(bins.binning, CategoricalBinning | MixBinning):
        return (*bins.binning.categories, "others")
    # The edge just below 0, of a feature that is often 0, is the smallest number that there is.
    edges = [
        f"{0.0 if abs(edge) < np.finfo(float).tiny else edge:.4g}"
        for edge in np.asarray(bins.deciles).tolist()
    ]
    if not edges:
        return ("all",)
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return (f"up to {edges[0]}", *between, f"above {edges[-1]}")
