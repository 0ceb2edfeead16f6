"""True or false."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter.features.binning import Binning, CategoricalBinning
from exporter.features.kind import Column, Enumeration, Kind
from exporter.parse.json_lines import filled
from exporter.summary.categorical import MISSING, UNSEEN

_FALSE = "('false', '0', '0.0', 'no')"
_TRUE = "('true', '1', '1.0', 'yes')"


class Boolean(Kind):
    """One view of two categories, whichever way they are written; other values are UNSEEN."""

    name = "boolean"
    binnings = {"value": CategoricalBinning(("false", "true"))}
    noun = "true or false"
    unseen_text = "neither true nor false"

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        return {
            "value": f"CASE WHEN {value} IS NULL THEN {MISSING} WHEN lower({value}) IN {_TRUE} THEN 1 "
            f"WHEN lower({value}) IN {_FALSE} THEN 0 ELSE {UNSEEN} END"
        }

    def decode(self, raw: Mapping[str, Column], binnings: Mapping[str, Binning]) -> dict[str, Any]:
        return {"value": filled(raw["value"], MISSING)}
