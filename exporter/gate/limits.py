"""Limits of gauges: those that follow from a reference, and those of ModelSLO files."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from exporter.features.binning import CategoricalBinning, MixBinning
from exporter.gate.batch import Batch
from exporter.gate.verdict import MOST_EXAMPLES, Check, NotJudged, cut
from exporter.measure import drift
from exporter.measure.data import Compared, compare_features, drifted_features
from exporter.measure.gauges import WindowSummaries
from exporter.measure.prediction import compared_part
from exporter.parse import sql
from exporter.references.reference import Reference, view_part
from exporter.statistics.contingency import chi_squared_p_value
from exporter.statistics.divergences import total_variation
from exporter.statistics.false_discovery import DATA_SET_LEVEL, drifted
from mlslo.catalogue import METRICS, Layer
from mlslo.monitor import Spec
from mlslo.yamlfile import StrictModel

Found = Iterator[Check | NotJudged]

_ERRORS = 2
"""Standard errors of ``beyondNoise``, as the generator has them."""
_RATE = 0.01
"""False discoveries among the features that are named."""
_LAYERS = (Layer.DATA, Layer.PREDICTION, Layer.OUTCOME, Layer.FAIRNESS)
_COMPARE = {"above": operator.gt, "below": operator.lt, "atLeast": operator.ge, "atMost": operator.le}
_GOOD = {"above": "at most", "below": "at least", "atLeast": "below", "atMost": "above"}


def of_reference(batch: Batch) -> Found:
    """Judge drift, new categories and missing values of each version of the batch against each static reference.

    A share or a distribution has changed where that is beyond the noise of reference and batch, and as large as
    ``drift.effectSize``: the rule of ``ml_features_drifted``. New categories have no smallest size.
    """
    for name, reference in batch.references.items():
        yield from _columns(batch, name)
        yield from _labels(batch, name, reference)
    for window in batch.snapshot.windows:
        version = f" of version {window.version}" if len(batch.snapshot.windows) > 1 else ""
        compared = compare_features(window, exported=False)
        for name, reference in window.static.items():
            for found in _of_window(batch, window, name, reference, compared[name]):
                yield found.model_copy(update={"where": found.where + version})


def _columns(batch: Batch, name: str) -> Found:
    """Yield features of the reference that the batch has no column of: renamed, or left out."""
    for feature in batch.references[name].described:
        if feature not in batch.columns and batch.columns:
            yield Check(
                what="column",
                where=feature,
                expected=f"as in reference {name}",
                found="none",
                passed=False,
                source=f"reference {name}",
            )


def _of_window(
    batch: Batch, window: WindowSummaries, name: str, reference: Reference, compared: Compared
) -> Found:
    source, expected = f"reference {name}", f"as in reference {name}"
    # Where one feature has drifted, three of ten that are named beside it may be innocent: too many to stop a run for.
    # Where none is named so, and the data set as a whole has drifted, those that show it most are; that is known only
    # where the reference says how far features depend on each other.
    changed = drifted_features(window, name, compared, _RATE)
    if not changed and reference.noise is not None:
        changed = drifted_features(window, name, compared)
    absent, invalid = {}, {}
    for feature, then in reference.features.items():
        part = view_part(reference.described[feature].names(feature)[_primary(reference, feature)])
        if feature not in batch.columns or part not in window.traffic:
            continue
        now = window.traffic[part]
        absent[feature] = _share(now, "missing"), _share(then.summary, "missing")
        invalid[feature] = _share(now, "invalid"), _share(then.summary, "invalid")
        if feature in compared:
            size = max(size for _, size in compared[feature])
            yield Check(
                what="drift",
                where=feature,
                expected=expected,
                found=_elsewhere(size),
                passed=feature not in changed,
                source=source,
            )
        elif isinstance(then.binning, MixBinning) or not hasattr(then.summary, "present"):
            continue
        else:
            few = "fewer than minSamples values" if not window.enough(now.present) else "it has no test"
            yield NotJudged(what="drift", where=feature, reason=few, source=source)
        if (
            isinstance(then.binning, CategoricalBinning)
            and reference.described[feature].kind == "categorical"
        ):
            yield _new_categories(batch, feature, now, then, source)
    for what, shares in (("missing", absent), ("invalid", invalid)):
        yield from _risen(window, what, shares, source)
    yield from _score(window, name, reference, source, expected)


def _primary(reference: Reference, feature: str) -> str:
    item = reference.described[feature]
    return next(view for view, known in item.views.items() if known is item.primary)


def _share(summary: Any, what: str) -> tuple[float, float]:
    """Return rows that are missing or invalid, and all rows."""
    number = float(getattr(summary, what, 0.0))
    if what == "invalid":
        number += float(getattr(summary, "infinite", 0.0))
    return number, float(summary.rows)


def _elsewhere(size: float) -> str:
    return f"{size:.1%} of rows lie elsewhere"


def _risen(
    window: WindowSummaries,
    what: str,
    shares: Mapping[str, tuple[tuple[float, float], tuple[float, float]]],
    source: str,
) -> Found:
    """Judge shares of rows that should not have risen."""
    known = {name: pair for name, pair in shares.items() if pair[0][1] and pair[1][1]}
    p_values = {
        name: _chance(now[0], now[1], then[0] + 1, then[1] + 1) for name, (now, then) in known.items()
    }
    sizes = {name: now[0] / now[1] - then[0] / then[1] for name, (now, then) in known.items()}
    risen = drifted(p_values, sizes, window.spec.drift.effectSize, rate=_RATE)
    for name, (now, then) in known.items():
        yield Check(
            what=what,
            where=name,
            expected=f"{then[0] / then[1]:.2%} of rows",
            found=f"{now[0] / now[1]:.2%} of rows",
            passed=name not in risen,
            rows=int(now[0]),
            source=source,
        )


def _chance(number: float, rows: float, cases: float, of: float) -> float:
    """Chance of ``number`` or more of ``rows``, each with the probability ``cases`` / ``of``: the binomial's tail."""
    from scipy.special import betainc

    return float(betainc(number, rows - number + 1, min(1.0, cases / of))) if number else 1.0


def _new_categories(batch: Batch, feature: str, now: Any, then: Any, source: str) -> Check:
    """Judge values that the reference has not.

    How many there are by chance follows from the values that the reference has once (Good and Turing, 1953).
    """
    known = then.binning.categories
    counts = then.summary.over(known)
    number, rows = float(now.over(known)[-1]), float(now.present)
    cases = float((counts[:-1] == 1).sum()) + float(counts[-1]) + 1
    passed = _chance(number, rows, cases, float(then.summary.present) + 1) > DATA_SET_LEVEL
    examples: list[str] = []
    if not passed:
        column = batch.columns[feature]
        value = sql.canonical(column.text)
        listed = ", ".join(map(sql.text, known))
        query = f"SELECT {value}, count(*) FROM source WHERE {value} NOT IN ({listed}) GROUP BY 1 ORDER BY 2 DESC, 1"
        examples = [cut(name) for name, _ in batch.source.query(f"{query} LIMIT {MOST_EXAMPLES}")]
    return Check(
        what="new categories",
        where=feature,
        expected=f"one of {len(known)} categories",
        found=f"{number:.0f} of {rows:.0f} values are none",
        passed=passed,
        rows=int(number),
        examples=examples,
        source=source,
    )


def _score(window: WindowSummaries, name: str, reference: Reference, source: str, expected: str) -> Found:
    """Judge the predictions: as a data set of one feature."""
    found = compared_part(window)
    if found is not None and found[2](reference) is not None:
        part, _, view = found
        one = drift.export(window, "ml_prediction", part, (), view, judged=True).get(name)
        where = "score" if part == "score" else "predicted class"
        yield from _judged(window.spec, where, one, source, expected)


def _labels(batch: Batch, name: str, reference: Reference) -> Found:
    """Judge the labels, over the bins of the reference; those of sets are no sample of their classes."""
    then, column, spec = reference.labels, batch.label, batch.monitor.spec
    if then is None or column is None or isinstance(then.binning, MixBinning):
        return
    counts = np.zeros(len(drift.Sample(then.summary, then).bins))
    if isinstance(then.binning, CategoricalBinning):
        value = sql.canonical(column.text)
        if spec.task == "binary":
            value = f"({sql.binary_class(column.text, spec.predictions.positiveClass)})::VARCHAR"
        known = {category: place for place, category in enumerate(then.binning.categories)}
        for label, number in batch.source.query(f"SELECT {value}, count(*) FROM source GROUP BY 1"):
            if label is not None:
                counts[known.get(label, len(known))] += number
    else:
        number_of = column.parsed("number")
        query = f"SELECT {number_of}, count(*) FROM source WHERE isfinite({number_of}) GROUP BY 1"
        for label, number in batch.source.query(query):
            counts[np.searchsorted(then.deciles, label)] += number
    before = drift.Sample(then.summary, then).bins
    p_value, size = chi_squared_p_value(counts, before), total_variation(counts, before)
    enough = counts.sum() >= spec.minSamples
    pair = (p_value, size) if enough and p_value is not None and size is not None else None
    yield from _judged(spec, "label", pair, f"reference {name}", f"as in reference {name}")


def _judged(spec: Spec, where: str, pair: tuple[float, float] | None, source: str, expected: str) -> Found:
    if pair is None:
        yield NotJudged(what="drift", where=where, reason="fewer than minSamples values", source=source)
        return
    changed = drifted({where: pair[0]}, {where: pair[1]}, spec.drift.effectSize)
    yield Check(
        what="drift",
        where=where,
        expected=expected,
        found=_elsewhere(pair[1]),
        passed=not changed,
        source=source,
    )


class Limit(StrictModel):
    """One row of `mlslo-rulegen limits --format json`."""

    alert: str | None
    slo: str
    tier: str | None
    layer: str
    model: str
    metric: str | None
    labels: dict[str, str | list[str]] = Field(default_factory=dict)
    reference: str | None = None
    comparison: Literal["above", "below", "atLeast", "atMost", "aboveReference", "belowReference"] | None = (
        None
    )
    threshold: float | None = None
    floor: float | None = None
    beyondNoise: bool = False
    series: int | None = None
    seriesRatio: float | None = None
    source: str
    notJudged: str | None = None

    @property
    def name(self) -> str:
        return self.alert or self.slo


def of_slos(batch: Batch, limits: list[Limit]) -> Found:
    """Judge the gauges of the batch by the conditions of ModelSLO files, whatever their windows.

    A condition that needs time, or a gauge that the batch has not, is not judged, and its reason is told.
    """
    for limit in limits:
        reason, series = limit.notJudged, []
        if reason is None:
            reason = _unlike_batch(batch, limit)
        if reason is None:
            series = _series(batch, limit)
            reason = None if series else _withheld(batch, limit)
        if reason is not None:
            yield NotJudged(
                what=limit.name, where=limit.metric or limit.slo, reason=reason, source=limit.source
            )
        elif limit.series is None and limit.seriesRatio is None:
            for labels, value in series:
                bad, good = _beyond(batch, limit, labels, value)
                where = _named(limit, labels)
                if bad is None:
                    yield NotJudged(what=limit.name, where=where, reason=good, source=limit.source)
                else:
                    yield _check(limit, where, good, f"{value:.6g}", passed=not bad)
        else:
            yield from _several(batch, limit, series)


def _unlike_batch(batch: Batch, limit: Limit) -> str | None:
    metric = METRICS.get(limit.metric or "")
    if metric is None:
        return "no gauge of this version of mlslo"
    if metric.layer not in _LAYERS:
        return f"a gauge of the {metric.layer.value} layer, which is of traffic and not of a batch"
    if limit.reference is not None and limit.reference not in batch.monitor.spec.references:
        return f"reference '{limit.reference}' is no static reference that is judged here"
    return None


def _series(batch: Batch, limit: Limit) -> list[tuple[dict[str, str], float]]:
    assert limit.metric is not None
    wanted = dict(limit.labels)
    names = METRICS[limit.metric].labels
    if limit.reference is not None and "reference" in names:
        wanted["reference"] = limit.reference
    return [
        (labels, value)
        for labels, value in batch.snapshot.having(limit.metric)
        if all(
            labels.get(name) in ([known] if isinstance(known, str) else known)
            for name, known in wanted.items()
        )
    ]


def _withheld(batch: Batch, limit: Limit) -> str:
    """Say why the gauge is not there, as `ml_gauge_withheld` does."""
    found = batch.snapshot.having("ml_gauge_withheld", gauge=limit.metric or "")
    reasons = sorted({labels["reason"] for labels, number in found if number})
    return f"withheld: {', '.join(reasons)}" if reasons else "the batch has no such gauge"


def _named(limit: Limit, labels: Mapping[str, str]) -> str:
    """Name a series by what tells it apart from the others of the gauge."""
    common = ("model", "window", "reference", *limit.labels)
    own = [value for name, value in labels.items() if name not in common and value]
    return " ".join([limit.metric or "", *own])


def _beyond(batch: Batch, limit: Limit, labels: Mapping[str, str], value: float) -> tuple[bool | None, str]:
    """Return whether a value is bad, and what was expected; None, and why nothing tells."""
    assert limit.comparison is not None
    assert limit.threshold is not None
    if limit.comparison in _COMPARE:
        sign = 1 if limit.comparison in ("above", "atLeast") else -1
        error = _other(batch, f"{limit.metric}_standard_error", labels, max) if limit.beyondNoise else None
        bad = _COMPARE[limit.comparison](value - sign * _ERRORS * (error or 0.0), limit.threshold)
        noise = f", by {_ERRORS} × {error:.3g}" if error is not None else ""
        return bad, f"{_GOOD[limit.comparison]} {limit.threshold:.6g}{noise}"
    above = limit.comparison == "aboveReference"
    chosen = dict(labels) | ({"reference": limit.reference} if limit.reference else {})
    reference = _other(batch, f"{limit.metric}_reference", chosen, max if above else min)
    if reference is None:
        return None, "the reference has no such figure"
    bound = limit.threshold * reference
    if above:
        bound = max(bound, limit.floor or 0.0)
    return (value > bound if above else value < bound), f"{'at most' if above else 'at least'} {bound:.6g}"


def _other(batch: Batch, metric: str, labels: Mapping[str, str], worst: Any) -> float | None:
    """Return the value of another gauge with the same labels, where it has them; the worst of several."""
    if metric not in METRICS:
        return None
    values = [value for _, value in batch.snapshot.having(metric, **labels)]
    return float(worst(values)) if values else None


def _several(batch: Batch, limit: Limit, series: list[tuple[dict[str, str], float]]) -> Found:
    """Judge how many series of a version are bad at once."""
    for version in dict.fromkeys(labels.get("version", "") for labels, _ in series):
        own = [(labels, value) for labels, value in series if labels.get("version", "") == version]
        common = ("model", "window", "reference", "version", *limit.labels)
        bad = [
            " ".join(text for name, text in labels.items() if name not in common and text)
            for labels, value in own
            if _beyond(batch, limit, labels, value)[0]
        ]
        _, good = _beyond(batch, limit, *own[0])
        if limit.series is not None:
            passed, least = len(bad) < limit.series, str(limit.series)
        else:
            assert limit.seriesRatio is not None
            passed, least = len(bad) / len(own) < limit.seriesRatio, f"{limit.seriesRatio:.0%}"
        found = f"{len(bad)} of {len(own)}" + (f": {cut(', '.join(bad))}" if bad else "")
        where = f"{limit.metric} {version}".strip()
        yield _check(limit, where, f"fewer than {least} not {good}", found, passed=passed or not bad)


def _check(limit: Limit, where: str, expected: str, found: str, *, passed: bool) -> Check:
    return Check(
        what=limit.name, where=where, expected=expected, found=found, passed=passed, source=limit.source
    )
