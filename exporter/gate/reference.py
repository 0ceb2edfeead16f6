"""Checks that follow from a reference: drift, new categories, missing and invalid values, columns that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

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
from mlslo.monitor import Spec

Found = Iterator[Check | NotJudged]
Share = tuple[float, float]
"""Rows that are missing or invalid, and all rows."""

_RATE = 0.01
"""False discoveries among the features that are named."""
_TOO_FEW = "fewer than minSamples values"


def of_reference(batch: Batch) -> Found:
    """Judge drift, new categories and missing values of each version of the batch against each static reference.

    A share or a distribution has changed where that is beyond the noise of reference and batch, and as large as
    ``drift.effectSize``: the rule of ``ml_features_drifted``. New categories have no smallest size.
    """
    for name, reference in batch.references.items():
        source = f"reference {name}"
        for feature in reference.described:
            if feature not in batch.columns and batch.columns:
                gone = {"what": "column", "where": feature, "expected": f"as in {source}", "found": "none"}
                yield Check.model_validate({**gone, "passed": False, "source": source})
        yield from _labels(batch, source, reference)
    several = len(batch.snapshot.windows) > 1
    for window in batch.snapshot.windows:
        compared = compare_features(window, exported=False)
        for name in window.static:
            for found in _of_window(batch, window, name, compared[name]):
                where = f"{found.where} of version {window.version}" if several else found.where
                yield found.model_copy(update={"where": where})


def _of_window(batch: Batch, window: WindowSummaries, name: str, compared: Compared) -> Found:
    reference, source = window.static[name], f"reference {name}"
    # Where one feature has drifted, three of ten that are named beside it may be innocent: too many to stop a run for.
    # Where none is named so, and the data set as a whole has drifted, those that show it most are; that is known only
    # where the reference says how far features depend on each other.
    changed = drifted_features(window, name, compared, _RATE)
    if not changed and reference.noise is not None:
        changed = drifted_features(window, name, compared)
    shares: dict[str, dict[str, tuple[Share, Share]]] = {"missing": {}, "invalid": {}}
    for feature, then in reference.features.items():
        described = reference.described[feature]
        (primary,) = (view for view, known in described.views.items() if known is described.primary)
        part = view_part(described.names(feature)[primary])
        if feature not in batch.columns or part not in window.traffic:
            continue
        now = window.traffic[part]
        for what, of in shares.items():
            if now.rows and then.summary.rows:
                of[feature] = _share(now, what), _share(then.summary, what)
        if feature in compared:
            size = max(size for _, size in compared[feature])
            yield _drift(source, feature, size, passed=feature not in changed)
        elif isinstance(then.binning, MixBinning) or not hasattr(then.summary, "present"):
            continue
        else:
            few = _TOO_FEW if not window.enough(now.present) else "it has no test"
            yield NotJudged(what="drift", source=source, where=feature, reason=few)
        if isinstance(then.binning, CategoricalBinning) and described.kind == "categorical":
            yield _new_categories(batch, source, feature, now, then)
    for what, of in shares.items():
        yield from _risen(source, what, of, window.spec.drift.effectSize)
    predicted = compared_part(window)
    if predicted is not None and predicted[2](reference) is not None:
        part, _, view = predicted
        pair = drift.export(window, "ml_prediction", part, (), view, judged=True).get(name)
        yield _alone(window.spec, source, "score" if part == "score" else "predicted class", pair)


def _share(summary: Any, what: str) -> Share:
    number = float(getattr(summary, what, 0.0))
    if what == "invalid":
        number += float(getattr(summary, "infinite", 0.0))
    return number, float(summary.rows)


def _risen(source: str, what: str, shares: Mapping[str, tuple[Share, Share]], least: float) -> Found:
    """Judge shares of rows, now and then, that should not have risen: by ``least``, and beyond chance."""
    p_values = {name: _chance(*now, then[0] + 1, then[1] + 1) for name, (now, then) in shares.items()}
    sizes = {name: now[0] / now[1] - then[0] / then[1] for name, (now, then) in shares.items()}
    risen = drifted(p_values, sizes, least, rate=_RATE)
    for name, (now, then) in shares.items():
        expected, found = (f"{number / rows:.2%} of rows" for number, rows in (then, now))
        passed = name not in risen
        yield Check(
            what=what,
            where=name,
            expected=expected,
            found=found,
            passed=passed,
            rows=int(now[0]),
            source=source,
        )


def _chance(number: float, rows: float, cases: float, of: float) -> float:
    """Chance of ``number`` or more of ``rows``, each with the probability ``cases`` / ``of``: the binomial's tail."""
    from scipy.special import betainc

    return float(betainc(number, rows - number + 1, min(1.0, cases / of))) if number else 1.0


def _new_categories(batch: Batch, source: str, feature: str, now: Any, then: Any) -> Check:
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
        value = sql.canonical(batch.columns[feature].text)
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


def _labels(batch: Batch, source: str, reference: Reference) -> Found:
    """Judge the labels, over the bins of the reference; those of sets are no sample of their classes."""
    then, column, spec = reference.labels, batch.label, batch.monitor.spec
    if then is None or column is None or isinstance(then.binning, MixBinning):
        return
    place: Callable[[Any], int]
    if isinstance(then.binning, CategoricalBinning):
        value = sql.canonical(column.text)
        if spec.task == "binary":
            value = f"({sql.binary_class(column.text, spec.predictions.positiveClass)})::VARCHAR"
        known = {category: place for place, category in enumerate(then.binning.categories)}
        there, place = f"{value} IS NOT NULL", lambda label: known.get(label, len(known))
    else:
        value, edges = column.parsed("number"), then.deciles
        there, place = f"isfinite({value})", lambda label: int(np.searchsorted(edges, label))
    before = drift.Sample(then.summary, then).bins
    counts = np.zeros(len(before))
    query = f"SELECT {value}, count(*) FROM source WHERE {there} GROUP BY 1"
    for label, number in batch.source.query(query):
        counts[place(label)] += number
    p_value, size = chi_squared_p_value(counts, before), total_variation(counts, before)
    enough = counts.sum() >= spec.minSamples
    yield _alone(
        spec,
        source,
        "label",
        (p_value, size) if enough and p_value is not None and size is not None else None,
    )


def _alone(spec: Spec, source: str, where: str, pair: tuple[float, float] | None) -> Check | NotJudged:
    """Judge p-value and effect size as of a data set of one feature."""
    if pair is None:
        return NotJudged(what="drift", source=source, where=where, reason=_TOO_FEW)
    changed = drifted({where: pair[0]}, {where: pair[1]}, spec.drift.effectSize)
    return _drift(source, where, pair[1], passed=not changed)


def _drift(source: str, where: str, size: float, *, passed: bool) -> Check:
    found = f"{size:.1%} of rows lie elsewhere"
    return Check(
        what="drift", where=where, expected=f"as in {source}", found=found, passed=passed, source=source
    )
