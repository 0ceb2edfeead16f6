"""Kinds of one view: a number, a category, true or false."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter.features.binning import Binning, CategoricalBinning, Numbers, NumericBinning
from exporter.features.kind import Column, Enumeration, Kind, flag_column, number_column
from exporter.parse import sql
from exporter.parse.json_lines import filled
from exporter.summary.categorical import MISSING, UNSEEN


class Numeric(Kind):
    """One view: the value itself."""

    name = "numeric"
    binnings = {"value": NumericBinning.without_edges()}
    parsed_as = "number"
    ranged = True

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        return {"value": value}

    def decode(self, raw: Mapping[str, Column], binnings: Mapping[str, Binning]) -> dict[str, Any]:
        return {"value": Numbers(number_column(raw["value"]), flag_column(raw, "invalid"))}


class Categorical(Kind):
    """One view: the value itself. A whole number is one category with ``.0`` and without."""

    name = "categorical"
    binnings = {"value": CategoricalBinning(())}
    noun = "a category that a reference knows"

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        enumeration = categories.get("value")
        if enumeration is None:
            return {"value": f"CASE WHEN {value} IS NULL THEN {MISSING} ELSE {UNSEEN} END"}
        # Most values are categories as they stand; only what is none may be another way to write a number.
        written = (value, sql.canonical(value)) if enumeration.numbers else (value,)
        codes = ", ".join(
            f"enum_code(TRY_CAST({text} AS {sql.name(enumeration.name)}))::INTEGER" for text in written
        )
        return {"value": f"CASE WHEN {value} IS NULL THEN {MISSING} ELSE coalesce({codes}, {UNSEEN}) END"}

    def decode(self, raw: Mapping[str, Column], binnings: Mapping[str, Binning]) -> dict[str, Any]:
        return {"value": filled(raw["value"], MISSING)}


FALSE = "('false', '0', '0.0', 'no')"
TRUE = "('true', '1', '1.0', 'yes')"


class Boolean(Kind):
    """One view of two categories, whichever way they are written; other values are UNSEEN."""

    name = "boolean"
    binnings = {"value": CategoricalBinning(("false", "true"))}
    noun = "true or false"
    unseen_text = "neither true nor false"

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        return {
            "value": f"CASE WHEN {value} IS NULL THEN {MISSING} WHEN lower({value}) IN {TRUE} THEN 1 "
            f"WHEN lower({value}) IN {FALSE} THEN 0 ELSE {UNSEEN} END"
        }

    def decode(self, raw: Mapping[str, Column], binnings: Mapping[str, Binning]) -> dict[str, Any]:
        return {"value": filled(raw["value"], MISSING)}
