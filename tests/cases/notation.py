"""Series and times as promtool's unit tests write them.

https://prometheus.io/docs/prometheus/2.42/configuration/unit_testing_rules/
"""

from __future__ import annotations

import math
import re
from enum import Enum

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+|inf|nan)"
_ITEM = re.compile(rf"(?P<first>{_NUMBER})(?P<step>[+-]{_NUMBER[5:]})?(?:x(?P<times>\d+))?", re.IGNORECASE)
_BLANK = re.compile(r"_(?:x(\d+))?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}


class Mark(Enum):
    """What a sample can be other than a number."""

    STALE = "stale"
    MISSED = "_"


Sample = float | Mark


def samples(text: str) -> list[Sample]:
    """``0.8x2 _ stale NaN 0+60x2`` one by one. Raises ValueError for what is no such notation."""
    found: list[Sample] = []
    for item in text.split():
        if item == "stale":
            found.append(Mark.STALE)
        elif blank := _BLANK.fullmatch(item):
            found += [Mark.MISSED] * int(blank[1] or 1)
        elif match := _ITEM.fullmatch(item):
            first, step = float(match["first"]), float(match["step"] or 0)
            times = int(match["times"] or 0)
            found += [first + step * index if index else first for index in range(times + 1)]
        else:
            raise ValueError(f"{item!r} is no sample")
    return found


def seconds(text: str) -> float:
    """``1h30m`` or ``0s``, in seconds. Raises ValueError."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|[smhdwy])", text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration")
    return math.fsum(float(number) * _UNITS[unit] for number, unit in parts)
