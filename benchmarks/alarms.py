"""Does the default data-set alarm ring when it should, and only then?

    .venv/bin/python -m benchmarks.alarms [--quick] [--no-peers] [--seed 0] [--streams 1]

A stream has 20 features, 16 normal and 4 categorical of ten levels, one reference of its own whose noise is learnt,
and windows that are counted and compared by the exporter's own code. The alarm rings where ``ml_features_drifted`` is
four or more. Rows are independent; ``benchmarks.streams`` has others.
365 windows are as the reference; in 60, four features are moved by a quarter of a standard deviation.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks import peers
from benchmarks.data_set import DataSet
from benchmarks.process import ProgramError, run
from benchmarks.table import Row, finish
from exporter.summary.base import Codes, Floats

NORMAL, CATEGORICAL, LEVELS = 16, 4, 10
WINDOWS, REFERENCES = (200, 1000, 10_000), (1000, 10_000, 100_000)
DRIFT_FREE, SHIFTED = 365, 60
MOVED, SHIFT = 4, 0.25
MOST_FALSE = 1


def least_found(rows: int, reference_rows: int) -> int | None:
    """Of the 60 shifted windows, how many must ring; None where nothing is promised."""
    if rows >= 1000:
        return SHIFTED
    return 45 if reference_rows == 10_000 else None


def stream(
    rng: np.random.Generator, rows: int, reference_rows: int, drift_free: int, shifted: int
) -> tuple[int, int]:
    """Of one reference's drift-free and shifted windows, on how many the alarm rings."""
    data_set = DataSet(_values(rng, reference_rows, 0.0))
    false = sum(data_set.rings(_values(rng, rows, 0.0)) for _ in range(drift_free))
    return false, sum(data_set.rings(_values(rng, rows, SHIFT)) for _ in range(shifted))


def _values(rng: np.random.Generator, rows: int, shift: float) -> dict[str, Floats | Codes]:
    """Independent rows of all features, the first ones moved by ``shift``."""
    numbers = {
        f"n{feature}": rng.normal(shift if feature < MOVED else 0.0, size=rows) for feature in range(NORMAL)
    }
    return {**numbers, **{f"c{feature}": rng.integers(0, LEVELS, rows) for feature in range(CATEGORICAL)}}


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
