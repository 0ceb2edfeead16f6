"""Doubts of what a baseline took its columns for: what is odd, what was assumed, and the key that changes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from exporter.parse.times import epoch_microseconds
from exporter.references.baseline.account import named
from exporter.references.baseline.columns import MOSTLY, Column, Guess, members
from exporter.references.baseline.source import LEADING_ZEROS, Source
from exporter.references.reference import FeatureViews
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.numeric import NumericSummary
from exporter.summary.outcomes import ROUNDING
from mlslo.monitor import Monitor

_SHOWN = 3
_LOOKED_AT = 10_000
_FEWEST_IDS = 20
_SOME = 0.1
_LONGEST = 40
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_INDEX_NAMES = ("index", "level_0", "__index_level_0__", "")
_ALREADY_TOLD = ("categorical", "text", None)


class Inferred(NamedTuple):
    """A column, its kind (a declared one, or a guess), and what is known of its values; None where it is left out."""

    column: Column
    guess: Guess
    declared: bool
    views: FeatureViews | None

    @property
    def taken_for(self) -> str:
        """Assumption that was made."""
        return "left out" if self.views is None else f"taken as {self.views.kind}"


class _Doubt(NamedTuple):
    """``reason``: with what was assumed. ``key``: what to write, of which NAME is the feature."""

    feature: str
    example: str
    reason: str
    key: str


def find(source: Source, monitor: Monitor, inferred: Sequence[Inferred]) -> list[str]:
    """Return a line for each kind of doubt, however many columns have it."""
    grouped: dict[tuple[str, str], list[_Doubt]] = {}
    for item in inferred:
        for doubt in _of_column(source, item):
            grouped.setdefault((doubt.reason, doubt.key), []).append(doubt)
    return [*_of_scores(source, monitor), *map(_line, grouped.values())]


def _line(doubts: Sequence[_Doubt]) -> str:
    shown = ", ".join(
        f"'{doubt.feature}'" + (f" (such as {doubt.example})" if doubt.example else "")
        for doubt in doubts[:_SHOWN]
    )
    more = f" and {len(doubts) - _SHOWN} more" if len(doubts) > _SHOWN else ""
    name = named(doubts[0].feature) if len(doubts) == 1 else "NAME"
    return f"{shown}{more}: {doubts[0].reason}; {doubts[0].key.replace('NAME', name)}"


def _of_column(source: Source, item: Inferred) -> Iterator[_Doubt]:
    """Yield the doubts of one column; of a declared one only that there is nothing to compare."""
    feature = item.column.feature
    ((present, example),) = source.query(
        f"SELECT count({item.column.text}), any_value({item.column.text}) FROM source"
    )
    if not present:
        yield _Doubt(
            feature, "", "no value in any row, so left out", "is it filled in where the data is from?"
        )
        return
    shown = _shown(example)
    if _is_constant(item.views):
        yield _Doubt(
            feature,
            shown,
            "one value in all rows: any other will count as drift",
            "is the data a fair sample?",
        )
    elif not item.declared:
        yield from _of_numbers(source, item, present, shown)
        if item.column.type in ("VARCHAR", "JSON"):
            yield from _of_text(source, item)


def _of_numbers(source: Source, item: Inferred, present: int, example: str) -> Iterator[_Doubt]:
    feature, value = item.column.feature, item.column.parsed("number")
    if item.views is None or item.views.kind != "numeric":
        return
    of_pandas = feature.startswith("Unnamed: ")
    whole = item.column.is_number and item.column.type.removeprefix("U").startswith(_WHOLE)
    if whole and present == source.rows:
        ((low, high, about),) = source.query(
            f"SELECT min({value}), max({value}), approx_count_distinct({value}) FROM source"
        )
        counted = low == 0 and high == source.rows - 1
        of_pandas = of_pandas or (feature in _INDEX_NAMES and counted)
        if not of_pandas and present >= _FEWEST_IDS and about > 0.8 * present:
            ((distinct,),) = source.query(f"SELECT count(DISTINCT {value}) FROM source")
            if distinct == present:
                reason = f"whole numbers, no two of them equal (an id?): {item.taken_for}"
                yield _Doubt(
                    feature, example, reason, "if not, write NAME: {type: categorical}, or leave it out"
                )
    if of_pandas:
        reason = f"looks like the index of a DataFrame: {item.taken_for}"
        yield _Doubt(
            feature,
            example,
            reason,
            "if it is no feature, write the data with index=False, or NAME: {type: text}",
        )


def _of_text(source: Source, item: Inferred) -> Iterator[_Doubt]:
    feature, text = item.column.feature, item.column.text
    number = f"TRY_CAST({text} AS DOUBLE) IS NOT NULL"
    code = f"regexp_full_match({text}, '{LEADING_ZEROS}')"
    time = f"({epoch_microseconds(text)}) IS NOT NULL AND NOT {number}"
    some = f"(SELECT * FROM source WHERE {text} IS NOT NULL LIMIT {_LOOKED_AT})"
    ((rows, numbers, other, times, stamp),) = source.query(
        f"SELECT count(*), count(*) FILTER ({number}), any_value({text}) FILTER (NOT {number}), "
        f"count(*) FILTER ({time}), any_value({text}) FILTER ({time}) FROM {some}"
    )
    ((zeros,),) = source.query(f"SELECT any_value({text}) FILTER ({code}) FROM source")
    kind = item.views.kind if item.views is not None else None
    if zeros is not None and kind in _ALREADY_TOLD:
        reason = f"leading zeros, so codes and no numbers: {item.taken_for}"
        yield _Doubt(feature, _shown(zeros), reason, "if they are numbers, write NAME: {type: numeric}")
    elif kind == "numeric" and other is not None:
        reason = f"text that is no number among numbers, which counts as missing: {item.taken_for}"
        yield _Doubt(feature, _shown(other), reason, "if it is a category, write NAME: {type: categorical}")
    elif kind in _ALREADY_TOLD and _SOME * rows <= numbers < rows:
        reason = f"numbers among text: {item.taken_for}"
        yield _Doubt(feature, _shown(other), reason, "if they are numbers, write NAME: {type: numeric}")
    if kind in _ALREADY_TOLD and times >= MOSTLY * rows:
        reason = f"text that looks like a time: {item.taken_for}"
        yield _Doubt(feature, _shown(stamp), reason, "if it is one, write NAME: {type: timestamp}")


def _of_scores(source: Source, monitor: Monitor) -> Iterator[str]:
    path = monitor.spec.predictions.fields.score
    if path is None or monitor.spec.task not in ("binary", "multiclass"):
        return
    for column in members(source, path):
        value = column.parsed("number")
        outside = f"isfinite({value}) AND ({value} < {-ROUNDING} OR {value} > {1 + ROUNDING})"
        ((found, example),) = source.query(
            f"SELECT count(*) FILTER ({outside}), any_value({value}) FILTER ({outside}) FROM source"
        )
        if found:
            yield (
                f"'{column.feature or path}' (such as {example:g}): {found} of {source.rows} scores are outside 0 to 1 "
                f"and left out, for a probability is expected; is it a logit, or a percentage? "
                "'spec.predictions.fields.score' names the field"
            )
            return


def _is_constant(views: FeatureViews | None) -> bool:
    summary: Any = views.primary.summary if views is not None else None
    if isinstance(summary, NumericSummary):
        return views is not None and views.kind == "numeric" and bool(summary.minimum == summary.maximum)
    return isinstance(summary, CategoricalSummary) and int((summary.counts > 0).sum()) == 1


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")
