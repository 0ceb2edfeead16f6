"""Numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exporter.features.binning import Binning, Numbers, NumericBinning
from exporter.features.kind import Column, Enumeration, Kind, flag_column, number_column


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
