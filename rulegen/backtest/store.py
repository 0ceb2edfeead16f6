"""The series that rules read and write, as a Prometheus with this evaluation interval would have them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

from mlslo.yamlfile import InputError
from rulegen.backtest.history import Source, sampled
from rulegen.backtest.programs import ProgramError, Progress, Prometheus, Query, Workshop
from rulegen.backtest.ruleset import Alert, Record, Selector
from rulegen.promql.expressions import quote
from rulegen.simulation.alert import Labels

FINDING = "alert-nobody-acts-on"
"""Names the finding in reports. No lint has a history, so that it is none of theirs."""

_DAY = 86_400_000
_DAYS = 90
_COUNTER = "ml_alert_actions_total"
# A record never resets but with its folder; what is extrapolated at the ends is far less than one.
_OUTCOMES = f"round(sum by (model, alertname, outcome) (increase({_COUNTER}[{_DAYS}d])))"
_ACTED = ("acted", "acknowledged")
# Of one range query: Prometheus refuses more than 11,000, and an answer is read as a whole.
_POINTS = 5000
# Scrapes are no further apart than this, however seldom rules are evaluated.
_LONGEST_STEP = 60_000
# Milliseconds, and the value.
Point = tuple[int, float]
Series = Mapping[Labels, Sequence[Point]]


@dataclass(frozen=True)
class Span:
    """Evaluations from ``begin`` to ``end``, both included and multiples of ``interval``; in milliseconds."""

    begin: int
    end: int
    interval: int

    @classmethod
    def within(cls, begin: int, end: int, interval: int) -> Self:
        """Return the evaluations between two moments."""
        return cls(-(-begin // interval) * interval, end // interval * interval, interval)

    def chunks(self, step: int) -> Iterator[tuple[int, int]]:
        """Yield stretches of as many steps as one query may have."""
        for first in range(self.begin, self.end + 1, _POINTS * step):
            yield first, min(first + (_POINTS - 1) * step, self.end)


class Store:
    """TSDB blocks with one sample at each evaluation, in a workshop. ``span``: all of it.

    ``unacted``: alerts on which nobody acted, by counters of the history itself.
    """

    def __init__(
        self, workshop: Workshop, span: Span, progress: Progress = lambda _what, _share: None
    ) -> None:
        self.span = span
        self.unacted: Sequence[UnactedAlert] = ()
        self._workshop = workshop
        self._progress = progress
        self._blocks = workshop.folder / "blocks"
        self._blocks.mkdir()
        self._known: set[str] = set()
        self._seen: dict[str, set[Labels]] = {}
        self._prometheus: Prometheus | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def pull(self, source: Source, alerts: Collection[Alert]) -> None:
        """Take over the raw series that alerts rest on, and what people did about them. Raises ProgramError."""
        wanted: dict[str, list[Selector]] = {}
        for selector in {one for alert in alerts for one in alert.selectors}:
            wanted.setdefault(selector.name, []).append(selector)
        interval = self.span.interval
        step = interval // -(-interval // _LONGEST_STEP)
        queries: dict[str, str] = {}
        for name, selectors in sorted(wanted.items()):
            # One query for all that read a metric: none of its series may come twice.
            shared = frozenset.intersection(*(one.labels for one in selectors))
            labels = ",".join(f"{label}={quote(value)}" for label, value in sorted(shared))
            queries[name] = sampled(name, labels, source, step)
        with source.opened(self._workshop) as query:
            self._copy(
                query, {name: (text, {}) for name, text in queries.items()}, step, "reading the history"
            )
            known = {(alert.identity[0], alert.name) for alert in alerts}
            self.unacted = unacted(query, known, self.span.end)
        shutil.rmtree(self._workshop.folder / "history", ignore_errors=True)

    def has(self, selector: Selector) -> bool:
        """Return whether such a series is anywhere in the history."""
        return any(selector.selects(series) for series in self._seen.get(selector.name, ()))

    def series(self, alert: Alert, begin: int) -> Series:
        """Return the values of an alert's expression at each evaluation from ``begin`` on at which it has one.

        Raises ProgramError.
        """
        self.record(alert.records)
        found: dict[Labels, list[Point]] = {}
        span = Span(begin, self.span.end, self.span.interval)
        for first, last in span.chunks(span.interval):
            try:
                series = self._query().range(alert.expression, first, last, span.interval)
            except ProgramError as error:
                raise ProgramError(f"{alert.name}: {error}") from None
            for labels, values in _merged(series, {**alert.labels, "alertname": alert.name}).items():
                found.setdefault(labels, []).extend(
                    (round(time * 1000), float(value)) for time, value in values
                )
        return found

    def at_end(self, alert: Alert) -> list[float]:
        """Return the values of an expression at the last evaluation. Raises ProgramError."""
        self.record(alert.records)
        end = self.span.end
        found = self._query().range(alert.expression, end, end, self.span.interval)
        return [float(value) for series in found for _, value in series["values"]]

    def record(self, records: Iterable[Record]) -> None:
        """Evaluate records that were not yet, each after those that it reads. Raises ProgramError."""
        new = [record for record in records if record.name not in self._known]
        for level in sorted({record.level for record in new}):
            layer = {
                record.name: (record.expression, dict(record.labels))
                for record in new
                if record.level == level
            }
            self._copy(self._query(), layer, self.span.interval, f"evaluating {len(layer)} recording rules")

    def _query(self) -> Query:
        """The server of what is there by now."""
        if self._prometheus is None:
            # A sample counts for one evaluation: what is not there at the next is stale.
            interval = self.span.interval
            served = self._workshop.serve(self._blocks, interval / 1000, (interval - 1) / 1000)
            self._prometheus = self._stack.enter_context(served)
        return self._prometheus

    def _copy(
        self, query: Query, layer: Mapping[str, tuple[str, Mapping[str, str]]], step: int, what: str
    ) -> None:
        """Evaluate expressions at each step, and keep the results under their names, with labels of their own."""
        text = self._workshop.folder / "samples.om"
        chunks = list(self.span.chunks(step))
        for number, (first, last) in enumerate(chunks):
            lines = 0
            with text.open("w") as out:
                for index, (name, (expression, labels)) in enumerate(layer.items()):
                    self._progress(what, (number + index / len(layer)) / len(chunks))
                    try:
                        found = query.range(expression, first, last, step)
                    except ProgramError as error:
                        raise ProgramError(f"{name}: {error}") from None
                    for own, values in _merged(found, labels).items():
                        self._seen.setdefault(name, set()).add(own)
                        out.writelines(_lines(name, own, values))
                        lines += len(values)
                out.write("# EOF\n")
            if lines:
                self._workshop.add_blocks(text, self._blocks)
        text.unlink()
        self._known |= layer.keys()
        self._stack.close()
        self._prometheus = None
        self._progress(what, 1.0)


def _merged(found: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> dict[Labels, list[Any]]:
    """The series of an answer with ``labels`` of their own. Of `a or b` one may come in two parts, by their names.

    Native histograms are left out: OpenMetrics has no words for them.
    """
    merged: dict[Labels, list[Any]] = {}
    for series in found:
        metric = {label: value for label, value in series["metric"].items() if label != "__name__"}
        own, values = Labels({**metric, **labels}), series.get("values", [])
        merged[own] = sorted(merged[own] + values) if own in merged else values
    return {own: values for own, values in merged.items() if values}


def _lines(name: str, labels: Labels, values: Sequence[Any]) -> Iterator[str]:
    inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels.items())
    series = f"{name}{{{inside}}}"
    return (f"{series} {value} {time}\n" for time, value in values)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def checked(source: Source, begin: int | None, end: int | None, now: int) -> tuple[int, int]:
    """Return the stretch to judge, in milliseconds. Raises InputError where it is none of the source's."""
    first = source.begin if source.begin is not None else None
    if begin is None:
        if first is None:
            raise InputError.of_file(
                source.name, "expected --from: a running Prometheus does not say since when"
            )
        begin = first
    last = now if source.end is None else source.end
    end = last if end is None else min(end, last)
    begin = begin if first is None else max(begin, first)
    if begin >= end:
        raise InputError.of_file(source.name, "expected --from before --to, and both within the history")
    return begin, end


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
