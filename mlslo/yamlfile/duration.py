"""Lengths of time as Prometheus writes them."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from mlslo.yamlfile.forms import WrittenText

_MILLISECONDS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
_LONGEST = 100 * _MILLISECONDS["y"]
# As people write them.
_WORDS = {
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), "y"),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), "w"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), "ms"),
}
_PART = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-zA-Z]{1,12})\s*(?:,|and\b)?")
# Something must be there, and not all of it zero.
_FORM = f"^(?=.*[1-9]){''.join(f'([0-9]+{unit})?' for unit in _MILLISECONDS)}$"
_PATTERN = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+){unit})?" for unit in _MILLISECONDS))


class Duration(WrittenText):
    """A positive length of time, kept as it was written: ``90s``, ``1h30m``, ``7d``.

    The text is what labels and PromQL carry; ``seconds`` is what arithmetic uses.
    Syntax: https://prometheus.io/docs/prometheus/latest/querying/basics/#time-durations

    Raises ValueError where the text is no such duration, or is zero.
    """

    __slots__ = ("seconds",)
    seconds: float
    expected = "expected a duration such as 30s, 5m, 1h or 7d"
    form: ClassVar[dict[str, Any]] = {"pattern": _FORM, "examples": ["5m", "1h", "7d"]}

    def __new__(cls, text: str) -> Duration:
        match = _PATTERN.fullmatch(text)
        if not text or match is None:
            raise ValueError(f"{cls.expected}, got '{text}'{_did_you_mean(text)}")
        total = sum(
            int(amount) * _MILLISECONDS[unit] for unit, amount in match.groupdict(default="0").items()
        )
        if not 0 < total <= _LONGEST:
            raise ValueError(f"expected a duration above zero and up to 100y, got '{text}'")
        duration = super().__new__(cls, text)
        duration.seconds = total / 1000
        return duration

    @classmethod
    def of_seconds(cls, seconds: float) -> Duration:
        """The shortest way to write ``seconds`` (at a resolution of 1 ms), in days and smaller units."""
        text, rest = "", round(seconds * 1000)
        for unit in ("d", "h", "m", "s", "ms"):
            amount, rest = divmod(rest, _MILLISECONDS[unit])
            text += f"{amount}{unit}" if amount else ""
        return Duration(text)


def _did_you_mean(text: str) -> str:
    """``; did you mean '2m'?`` of ``2 min``, or an empty string where ``text`` is no length of time in words."""
    parts: list[tuple[str, str]] = []
    end = 0
    while end < len(text):
        part = _PART.match(text, end)
        unit = _WORDS.get(part[2].lower()) if part else None
        if part is None or unit is None:
            return ""
        parts.append((part[1], unit))
        end = part.end()
    total = round(sum(float(amount) * _MILLISECONDS[unit] for amount, unit in parts))
    if not 0 < total <= _LONGEST:
        return ""
    joined = "".join(f"{amount}{unit}" for amount, unit in parts)
    near = joined if _PATTERN.fullmatch(joined) else Duration.of_seconds(total / 1000)
    return f"; did you mean '{near}'?"
