"""Does the default data-set alarm ring when it should, and only then?

    .venv/bin/python -m benchmarks.alarms [--quick] [--no-peers] [--seed 0] [--streams 1]

A stream has 20 features, 16 normal and 4 categorical of ten levels, one reference of its own, and windows that are
counted and compared by the exporter's own code. The alarm rings where ``ml_features_drifted`` is four or more.
365 windows are as the reference; in 60, four features are moved by a quarter of a standard deviation.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from benchmarks import peers
from benchmarks.process import ProgramError, run
from benchmarks.table import Row, finish
from exporter.features.binning import NumericBinning
from exporter.measure.drift import Pair
from exporter.references.baseline.views import quantile_edges
from exporter.references.reference import ViewReference
from exporter.statistics.contingency import chi_squared_p_value
from exporter.statistics.false_discovery import drifted
from exporter.summary.base import Floats
from exporter.summary.categorical import CategoricalSummary
from exporter.summary.cells import Cells
from exporter.summary.numeric import NumericSummary, PreparedNumbers

NORMAL, CATEGORICAL, LEVELS = 16, 4, 10
WINDOWS, REFERENCES = (200, 1000, 10_000), (1000, 10_000, 100_000)
DRIFT_FREE, SHIFTED = 365, 60
MOVED, SHIFT = 4, 0.25
ALARM = 4
MOST_FALSE = 1
_AT_A_TIME = 2_000_000

_CATEGORIES = tuple(f"level {level}" for level in range(LEVELS))


def least_found(rows: int, reference_rows: int) -> int | None:
    """Of the 60 shifted windows, how many must ring; None where nothing is promised."""
    if rows >= 1000:
        return SHIFTED
    return 45 if reference_rows == 10_000 else None


def stream(
    rng: np.random.Generator, rows: int, reference_rows: int, drift_free: int, shifted: int
) -> tuple[int, int]:
    """Of one reference's drift-free and shifted windows, on how many the alarm rings."""
    p_values: list[dict[str, float]] = [{} for _ in range(drift_free + shifted)]
    moved = np.arange(drift_free + shifted) >= drift_free
    for feature in range(NORMAL):
        shifts = np.where(moved & (feature < MOVED), SHIFT, 0.0)
        for window, p_value in enumerate(_numeric(rng, rows, reference_rows, shifts)):
            p_values[window][f"n{feature}"] = p_value
    for feature in range(CATEGORICAL):
        for window, p_value in enumerate(_categorical(rng, rows, reference_rows, len(p_values))):
            p_values[window][f"c{feature}"] = p_value
    rings = np.array([len(drifted(window)) >= ALARM for window in p_values])
    return int(rings[~moved].sum()), int(rings[moved].sum())


def _numeric(rng: np.random.Generator, rows: int, reference_rows: int, shifts: Floats) -> Iterator[float]:
    """The p-value of each window of one normal feature, moved by ``shifts``."""
    past = rng.normal(size=reference_rows)
    edges, deciles = quantile_edges(past)
    cells, pivot = Cells(edges), float(past.mean())
    bins = ViewReference(NumericBinning(cells.edges, pivot), _fold(cells, pivot, past, 1)[0], deciles)
    step = max(1, _AT_A_TIME // rows)
    for first in range(0, len(shifts), step):
        some = shifts[first : first + step]
        values = rng.normal(size=(len(some), rows)) + some[:, None]
        stack = _fold(cells, pivot, values.ravel(), len(some))
        for window in range(len(some)):
            p_value = Pair(stack[window], bins).p_value
            assert p_value is not None
            yield p_value


def _fold(cells: Cells, pivot: float, values: Floats, size: int) -> NumericSummary:
    groups = np.repeat(np.arange(size), len(values) // size)
    return NumericSummary.fold_prepared(PreparedNumbers.of(cells, pivot, values), groups, size)


def _categorical(rng: np.random.Generator, rows: int, reference_rows: int, windows: int) -> Iterator[float]:
    reference = _counted(rng, reference_rows)
    for _ in range(windows):
        p_value = chi_squared_p_value(_counted(rng, rows), reference)
        assert p_value is not None
        yield p_value


def _counted(rng: np.random.Generator, rows: int) -> Floats:
    codes = rng.integers(0, LEVELS, rows)
    summary = CategoricalSummary.fold(_CATEGORIES, codes, np.zeros(rows, dtype=np.intp), 1)[0]
    return summary.over(_CATEGORIES)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="windows of 200 and 1,000 rows, fewer of them")
    parser.add_argument("--no-peers", action="store_true", help="without Evidently")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--streams", type=int, default=1, help="so many references of each size")
    options = parser.parse_args()
    drift_free, shifted = (30, SHIFTED) if options.quick else (DRIFT_FREE, SHIFTED)
    table = []
    for rows in WINDOWS[:2] if options.quick else WINDOWS:
        for reference_rows in REFERENCES[:2] if options.quick else REFERENCES:
            found = [
                stream(
                    np.random.default_rng([options.seed, number, rows, reference_rows]),
                    rows,
                    reference_rows,
                    drift_free,
                    shifted,
                )
                for number in range(options.streams)
            ]
            false, true = (sum(rings) for rings in zip(*found, strict=True))
            name = f"{rows:,} rows against {reference_rows:,}"
            least = least_found(rows, reference_rows)
            table.append(
                Row(
                    f"{name}: of {drift_free * options.streams} drift-free, rings on",
                    false,
                    limit=MOST_FALSE * options.streams,
                )
            )
            table.append(
                Row(
                    f"{name}: of {shifted * options.streams} shifted, rings on",
                    true,
                    limit=None if least is None else least * options.streams,
                    at_least=True,
                )
            )
    if not options.no_peers:
        table += _peer(options.quick)
    finish("Honest alarms: 20 features, four or more drifted", table, quick=options.quick)


def _peer(quick: bool) -> list[Row]:
    windows = 3 if quick else 60
    table = []
    for rows, reference_rows in ((1000, 1000), (200, 10_000)):
        what = f"Evidently's preset, {rows:,} against {reference_rows:,}: of {windows} drift-free, rings on"
        try:
            found = run([*peers.evidently(), "windows", rows, reference_rows, windows], timeout=1800)
            table.append(Row(what, int(found.output)))
        except ProgramError as error:
            table.append(Row(what, None, note=str(error).splitlines()[-1][:120]))
    return table


if __name__ == "__main__":
    main()
