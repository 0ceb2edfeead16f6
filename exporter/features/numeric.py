"""Numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from exporter.features.binning.binning import Frame
from exporter.features.binning.numeric import NumericFrame
from exporter.features.kind import Column, Enumeration, Kind, number_view


class Numeric(Kind):
    """One view: the value itself."""

    name = "numeric"
    leaf = "number"
    ranged = True

    def views(self, feature: str) -> dict[str, str]:
        return {"value": feature}

    def frames(self) -> dict[str, Frame]:
        return {"value": NumericFrame(np.empty(0), 0.0)}

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        return {"value": value}

    def decode(self, raw: Mapping[str, Column], frames: Mapping[str, Frame]) -> dict[str, Any]:
        return {"value": number_view(raw, "value")}
