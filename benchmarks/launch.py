"""How many candidates that are looked at daily are launched or rolled back by mistake, and when does a bad one stop?

    .venv/bin/python -m benchmarks.launch [--quick] [--seed 0]

For 30 days each version gets labels every day; on each day the exporter's bounds decide, once both have 1,000 labels.
The first decision counts. Beside them stands what daily looks at a 95 % interval for one look decide.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.table import Row, finish
from exporter.statistics.confidence_sequence import Sample, difference_bounds
from exporter.statistics.differences import Interval, share_difference_interval

DAYS, PAIRS, AFTER = 30, 1000, 1000
MOST_FALSE, LEAST_STOPPED = 0.05, 0.9
EVEN, UNEVEN = (200, 200), (3800, 200)
EQUAL = [(share, split) for share in (0.05, 0.1, 0.2) for split in (EVEN, UNEVEN)]
"""Share of errors of both versions, and labels a day of baseline and candidate."""
WORSE = [(0.1, 0.13, EVEN), (0.1, 0.13, UNEVEN), (0.05, 0.08, EVEN)]

Bounds = Callable[[float, float, float, float], Interval | None]
"""Of errors and rows of the baseline, then of the candidate."""


def always_valid(baseline: float, baseline_rows: float, candidate: float, rows: float) -> Interval | None:
    """Return the bounds that the exporter exports."""
    samples = Sample.of_share(baseline, baseline_rows), Sample.of_share(candidate, rows)
    return difference_bounds(*samples, confidence=0.95, tuned_at=AFTER)


def decisions(
    rng: np.random.Generator,
    errors: tuple[float, float],
    split: tuple[int, int],
    bounds: Bounds,
    *,
    pairs: int = PAIRS,
) -> tuple[list[int], list[int]]:
    """Return on which day each pair that is decided is: the launches, and the roll-backs."""
    found: tuple[list[int], list[int]] = ([], [])
    for _ in range(pairs):
        old, new = (
            rng.binomial(size, share, DAYS).cumsum().tolist()
            for size, share in zip(split, errors, strict=True)
        )
        for day in range(-(-AFTER // min(split)), DAYS + 1):
            interval = bounds(old[day - 1], day * split[0], new[day - 1], day * split[1])
            if interval is not None and not interval[0] <= 0 <= interval[1]:
                found[interval[0] > 0].append(day)
                break
    return found


def table(rng: np.random.Generator, pairs: int) -> list[Row]:
    """Return the rows of the table."""
    rows: list[Row] = []
    for share, split in EQUAL:
        what = f"equal, {share:.0%} errors, {split[0]} and {split[1]} labels a day: decided"
        rows.append(_share(what, decisions(rng, (share, share), split, always_valid, pairs=pairs), pairs))
        peeking = decisions(rng, (share, share), split, share_difference_interval, pairs=pairs)
        decided = sum(map(len, peeking)) / pairs
        rows.append(Row("  by daily looks at an interval for one look", 100 * decided, "%"))
    for old, new, split in WORSE:
        launched, stopped = decisions(rng, (old, new), split, always_valid, pairs=pairs)
        what = f"{new:.0%} errors after {old:.0%}, {split[0]} and {split[1]} labels a day: stopped"
        rows.append(Row(what, 100 * len(stopped) / pairs, "%", 100 * LEAST_STOPPED, at_least=True))
        rows.append(Row("  median day of the stop", float(np.median(stopped)), "days"))
        rows.append(Row("  launched", 100 * len(launched) / pairs, "%", 100 * MOST_FALSE))
    return rows


def _share(what: str, found: Sequence[Sequence[int]], pairs: int) -> Row:
    return Row(what, 100 * sum(map(len, found)) / pairs, "%", 100 * MOST_FALSE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100 pairs each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    finish("Launches", table(rng, 100 if options.quick else PAIRS), quick=options.quick)


if __name__ == "__main__":
    main()
