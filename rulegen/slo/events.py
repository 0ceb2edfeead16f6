"""Good events out of all: what an error budget counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from mlslo.yamlfile import Duration
from rulegen.conditions.threshold import Limit
from rulegen.promql.annotations import Text
from rulegen.promql.conventions import MODEL, SLO, errors_record, events_record
from rulegen.promql.expressions import block, by, number, on, quote, selector
from rulegen.promql.query import parse_windowed, per_window, summed, with_window
from rulegen.promql.rules import Record
from rulegen.sli.gauge import GaugeSeries
from rulegen.spec.model_slo import Ratio

ERRORS, TOTAL, LATENCY = "ml_prediction_errors_total", "ml_predictions_total", "ml_prediction_latency_seconds"


class EventSli(ABC):
    """Bad and all events over a window, in PromQL.

    ``operation`` is the last part of the records' names; ``has_model``: the results carry the
    label ``model``, and the rule must not set it. ``bad`` says what a bad event is, ``counted`` what events are called.
    ``groups``: the labels by which the results are told apart.
    """

    operation = "rate"
    counted = "events"
    has_model = True
    bad: str
    groups: tuple[str, ...] = ()
    # What a good event keeps to, where a number of the SLO says so.
    kept = ""

    @abstractmethod
    def events(self, window: Duration) -> str:
        """PromQL: all events."""

    @abstractmethod
    def errors(self, window: Duration, shortest: Duration, events: str) -> str:
        """PromQL: bad events; 0 where there are events and none is bad. ``events``: their record.

        ``shortest``: the shortest window, over which it is cheapest to see that there are events.
        """

    def sources(self) -> Sequence[Record]:
        """Records that the others rest on."""
        return ()

    def summed(self, shortest: Duration) -> str:
        """The records that are summed over the time window, so that no ratios are averaged."""
        return f"{self.operation}{shortest}"

    def count(self, events: str, window: Duration) -> str:
        """PromQL: how many events the record ``events`` stands for."""
        return f"{events} * {number(window.seconds)}"


def _rate(name: str, matchers: dict[str, str], window: Duration, groups: tuple[str, ...]) -> str:
    return f"sum {by((MODEL, *groups))} (rate({selector(name, matchers)}[{window}]))"


@dataclass(frozen=True)
class ErrorsSli(EventSli):
    """Failed predictions over all."""

    model: str
    groups: tuple[str, ...] = ()
    bad = "Bad events are predictions that failed."

    def events(self, window: Duration) -> str:
        return _rate(TOTAL, {MODEL: self.model}, window, self.groups)

    def errors(self, window: Duration, shortest: Duration, events: str) -> str:  # noqa: ARG002
        # The counter of a code appears with its first error: until then there is none to add up.
        failed = _rate(ERRORS, {MODEL: self.model}, window, self.groups)
        return f"{failed}\nor\n0 * {self.events(shortest)}"


@dataclass(frozen=True)
class LatencySli(EventSli):
    """Slow predictions over all."""

    model: str
    below: Duration
    groups: tuple[str, ...] = ()

    @property
    def bad(self) -> str:  # type: ignore[override]
        return f"Bad events are predictions that took more than {self.below}."

    @property
    def kept(self) -> str:  # type: ignore[override]
        return f" within {self.below}"

    def events(self, window: Duration) -> str:
        return _rate(f"{LATENCY}_count", {MODEL: self.model}, window, self.groups)

    def errors(self, window: Duration, shortest: Duration, events: str) -> str:  # noqa: ARG002
        # A whole number of seconds is written 1 or 1.0.
        bound = f'le="{self.bucket}"' if "." in self.bucket else f'le=~"{self.bucket}(\\\\.0)?"'
        bucket = f"{LATENCY}_bucket{{{MODEL}={quote(self.model)},{bound}}}"
        kept = (MODEL, *self.groups)
        fast = f"sum {by(kept)} (rate({bucket}[{window}]))"
        return f"clamp_min({events} - {on(kept)} {fast}, 0)"

    @property
    def bucket(self) -> str:
        """The bucket's upper bound in seconds."""
        return number(Decimal(str(self.below.seconds)))


@dataclass(frozen=True)
class NativeLatencySli(EventSli):
    """Slow predictions over all, from a native histogram: of the exporter, or another ``metric`` with ``labels``.

    The share below a limit within a bucket is interpolated, https://prometheus.io/docs/specs/native_histograms/
    """

    model: str
    below: Duration
    groups: tuple[str, ...] = ()
    metric: str | None = None
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def has_model(self) -> bool:  # type: ignore[override]
        return self.metric is None

    @property
    def bad(self) -> str:  # type: ignore[override]
        what = "predictions" if self.metric is None else f"observations of {self.metric}"
        return f"Bad events are {what} that took more than {self.below}."

    @property
    def kept(self) -> str:  # type: ignore[override]
        return f" within {self.below}"

    @property
    def matchers(self) -> dict[str, str]:
        """Matchers that select its series."""
        return {MODEL: self.model} if self.metric is None else dict(self.labels)

    @property
    def name(self) -> str:
        """The name of the histogram."""
        return self.metric or LATENCY

    def events(self, window: Duration) -> str:
        return f"histogram_count({self._histogram(window)})"

    def errors(self, window: Duration, shortest: Duration, events: str) -> str:  # noqa: ARG002
        limit = number(Decimal(str(self.below.seconds)))
        slow = f"(1 - histogram_fraction(-Inf, {limit}, {self._histogram(window)}))"
        # Without observations the fraction is NaN, and no event is bad.
        return f"{events} * {on(self._kept)} {slow} >= 0\nor\n0 * {self._sum}({events} == 0)"

    @property
    def _kept(self) -> tuple[str, ...]:
        return (MODEL, *self.groups) if self.has_model else self.groups

    @property
    def _sum(self) -> str:
        return f"sum {by(self._kept)} " if self._kept else "sum"

    def _histogram(self, window: Duration) -> str:
        return f"{self._sum}(rate({selector(self.name, self.matchers)}[{window}]))"


@dataclass(frozen=True)
class RatioSli(EventSli):
    """Any pair of counters. Their labels are summed away, but for the groups', and the model's is set."""

    ratio: Ratio
    groups: tuple[str, ...] = ()
    has_model = False
    bad = "Bad events are those that the SLO's errors expression counts."

    @cached_property
    def _counts(self) -> bool:
        return per_window(parse_windowed(self.ratio.total))

    @property
    def operation(self) -> str:  # type: ignore[override]
        return "increase" if self._counts else "rate"

    def count(self, events: str, window: Duration) -> str:
        return events if self._counts else super().count(events, window)

    def events(self, window: Duration) -> str:
        return self._sum(self.ratio.total, window)

    @cached_property
    def _needed(self) -> bool:
        """Return whether the total adds up the very counters that the errors do, and is missing where they are."""
        texts = (self.ratio.errors, self.ratio.total)
        errors, total = (summed(parse_windowed(text).tree, self.groups) for text in texts)
        if errors is None or total is None:
            return False
        return {one.prettify() for one in errors} <= {one.prettify() for one in total}

    def errors(self, window: Duration, shortest: Duration, events: str) -> str:  # noqa: ARG002
        errors = self._sum(self.ratio.errors, window)
        return errors if self._needed else f"{errors}\nor\n0 * {self.events(shortest)}"

    def _sum(self, expression: str, window: Duration) -> str:
        grouping = f" {by(self.groups)} " if self.groups else ""
        return f"sum{grouping}{block(with_window(expression, window).strip())}"


@dataclass(frozen=True)
class GoodSli(EventSli):
    """Evaluations of a gauge at which one of its series was not good, over all evaluations."""

    series: GaugeSeries
    good: Limit
    operation = "sum"
    counted = "evaluations"

    @property
    def bad(self) -> str:  # type: ignore[override]
        name, phrase = self.series.title, Text.of(self.good.phrase()).template()
        return f"Bad events are evaluations at which {name} was not {phrase}."

    @property
    def kept(self) -> str:  # type: ignore[override]
        return f" {Text.of(self.good.phrase()).template()}"

    def sources(self) -> Sequence[Record]:
        gauge = self.series.expression
        sign, limit = self.good.comparison.split(" ", 1)
        held = f"min by ({MODEL}, {SLO}) ({gauge} {sign} bool {limit})"
        own = {SLO: self.series.slo}
        return (
            Record(events_record("bool"), f"group by ({MODEL}, {SLO}) ({gauge})", own),
            Record(errors_record("bool"), f"1 - {held}", own),
        )

    def summed(self, shortest: Duration) -> str:  # noqa: ARG002
        return "bool"

    def events(self, window: Duration) -> str:
        return self._over(events_record("bool"), window)

    def errors(self, window: Duration, shortest: Duration, events: str) -> str:  # noqa: ARG002
        return self._over(errors_record("bool"), window)

    def count(self, events: str, window: Duration) -> str:  # noqa: ARG002
        return events

    def _over(self, record: str, window: Duration) -> str:
        return f"sum_over_time({self.series.select(record)}[{window}])"
