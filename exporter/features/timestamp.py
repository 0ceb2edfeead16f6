"""Points in time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from exporter.features.binning import Binning, CategoricalBinning, Numbers, NumericBinning
from exporter.features.kind import Column, Enumeration, Kind, flag_column, number_column
from exporter.parse.times import epoch_microseconds
from exporter.summary.categorical import MISSING

_DAY = 86_400
_THURSDAY = 3  # 1 January 1970


class Timestamp(Kind):
    """Three views: epoch seconds, the hour of the day and the day of the week, both in UTC."""

    name = "timestamp"
    suffixes = {"value": "", "hour": ".hour", "weekday": ".weekday"}
    binnings = {
        "value": NumericBinning.without_edges(),
        "hour": CategoricalBinning(tuple(f"{hour:02}" for hour in range(24))),
        "weekday": CategoricalBinning(
            ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
        ),
    }
    ranged = True
    noun = "a point in time"

    def expressions(self, value: str, categories: Mapping[str, Enumeration]) -> dict[str, str]:
        time = epoch_microseconds(value)
        return {"time": time, "invalid": f"{value} IS NOT NULL AND ({time}) IS NULL"}

    def decode(self, raw: Mapping[str, Column], binnings: Mapping[str, Binning]) -> dict[str, Any]:
        seconds = number_column(raw["time"]) / 1e6
        known = ~np.isnan(seconds)
        whole = np.floor(np.where(known, seconds, 0.0)).astype(np.int64)
        hour = np.where(known, whole % _DAY // 3600, MISSING)
        weekday = np.where(known, (whole // _DAY + _THURSDAY) % 7, MISSING)
        return {"value": Numbers(seconds, flag_column(raw, "invalid")), "hour": hour, "weekday": weekday}

    def number_text(self, number: float) -> str:
        return time_text(number) if np.isfinite(number) else super().number_text(number)


def time_text(seconds: float, timespec: str = "auto") -> str:
    """Unix seconds as RFC 3339, or as they are where no calendar has them."""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec=timespec)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.6g} s"
