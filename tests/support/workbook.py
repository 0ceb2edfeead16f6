"""The SRE workbook's burn-rate alerts in plain PromQL, and random series of errors to try them on.

https://sre.google/workbook/alerting-on-slos/, approach 6: an alert fires while the share of bad events
is above ``burn rate x (1 - SLO)`` over a long window and over a short one. The burn rate that spends a
share of the budget in a window is ``share x time window / window``. No recording rules are in between.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

MINUTE, HOUR, DAY = 60, 3600, 86_400
# Table 5-8: long window, short window, share of the budget; with the row over a day that the text adds.
FAST = ((HOUR, 5 * MINUTE, Fraction(2, 100)), (6 * HOUR, 30 * MINUTE, Fraction(5, 100)))
SLOW = ((DAY, 2 * HOUR, Fraction(10, 100)), (3 * DAY, 6 * HOUR, Fraction(10, 100)))


@dataclass(frozen=True)
class Events:
    """Bad and all events per second in PromQL, ``WINDOW`` being the range."""

    bad: str
    total: str

    def ratio(self, seconds: int) -> str:
        """Bad over all events of a window."""
        return f"({self.bad} / {self.total})".replace("WINDOW", f"{seconds}s")


def condition(events: Events, budget: Fraction, rows: Sequence[tuple[int, int, Fraction]]) -> str:
    """The workbook's expression. ``rows``: long window, short window (s), burn rate."""
    return " or ".join(
        f"({events.ratio(long)} > ({float(rate)} * {float(budget)})"
        f" and {events.ratio(short)} > ({float(rate)} * {float(budget)}))"
        for long, short, rate in rows
    )


@dataclass(frozen=True)
class Stretch:
    """A time in which a pod answers evenly, in scrapes. ``requests``: between two of them; ``share``: the bad ones.

    ``seen``: whether it is scraped. ``restarts``: it begins with its counters at 0.
    """

    scrapes: int
    requests: int
    share: float
    seen: bool = True
    restarts: bool = False


@dataclass(frozen=True)
class Pod:
    """The counts of one replica from scrape to scrape."""

    stretches: tuple[Stretch, ...]

    def bad(self) -> str:
        """promtool's notation of the counter of bad events."""
        return _counter([(s, round(s.requests * s.share, 2)) for s in self.stretches])

    def total(self) -> str:
        """promtool's notation of the counter of all events."""
        return _counter([(s, s.requests) for s in self.stretches])

    def good(self) -> str:
        """promtool's notation of the counter of good events."""
        return _counter([(s, round(s.requests - round(s.requests * s.share, 2), 2)) for s in self.stretches])


def _counter(stretches: list[tuple[Stretch, float]]) -> str:
    parts = ["0"]
    value = 0.0
    for stretch, step in stretches:
        if stretch.restarts:
            value = 0.0
        if stretch.seen:
            parts.append(f"{value + step:.2f}+{step:.2f}x{stretch.scrapes - 1}")
        else:
            parts.append(f"stale _x{stretch.scrapes - 1}" if stretch.scrapes > 1 else "stale")
        value += step * stretch.scrapes
    return " ".join(parts)


def pods(rng: random.Random, budget: float, scrapes: int) -> list[Pod]:
    """One to three replicas with an incident or several, of every kind."""
    plan = list(_incidents(rng, budget, scrapes))
    return [Pod(tuple(_pod(rng, plan))) for _ in range(rng.choice((1, 1, 2, 3)))]


def _incidents(rng: random.Random, budget: float, scrapes: int) -> Iterator[tuple[int, float]]:
    """A number of scrapes, and the share of bad events between them."""
    left = scrapes
    while left > 0:
        kind = rng.choice(("calm", "calm", "outage", "leak", "flaps", "spike"))
        scale = min(left, max(scrapes // rng.choice((2, 4, 8, 16, 64)), 5))
        length = rng.randint(max(scale // 3, 1), scale)
        match kind:
            case "calm":
                yield length, budget * rng.choice((0, 0, 0.1, 0.5, 0.9))
            case "outage":
                yield length, rng.choice((1.0, 0.5, min(budget * rng.uniform(5, 40), 1)))
            case "leak":
                yield length, min(budget * rng.choice((0.95, 1.05, 1.5, 2.9, 3.2, 5.5, 6.5, 13.5, 15)), 1)
            case "spike":
                length = min(rng.randint(1, 10), left)
                yield length, min(budget * rng.uniform(20, 200), 1)
            case "flaps":
                high, period = min(budget * rng.uniform(3, 60), 1), rng.randint(2, 30)
                count = min(max(length // (2 * period), 1), 40)
                length = 0
                for _ in range(count):
                    for share in (high, 0.0):
                        run = min(period, left - length)
                        if run > 0:
                            yield run, share
                            length += run
        left -= length


def _pod(rng: random.Random, plan: Sequence[tuple[int, float]]) -> Iterator[Stretch]:
    requests = rng.choice((600, 2000, 12_000))
    for scrapes, share in plan:
        left = scrapes
        while left > 0:
            length = left if rng.random() < 0.7 else rng.randint(1, left)
            # Now and then another load, a restart, no request at all, or no scrape.
            load = requests if rng.random() < 0.8 else rng.choice((requests // 3, 2 * requests))
            event = rng.choice(("restart", "silent", "unseen", *["none"] * 9))
            yield Stretch(
                length,
                0 if event == "silent" else load,
                share,
                event != "unseen",
                event == "restart",
            )
            left -= length
