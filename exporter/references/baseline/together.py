"""What the data says of all features together: second moments, and attributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from exporter.features.kind import number_column
from exporter.references.baseline.columns import Column, members
from exporter.references.baseline.source import Source
from exporter.references.reference import FeatureViews, Moments, NumericReference
from exporter.summary.second_moments import SecondMomentsSummary

MOST_FEATURES = 200
_NUMBERS = 1 << 22


def moments(
    source: Source, columns: Sequence[Column], described: Mapping[str, FeatureViews]
) -> Moments | None:
    """Of the numeric features, in alphabetical order, of which the first 200; None where there are none."""
    taken: list[tuple[Column, NumericReference]] = []
    for column in sorted(columns, key=lambda column: column.feature):
        item = described.get(column.feature)
        if item is None or item.kind != "numeric" or not isinstance(item.primary, NumericReference):
            continue
        taken.append((column, item.primary))
    del taken[MOST_FEATURES:]
    if not taken:
        return None
    means = np.array([found.summary.mean for _, found in taken])
    deviations = np.sqrt(np.array([found.summary.variance for _, found in taken]))
    wanted = {str(position): column.leaf("number") for position, (column, _) in enumerate(taken)}
    summary = SecondMomentsSummary.empty(means, deviations)
    for block in source.blocks(wanted, max(1, _NUMBERS // len(taken))):
        values = [number_column(block[str(position)]) for position in range(len(taken))]
        groups = np.zeros(len(values[0]), dtype=np.intp)
        summary += SecondMomentsSummary.fold_columns(means, deviations, values, groups, 1)[0]
    return Moments(tuple(column.feature for column, _ in taken), summary)


def attributions(source: Source, path: str | None) -> dict[str, float]:
    """Feature -> mean |attribution| over the rows that have one; the features below ``path``."""
    found: dict[str, float] = {}
    for column in members(source, path) if path else []:
        value = f"abs({column.leaf('number')})"
        ((mean,),) = source.query(f"SELECT avg({value}) FILTER (isfinite({value})) FROM source")
        if mean is not None:
            found[column.feature] = mean
    return dict(sorted(found.items()))
