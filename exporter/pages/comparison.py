"""Two versions compared, in words: a launch summary of three sentences and a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from exporter.measure.comparison import compare
from exporter.measure.comparison_results import Compared, Topic, Verdict
from exporter.measure.gauges import WindowSummaries
from exporter.measure.paired import Pairs
from exporter.pages import svg
from exporter.pages.withheld import IN_WORDS
from exporter.statistics.differences import Interval

_FIGURES = 3
_SHOWN = (Verdict.WORSE, Verdict.BETTER, Verdict.DIFFERENT)


@dataclass(frozen=True)
class VersionsCompared:
    """Two versions in one window. ``rows``: predictions of the baseline and of the candidate.

    ``pairs``: of requests that both answered, where they were joined.
    """

    baseline: str
    candidate: str
    window: str
    rows: tuple[int, int]
    items: Sequence[Compared]
    pairs: Sequence[Pairs] | None = None

    @classmethod
    def of(cls, baseline: WindowSummaries, candidate: WindowSummaries) -> VersionsCompared:
        """Compare two versions."""
        rows = (int(baseline.traffic["traffic"].rows), int(candidate.traffic["traffic"].rows))
        return cls(baseline.version, candidate.version, candidate.window, rows, compare(baseline, candidate))

    @property
    def summary(self) -> tuple[str, str, str]:
        """The launch summary: a sentence each about service, predictions and outcome."""
        old, new = self.rows
        begin = (
            f"Service: version {self.candidate or 'without a name'} ({new:,} predictions in {self.window}) against "
            f"{self.baseline or 'the one without a name'} ({old:,})"
        )
        return (
            f"{begin}: {self._said(Topic.SERVICE)}.",
            f"Predictions: {self._said(Topic.PREDICTIONS)}.",
            f"Outcome: {self._said(Topic.OUTCOME)}.",
        )

    def _said(self, topic: Topic) -> str:
        found = [item for item in self.items if item.statistic.topic is topic]
        parts = [
            f"{item.statistic.title} {item.verdict} ({figures(item)})"
            for verdict in _SHOWN
            for item in found
            if item.verdict is verdict
        ]
        for verdict, words in (
            (Verdict.NO_DIFFERENCE, "no difference shown in"),
            (Verdict.UNCERTAIN, "without an interval"),
            (Verdict.WITHHELD, "withheld"),
        ):
            names = [
                item.statistic.title + (f" ({shown})" if (shown := figures(item)) else "")
                for item in found
                if item.verdict is verdict
            ]
            if names:
                parts.append(f"{words} {', '.join(names)}")
        return "; ".join(parts) or "nothing is logged that could be compared"

    @property
    def caution(self) -> str:
        """How many of the differences chance alone would show."""
        verdicts = Counter(item.verdict for item in self.items)
        judged = sum(verdicts[verdict] for verdict in (*_SHOWN, Verdict.NO_DIFFERENCE))
        shown = sum(verdicts[verdict] for verdict in _SHOWN)
        return f"{shown} of {judged} statistics differ; of equal versions about {judged / 20:.1f} would, by chance."

    def text(self) -> str:
        """Return summary and table, as a terminal shows them."""
        header = (
            "statistic",
            self.baseline or "(no name)",
            self.candidate or "(no name)",
            "difference",
            "95 % interval",
            "verdict",
        )
        rows = [header, *map(cells, self.items)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*self.summary, "", *lines, "", self.caution, *self.paired]) + "\n"

    @property
    def paired(self) -> list[str]:
        """Sentences about requests that both answered: one for all, and one for each value of a segment."""
        if self.pairs is None:
            return []
        if not self.pairs[0].pairs:
            return ["Paired: no request was answered by both versions."]
        return list(map(paired_sentence, self.pairs))

    def as_data(self) -> dict[str, Any]:
        """Return the figures for a program; an end of an interval that is not known is null."""
        return {
            "baseline": self.baseline,
            "candidate": self.candidate,
            "window": self.window,
            "rows": {"baseline": self.rows[0], "candidate": self.rows[1]},
            "summary": list(self.summary),
            "caution": self.caution,
            "statistics": [
                {
                    **asdict(item.statistic),
                    "baseline": item.baseline,
                    "candidate": item.candidate,
                    "difference": item.difference,
                    "low": _bounded(item.low),
                    "high": _bounded(item.high),
                    "noise": item.noise,
                    "rows": {"baseline": item.rows[0], "candidate": item.rows[1]},
                    "verdict": item.verdict,
                    "withheld": item.withheld,
                }
                for item in self.items
            ],
            "paired": None
            if self.pairs is None
            else [
                {
                    **asdict(item),
                    "disagreement": item.disagreement,
                    "accuracy_difference": item.accuracy_difference,
                }
                for item in self.pairs
            ],
        }


def paired_sentence(item: Pairs) -> str:
    """Return what pairs of the same requests say: scores, disagreements, and who is right where labels have come."""
    where = f"Paired, {item.segment} = {item.value}" if item.segment else "Paired"
    parts = [f"{item.pairs:,} requests that both answered"]
    if item.disagreement is not None and item.disagreement_interval is not None:
        low, high = item.disagreement_interval
        parts.append(
            f"classes differ in {svg.percent(item.disagreement)} ({svg.percent(low)} to {svg.percent(high)})"
        )
    if item.score_difference is not None:
        parts.append(
            f"scores by {signed(item.score_difference)}{_between(item.score_interval)}, "
            f"by {_digits(item.score_distance or 0.0)} whichever way"
        )
    if item.accuracy_difference is not None and item.accuracy_interval is not None:
        parts.append(
            f"of {item.labelled:,} labelled only the candidate is right in {item.only_candidate:,}, only the baseline "
            f"in {item.only_baseline:,}: accuracy {signed(item.accuracy_difference)}{_between(item.accuracy_interval)}"
            + ("" if item.p_value is None else f", McNemar p = {_digits(item.p_value)}")
        )
    if item.error_difference is not None:
        parts.append(
            f"of {item.labelled:,} labelled the absolute error is {signed(item.error_difference)}"
            f"{_between(item.error_interval)}"
        )
    return f"{where}: {'; '.join(parts)}."


def _between(interval: Interval | None) -> str:
    return "" if interval is None else f" ({signed(interval[0])} to {signed(interval[1])})"


def signed(value: float) -> str:
    """Return a difference with its sign."""
    return f"{'+' if value > 0 else '-' if value < 0 else ''}{_digits(abs(value))}"


def cells(item: Compared) -> tuple[str, str, str, str, str, str]:
    """Return a row of the table: statistic, baseline, candidate, difference, interval, verdict."""
    verdict = item.verdict.value
    if item.withheld is not None:
        verdict = f"withheld: {IN_WORDS[item.withheld]}"
    values = [_shown(item, value) for value in (item.baseline, item.candidate)]
    difference = "–" if item.difference is None else _shown(item, item.difference, signed=item.noise is None)
    return item.statistic.title, values[0], values[1], difference, interval(item), verdict


def interval(item: Compared) -> str:
    """Return the interval, or the noise level of a distance, in words."""
    if item.noise is not None:
        return f"noise level {_shown(item, item.noise)}"
    if item.low is None or item.high is None:
        return "–"
    return f"{_shown(item, item.low, signed=True)} to {_shown(item, item.high, signed=True)}"


def figures(item: Compared) -> str:
    """Return the numbers that a verdict rests on; empty where there are none."""
    _, old, new, difference, between, _ = cells(item)
    if item.verdict is Verdict.WITHHELD:
        return ""
    if item.verdict is Verdict.NO_DIFFERENCE and item.noise is None:
        return between
    if item.noise is not None:
        return f"{difference}, {between}"
    return f"{new} against {old}, difference {difference}" + (f", {between}" if between != "–" else "")


def _shown(item: Compared, value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "–"
    if math.isinf(value):
        return "unknown"
    sign = "+" if signed and value > 0 else "-" if value < 0 else ""
    size = abs(value)
    if item.statistic.unit == "seconds":
        return f"{sign}{_digits(1000 * size)} ms" if size < 1 else f"{sign}{_digits(size)} s"
    return f"{sign}{_digits(size)}"


def _digits(size: float) -> str:
    if 0 < size < 1e-4:
        return f"{size:.2g}"
    places = max(0, _FIGURES - 1 - math.floor(math.log10(size))) if size else 0
    return f"{size:,.{min(places, 6)}f}"


def _bounded(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
