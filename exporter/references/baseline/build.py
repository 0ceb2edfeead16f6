"""Build a reference from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from exporter.features.kind import number_column
from exporter.references.baseline import doubts, noise
from exporter.references.baseline.account import Account, of_answer, of_feature, of_left_out
from exporter.references.baseline.columns import Column, Guess, feature_columns, infer, members
from exporter.references.baseline.counting import Read, count
from exporter.references.baseline.loss_fitting import fit
from exporter.references.baseline.predictions import predicted
from exporter.references.baseline.segments import SegmentParts, groupings
from exporter.references.baseline.source import Part, Source, open_source
from exporter.references.baseline.views import Described, describe
from exporter.references.reference import FeatureViews, Moments, Reference, ViewReference, view_part
from exporter.statistics.attribution_ranking import mean_absolute_attribution
from exporter.summary.base import Codes, Floats
from exporter.summary.second_moments import SecondMomentsSummary
from exporter.summary.traffic import AttributionSummary
from mlslo.monitor import Monitor

_MOST_CORRELATED = 200
_NUMBERS = 1 << 22


@dataclass(frozen=True)
class Baseline:
    """A reference, and an account of each part of it.

    ``malformed``: records that could not be parsed. ``doubts``: a line for each kind of thing that looks odd.
    """

    reference: Reference
    accounts: list[Account]
    malformed: int
    doubts: list[str]


def build(monitor: Monitor, files: Sequence[Path], *, fit_loss_estimator: bool = False) -> Baseline:
    """Read ``files`` (all JSONL, all CSV or all Parquet) and summarise every feature, and what was predicted.

    Kinds of features come from the monitor file, or are inferred from the data. Raises InputError.
    """
    with open_source(files) as source:
        created = max(file.stat().st_mtime for file in files)
        return build_of(source, monitor, created, fit_loss_estimator=fit_loss_estimator)


def build_of(
    source: Source, monitor: Monitor, created: float, *, fit_loss_estimator: bool = False
) -> Baseline:
    """Summarise every feature of the data, and what was predicted. ``created``: Unix seconds. Raises InputError."""
    columns = feature_columns(source, monitor)
    split, of_segments = groupings(source, monitor, columns)
    parts = SegmentParts(split)

    def look(column: Column) -> tuple[Guess, Described | str]:
        declaration = monitor.spec.features.get(column.feature)
        guess = Guess(declaration.type) if declaration else infer(source, column)
        return guess, describe(source, column, guess.kind, parts.segments) if guess.kind else guess.remark

    own = SegmentParts(split)
    described: dict[str, FeatureViews] = {}
    accounts = []
    inferred = []
    # One after the other here; where the rows are elsewhere, all are asked for at once.
    asked: list[Callable[[], Any]] = [partial(look, column) for column in columns]
    asked += [partial(predicted, source, monitor, own), partial(noise.blocks_of, source, monitor)]
    answered = source.together(lambda ask: ask(), asked)
    for column in columns:
        guess, found = next(answered)
        declared = column.feature in monitor.spec.features
        if isinstance(found, str):
            accounts.append(of_left_out(column.feature, found, declared=declared))
            inferred.append(doubts.Inferred(column, guess, declared, None))
            continue
        item = described[column.feature] = found.item
        if found.counted.stacks:
            names = item.names(column.feature)
            parts.keep(found.counted, {view: view_part(name) for view, name in names.items()})
        accounts.append(of_feature(column.feature, item, guess.remark, declared=declared))
        inferred.append(doubts.Inferred(column, guess, declared, item))
    _refuse_ambiguous(monitor, columns, described)
    moments = _moments(source, columns, described, parts)
    attributions = _attributions(source, monitor.spec.predictions.fields.attributions, parts)
    answers, noisy = next(answered)
    parts.add(own)
    reference = Reference(
        created=created,
        hash="",
        rows=source.rows,
        described=described,
        moments=moments,
        attributions=attributions,
        **answers,
        segments=parts.found(segmented=True),
        groups=parts.found(segmented=False),
        loss_estimator=fit(source, monitor, columns, described) if fit_loss_estimator else None,
    )
    accounts += [of_answer(name, answer) for name, answer in reference.answers.items() if answer is not None]
    accounts += of_segments
    blocks = next(answered)
    if blocks.are_enough:
        views = noise.views_of(source, [*noise.of_features(source, columns, described), *noisy], blocks)
        groups = noise.groups_of(source, parts.segments, blocks)
        reference = reference.with_noise(noise.noise_of(views, blocks, groups))
    odd = doubts.find(source.sample, monitor, inferred)
    return Baseline(reference, accounts, source.malformed, odd)


def _refuse_ambiguous(
    monitor: Monitor, columns: Sequence[Column], described: dict[str, FeatureViews]
) -> None:
    """Raise InputError where two series would have one name, and could not be told apart."""
    features = {column.feature for column in columns}
    for feature, item in described.items():
        for name in item.names(feature).values():
            if name != feature and name in features:
                message = (
                    f"'{name}' is a feature, and a view of the {item.kind} feature '{feature}'; rename one"
                )
                raise monitor.document.error(("spec", "features"), message)


def _moments(
    source: Source, columns: Sequence[Column], described: Mapping[str, FeatureViews], parts: SegmentParts
) -> Moments | None:
    """Summarise the numeric features together, in alphabetical order, the first 200; None where there are none."""
    taken: list[tuple[Column, ViewReference]] = []
    for column in sorted(columns, key=lambda column: column.feature):
        item = described.get(column.feature)
        if item is not None and item.kind == "numeric":
            taken.append((column, item.primary))
    del taken[_MOST_CORRELATED:]
    if not taken:
        return None
    means = np.array([found.summary.mean for _, found in taken])
    deviations = np.sqrt(np.array([found.summary.variance for _, found in taken]))
    read = _numbers([column for column, _ in taken])

    def fold(values: Floats, groups: Codes, size: int) -> dict[str, Any]:
        return {"moments": SecondMomentsSummary.fold(means, deviations, values, groups, size)}

    counted = count(source, read, fold, parts.segments)
    parts.keep(counted, {"moments": "moments"})
    return Moments(tuple(column.feature for column, _ in taken), counted.whole["moments"])


def _attributions(source: Source, path: str | None, parts: SegmentParts) -> dict[str, float]:
    """Feature -> mean |attribution| over the rows that have one; the features below ``path``."""
    columns = _with_numbers(source, members(source, path) if path else [])
    if not columns:
        return {}
    names = tuple(column.feature for column in columns)

    def fold(values: Floats, groups: Codes, size: int) -> dict[str, Any]:
        return {"attributions": AttributionSummary.fold(names, values.T, groups, size)}

    counted = count(source, _numbers(columns), fold, parts.segments)
    parts.keep(counted, {"attributions": "attributions"})
    means = mean_absolute_attribution(counted.whole["attributions"])
    return {name: mean for name, mean in means.items() if mean is not None}


def _with_numbers(source: Source, columns: Sequence[Column]) -> list[Column]:
    """Return the columns that have a finite number, by feature: those that the file, and so segments, name."""
    if not columns:
        return []
    found = source.aggregate(
        *(f"count(*) FILTER (isfinite({column.parsed('number')}))" for column in columns)
    )
    known = [column for column, number in zip(columns, found, strict=True) if number]
    return sorted(known, key=lambda column: column.feature)


def _numbers(columns: Sequence[Column]) -> Read[Floats]:
    """Return what reads the numbers of columns, shape (columns, rows)."""
    requested = {str(position): column.parsed("number") for position, column in enumerate(columns)}

    def read(part: Part) -> Iterator[tuple[int, Floats]]:
        for block in part.blocks(requested, max(1, _NUMBERS // len(requested))):
            values = np.stack([number_column(block[name]) for name in requested])
            yield values.shape[1], values

    return read
