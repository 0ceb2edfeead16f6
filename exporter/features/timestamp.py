"""Points in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from exporter.features.binning.binning import Frame
from exporter.features.binning.categorical import CategoricalFrame
from exporter.features.binning.numeric import Numbers, NumericFrame
from exporter.features.kind import Column, Enumeration, Kind, flag_column, number_column
from exporter.parse import sql
from exporter.summary.categorical import MISSING

HOURS = tuple(f"{hour:02}" for hour in range(24))
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAY = 86_400
_THURSDAY = 3  # 1 January 1970


class Timestamp(Kind):
    """Three views: epoch seconds, the hour of the day and the day of the week, both in UTC."""

    name = "timestamp"
    leaf = "text"
    ranged = True

    def views(self, feature: str) -> dict[str, str]:
        return {"value": feature, "hour": f"{feature}.hour", "weekday": f"{feature}.weekday"}

    def frames(self) -> dict[str, Frame]:
        return {
            "value": NumericFrame(np.empty(0), 0.0),
            "hour": CategoricalFrame(HOURS),
            "weekday": CategoricalFrame(WEEKDAYS),
        }

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        time = sql.epoch_microseconds(value)
        return {"time": time, "invalid": f"{value} IS NOT NULL AND ({time}) IS NULL"}

    def decode(self, raw: Mapping[str, Column], frames: Mapping[str, Frame]) -> dict[str, Any]:
        seconds = number_column(raw["time"]) / 1e6
        known = ~np.isnan(seconds)
        whole = np.floor(np.where(known, seconds, 0.0)).astype(np.int64)
        hour = np.where(known, whole % _DAY // 3600, MISSING)
        weekday = np.where(known, (whole // _DAY + _THURSDAY) % 7, MISSING)
        return {"value": Numbers(seconds, flag_column(raw, "invalid")), "hour": hour, "weekday": weekday}
