"""One promtool unit test as data: its input series, its checks, and how they are written.

https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any, Literal

from mlslo.yamlfile import Duration
from rulegen.output.block_yaml import OneLine, OneLineList
from rulegen.promql.annotations import Firing
from rulegen.promql.conventions import MODEL, SLO
from rulegen.promql.expressions import exact, number, selector
from rulegen.promql.rules import AlertRule

# The series is marked stale, as by a scrape that no longer has it.
GONE = None
NAN = Decimal("NaN")
# promtool refuses a query that loads more than 10,000 samples.
MOST_SAMPLES = 9000
# So many results of a query are written in one line.
_FEW = 2
# So are series, where none of a test is longer with its values.
_LINE = 105


# No scrape at that time: Prometheus goes on with the sample before.
MISSED: Literal["_"] = "_"
Sample = Decimal | None
Scrape = Sample | Literal["_"]


@dataclass(frozen=True)
class Series:
    """An input series: one sample for each interval of its test, from time 0 on."""

    name: str
    labels: Mapping[str, str]
    samples: Sequence[Scrape]

    def as_data(self) -> dict[str, str]:
        labels = {label: value for label, value in self.labels.items() if value}
        return {"series": selector(self.name, labels), "values": notation(self.samples)}

    def of_another_model(self, samples: Sequence[Scrape] | None = None) -> Series:
        """The same series of another model; with other samples, if given."""
        labels = {**self.labels, MODEL: f"{self.labels[MODEL]}-other"}
        return Series(self.name, labels, self.samples if samples is None else samples)

    def of_others(self) -> list[Series]:
        """The same series of another SLO, and of another model."""
        other = Series(self.name, {**self.labels, SLO: f"{self.labels[SLO]}-other"}, self.samples)
        return [other, self.of_another_model()]


@dataclass(frozen=True)
class NativeHistogram(Series):
    """A native histogram whose counts are ``samples``; ``bad`` of ``per`` observations are above ``limit``."""

    limit: float = 1.0
    bad: int = 0
    per: int = 1

    def as_data(self) -> dict[str, str]:
        counts = [sample for sample in self.samples if isinstance(sample, Decimal)]
        step = int(counts[1] - counts[0])
        # Of schema 0, bucket 3 is (4, 8].
        low, high = math.floor(math.log2(self.limit)), math.ceil(math.log2(self.limit)) + 1
        slow = step * self.bad // self.per
        buckets = [step - slow, *[0] * (high - low - 1), slow]
        grows = f"count:{step} sum:{step} offset:{low} buckets:[{' '.join(map(str, buckets))}]"
        missed = "_ " * (len(self.samples) - len(counts))
        values = f"{missed}{{{{schema:0}}}}+{{{{schema:0 {grows}}}}}x{len(counts) - 1}"
        return {"series": super().as_data()["series"], "values": values}


def notation(samples: Sequence[Scrape]) -> str:
    """Return ``0.8x9 stale`` for ten samples of 0.8 and then none, ``0+60x9`` for a steady counter."""
    if ramp := _ramp(samples):
        return ramp
    parts: list[str] = []
    for value, same in groupby(samples):
        count = len(list(same))
        if isinstance(value, str):
            parts.append("_" if count == 1 else f"_x{count}")
        elif value is None and not parts:
            parts.append(f"_x{count}")
        elif value is None:
            parts += ["stale", f"_x{count - 1}"] if count > 1 else ["stale"]
        elif not value.is_finite():
            parts += ["NaN" if value.is_nan() else "Inf" if value > 0 else "-Inf"] * count
        else:
            parts.append(f"{number(value)}x{count - 1}" if count > 1 else number(value))
    return " ".join(parts)


def _ramp(samples: Sequence[Scrape]) -> str | None:
    values = [value for value in samples if isinstance(value, Decimal) and value.is_finite()]
    if len(values) != len(samples) or len(values) < 3 or values[0] == values[1]:
        return None
    step = values[1] - values[0]
    if any(after - before != step for before, after in pairwise(values)):
        return None
    return f"{number(values[0])}{'+' if step > 0 else '-'}{number(abs(step))}x{len(values) - 1}"


def counter(per_interval: Decimal | int, count: int) -> list[Decimal]:
    """``count`` samples of a counter that starts at 0 and grows evenly."""
    return [Decimal(per_interval) * index for index in range(count)]


@dataclass
class Case:
    """One test: a name that is a sentence, what is scraped, and what must come of it."""

    name: str
    interval: Duration
    series: list[Series]
    alerts: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, Any]] = field(default_factory=list)
    # How often series are sampled, where that is not at each evaluation.
    sampled: Duration | None = None

    def as_data(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self.name, "interval": str(self.sampled or self.interval)}
        if self.series:
            series = [one.as_data() for one in self.distinct]
            short = all(sum(map(len, one.values())) < _LINE for one in series)
            found["input_series"] = [OneLine(one) for one in series] if short else series
        if self.alerts:
            found["alert_rule_test"] = self.alerts
        if self.queries:
            found["promql_expr_test"] = self.queries
        return found

    @property
    def distinct(self) -> list[Series]:
        """Each series once."""
        return list({(one.name, *sorted(one.labels.items())): one for one in self.series}.values())

    def time(self, evaluation: int) -> str:
        """The time of an evaluation, counted from 0."""
        return str(Duration.of_seconds(evaluation * self.interval.seconds)) if evaluation else "0s"

    def fires(self, evaluation: int, rule: AlertRule, *firing: Firing) -> None:
        """Expect exactly these alerts of a rule's name to fire, with all of their labels and annotations."""
        self.fire(evaluation, rule.name, [(rule, one) for one in firing])

    def fire(self, evaluation: int, name: str, firing: Sequence[tuple[AlertRule, Firing]]) -> None:
        """Expect exactly these alerts of one name to fire, of several rules."""
        expected = [
            {
                "exp_labels": OneLine(
                    {**{key: one.labels[key] for key in rule.series_labels}, **rule.labels}
                ),
                "exp_annotations": {key: text.render(one) for key, text in rule.annotations.items()},
            }
            for rule, one in firing
        ]
        check = {"eval_time": self.time(evaluation), "alertname": name, "exp_alerts": expected}
        self.alerts.append(check)

    def shows(self, evaluation: int, rule: AlertRule, state: str | None) -> None:
        """Expect one alert of a rule to be "pending" or "firing", or with None not even pending."""
        labels = {"alertname": rule.name, SLO: rule.labels[SLO]}
        if state is None:
            self.gives(evaluation, selector("ALERTS", labels), [])
        else:
            query = f"count({selector('ALERTS', {**labels, 'alertstate': state})})"
            self.gives(evaluation, query, [({}, Decimal(1))])

    def never(self, evaluation: int, rule: AlertRule) -> None:
        """Expect that until an evaluation no alert of a rule has fired or been pending."""
        over = Duration.of_seconds((evaluation + 1) * self.interval.seconds)
        alerts = selector("ALERTS", {"alertname": rule.name, SLO: rule.labels[SLO]})
        self.gives(evaluation, f"count_over_time({alerts}[{over}])", [])

    def gives(
        self, evaluation: int, query: str, samples: Sequence[tuple[Mapping[str, str], Decimal]]
    ) -> None:
        """Expect a query to have exactly these results."""
        expected = [
            OneLine({**({"labels": selector("", labels)} if labels else {}), "value": plain(value)})
            for labels, value in samples
        ]
        listed = OneLineList(expected) if len(expected) < _FEW else expected
        self.queries.append({"expr": query, "eval_time": self.time(evaluation), "exp_samples": listed})

    def nearly(self, evaluation: int, query: str, labels: Mapping[str, str], value: Decimal) -> None:
        """Expect a query to have one result, which is ``value`` to about four digits."""
        step = Decimal(1).scaleb(min(value.adjusted() - 3, 0)) if value else Decimal("0.0001")
        self.gives(evaluation, f"round({query}, {number(step)})", [(labels, rounded(value, step))])


# Whether nothing of a kind has been tested yet in this file: then it is tested in every way.
First = Callable[[str], bool]


def lifetime(rule: AlertRule, *more: str) -> str:
    """Name the kind of an alert by all that decides how it begins and ends."""
    found = ("for" * (rule.for_ is not None), "keep" * (rule.keep_firing_for is not None), *more)
    return " ".join(filter(None, found))


def rounded(value: Decimal, step: Decimal) -> Decimal:
    """As Prometheus rounds: https://prometheus.io/docs/prometheus/latest/querying/functions/#round."""
    inverse = 1 / float(step)
    return exact(math.floor(float(value) * inverse + 0.5) / inverse)


def plain(value: Decimal) -> int | float:
    """A number as YAML writes it."""
    return int(value) if value == value.to_integral_value() else float(value)


def evaluations(duration: Duration | None, interval: Duration) -> int:
    """Count the intervals until ``duration`` is over."""
    return math.ceil(duration.seconds / interval.seconds) if duration else 0
