"""Series and times as promtool's unit tests write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.conventions import SLO
from rulegen.promql.expressions import number, selector

# Not there at that evaluation, marked stale as a scrape without it does.
GONE = None
Sample = Decimal | None
# promtool evaluates nothing that loads more than 10,000 samples of a series.
MOST_SAMPLES = 9000


class Missed(Enum):
    """Not scraped at that evaluation, and not marked stale: the sample before is still the last one."""

    MISSED = "_"


MISSED = Missed.MISSED


@dataclass(frozen=True)
class InputSeries:
    """One series: a sample for each interval from time 0 on."""

    name: str
    labels: Mapping[str, str]
    samples: Sequence[Sample | Missed]

    def as_data(self) -> dict[str, str]:
        return {"series": selector(self.name, self.labels), "values": notation(tuple(self.samples))}


@lru_cache(4096)
def notation(samples: tuple[Sample | Missed, ...]) -> str:
    """``0.8x9 _x3``: ten samples of 0.8, then three intervals without."""
    if ramp := _ramp(samples):
        return ramp
    parts: list[str] = []
    for value, same in groupby(samples):
        count = len(list(same))
        if isinstance(value, Missed):
            parts.append(f"_x{count}")
        elif value is None:
            parts += [f"_x{count}"] if not parts else ["stale", f"_x{count - 1}"] if count > 1 else ["stale"]
        elif not value.is_finite():
            parts += ["NaN" if value.is_nan() else "Inf" if value > 0 else "-Inf"] * count
        else:
            parts.append(f"{number(value)}x{count - 1}" if count > 1 else number(value))
    return " ".join(parts)


def _ramp(samples: Sequence[Sample | Missed]) -> str | None:
    """``0+60x9`` for ten samples that grow by the same amount each, if they do."""
    if len(samples) < 3 or samples[0] == samples[1]:
        return None
    values = [value for value in samples if isinstance(value, Decimal)]
    if len(values) != len(samples):
        return None
    step = values[1] - values[0]
    if any(after - before != step for before, after in pairwise(values)):
        return None
    sign = "+" if step > 0 else "-"
    return f"{number(values[0])}{sign}{number(abs(step))}x{len(values) - 1}"


def counter(name: str, labels: Mapping[str, str], increments: Sequence[Decimal]) -> dict[str, str]:
    """A counter that starts at 0 and grows by each of ``increments`` in turn."""
    parts = ["0"]
    total = Decimal(0)
    for step, same in groupby(increments):
        count = len(list(same))
        first = total + step
        if count == 1:
            parts.append(number(first))
        else:
            parts.append(f"{number(first)}+{number(step)}x{count - 1}")
        total += step * count
    return {"series": selector(name, labels), "values": " ".join(parts)}


def at(evaluation: int, interval: Duration) -> str:
    """The time of an evaluation, counted from 0."""
    return str(Duration.of_seconds(evaluation * interval.seconds)) if evaluation else "0s"


def expanded(runs: Iterable[tuple[Sample, int]]) -> list[Sample]:
    """Runs of the same value, sample by sample."""
    return [value for value, count in runs for _ in range(count)]


def alert_test(evaluation: int, interval: Duration, name: str, expected: Sequence[Any]) -> dict[str, Any]:
    """What fires under ``name`` at an evaluation."""
    return {"eval_time": at(evaluation, interval), "alertname": name, "exp_alerts": list(expected)}


def shown_test(
    evaluation: int, interval: Duration, name: str, slo: str, counts: Mapping[str, int]
) -> dict[str, Any]:
    """How many alerts of one SLO are "pending" and "firing" under ``name``, which `exp_alerts` does not tell."""
    samples = [
        {"labels": _of_state(state), "value": count} for state, count in sorted(counts.items()) if count
    ]
    return {"expr": _states_of(name, slo), "eval_time": at(evaluation, interval), "exp_samples": samples}


@lru_cache
def _states_of(name: str, slo: str) -> str:
    return f"count by (alertstate) ({selector('ALERTS', {'alertname': name, SLO: slo})})"


@lru_cache
def _of_state(state: str) -> str:
    return selector("", {"alertstate": state})


def test_file(rules: str, interval: Duration, tests: list[dict[str, Any]]) -> dict[str, Any]:
    """A file of tests of the rules in the file ``rules``, which are evaluated each ``interval``."""
    return {"rule_files": [rules], "evaluation_interval": str(interval), "tests": tests}
