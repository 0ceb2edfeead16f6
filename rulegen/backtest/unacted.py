"""Alerts that nobody acted on, as the counters of `mlslo-exporter act` say where a history has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from rulegen.backtest.programs import Query

FINDING = "alert-nobody-acts-on"
"""Names the finding in reports. No lint has a history, so that it is none of theirs."""

_DAY = 86_400_000
_DAYS = 90
_COUNTER = "ml_alert_actions_total"
# A record never resets but with its folder; what is extrapolated at the ends is far less than one.
_OUTCOMES = f"round(sum by (model, alertname, outcome) (increase({_COUNTER}[{_DAYS}d])))"
_ACTED = ("acted", "acknowledged")


@dataclass(frozen=True)
class UnactedAlert:
    """An alert that began ``times`` in the last ``days``, ``silenced`` of them, and on which nobody acted."""

    model: str
    alert: str
    times: int
    silenced: int
    days: int

    def __str__(self) -> str:
        often = "once" if self.times == 1 else f"{self.times} times"
        silenced = f", silenced {self.silenced} of them" if self.silenced else ""
        return f"{often} in {self.days} days{silenced}, and nobody acted on it or acknowledged it"


def unacted(query: Query, known: Collection[tuple[str, str]], end: int) -> list[UnactedAlert]:
    """Return alerts on which nobody acted in the 90 days before ``end``, in milliseconds.

    ``known``: model and name of those that are of interest. Raises ProgramError.
    """
    outcomes: dict[tuple[str, str], Counter[str]] = {}
    for series in query.range(_OUTCOMES, end, end, 1000):
        labels = series["metric"]
        key = labels.get("model", ""), labels.get("alertname", "")
        outcomes.setdefault(key, Counter())[labels.get("outcome", "")] += round(float(series["values"][0][1]))
    if not outcomes:
        return []
    (there,) = query.range(f"count({_COUNTER})", end - _DAYS * _DAY, end, _DAY)
    days = max(1, round(end / _DAY - float(there["values"][0][0]) * 1000 / _DAY))
    return [
        UnactedAlert(*key, counts.total(), counts["silenced"], days)
        for key, counts in sorted(outcomes.items())
        if key in known and counts.total() and not any(counts[one] for one in _ACTED)
    ]
