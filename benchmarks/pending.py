"""The cost of ten million predictions that wait for their labels.

    .venv/bin/python -m benchmarks.pending [--predictions 10000000] [--labels 100000] [--batch 200000] [--folder F]
        [--quick]

Builds a state file as the exporter does, of random ids; then measures around each step the CPU seconds of the whole
process: a cycle's new predictions, a batch of labels joined and committed, the same labels once more, the expiry of a
tenth, and the halving of the sample past its limit. The limits are those of the project; a ratio up to 1 is within.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.table import Row, finish
from exporter.state import Matches, Store

START = 1_800_000_000_000_000
SPAN = 30 * 86_400 * 1_000_000
CYCLE = 10_000


def cpu() -> float:
    """CPU seconds of this process, the system's work for it included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(step: Callable[[], object]) -> float:
    before = cpu()
    step()
    return cpu() - before


class Predictions:
    """Of random ids and scores, their times rising through thirty days."""

    def __init__(self, store: Store, total: int) -> None:
        self._store = store
        self._total = total
        self._generator = np.random.default_rng(0)
        self._made = 0

    def add(self, number: int, *, now: int = START) -> Matches:
        ids = self._generator.integers(-(2**63), 2**63 - 1, number, dtype=np.int64)
        times = START + (np.arange(self._made, self._made + number) / self._total * SPAN).astype(np.int64)
        self._made += number
        scores = self._generator.random(number)
        predicted = (scores > 0.5).astype(np.intp)
        with self._store.transaction():
            return self._store.pending.add(ids, times, 0 * ids + 1, ids % 20, scores, predicted, None, now)


def chosen(total: int, batch: int, labels: int) -> np.ndarray:
    """``labels`` of the ids that the same generator gave, without keeping all of them."""
    generator = np.random.default_rng(0)
    kept = []
    for start in range(0, total, batch):
        number = min(batch, total - start)
        ids = generator.integers(-(2**63), 2**63 - 1, number, dtype=np.int64)
        generator.random(number)
        wanted = labels * (start + number) // total - labels * start // total
        kept.append(np.random.default_rng(start).choice(ids, wanted, replace=False))
    return np.random.default_rng(1).permutation(np.concatenate(kept))


def measure(folder: Path, total: int, labels: int, batch: int) -> list[tuple[str, float, float | None]]:
    """Return the measurements, with a limit where the project sets one."""
    path = folder / "state.sqlite"
    found: list[tuple[str, float, float | None]] = []
    with closing(Store(path)) as store:
        store.pending.limit = 2 * total
        predictions = Predictions(store, total)
        started = time.monotonic()
        build = measured(lambda: [predictions.add(min(batch, total - n)) for n in range(0, total, batch)])
        print(f"built in {time.monotonic() - started:.0f} s", file=sys.stderr)
        assert store.pending.waiting() == total
        size = sum(file.stat().st_size for file in folder.iterdir() if not file.name.endswith("-wal"))
        found += [
            (f"{total:,} predictions put in, by {batch:,}: CPU µs each", build / total * 1e6, None),
            ("bytes on disk per prediction", size / total, 1e9 / 1e7),
        ]
        cycles = [measured(lambda: predictions.add(CYCLE)) for _ in range(5)]
        found.append((f"{CYCLE:,} more in one cycle, CPU s", float(np.median(cycles)), None))
        ids = chosen(total, batch, labels)
        values = np.random.default_rng(2).integers(0, 2, len(ids))
        matched = []

        def label() -> None:
            with store.transaction():
                matched.append(store.pending.label(ids, values, ids * 0 + START, START))

        found.append((f"{labels:,} labels joined and committed, CPU s", measured(label), 5.0))
        found.append(("the same labels again, CPU s", measured(label), None))
        assert [len(matches.time) for matches in matched] == [labels, 0]
        assert matched[1].duplicate == labels
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found.append(("peak memory of the process, MB", peak, None))

        def expire(before: int) -> None:
            with store.transaction():
                store.pending.expire(before)

        found.append(("the first expiry, CPU s", measured(lambda: expire(START)), None))
        found.append(("a cycle's expiry, CPU s", measured(lambda: expire(START + 1)), None))
        found.append(("expiry of a tenth, CPU s", measured(lambda: expire(START + SPAN // 10)), None))
        store.pending.limit = store.pending.waiting()
        found.append(
            ("halving the sample past its limit, CPU s", measured(lambda: predictions.add(CYCLE)), None)
        )
        assert store.pending.sampling_ratio() == 0.5
        wal = path.with_name(path.name + "-wal")
        found.append(("largest write-ahead log, MB", wal.stat().st_size / 1e6, None))
        found.append(
            ("peak memory in the end, MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, None)
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--predictions", type=int, default=10_000_000)
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="where a gigabyte is free (a temporary folder)")
    parser.add_argument("--quick", action="store_true", help="100,000 predictions, 1,000 labels")
    options = parser.parse_args()
    predictions, labels = (100_000, 1000) if options.quick else (options.predictions, options.labels)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        found = measure(Path(folder), predictions, labels, options.batch)
    finish(
        "Pending: predictions that wait for their labels",
        [Row(what, value, limit=limit) for what, value, limit in found],
        quick=options.quick,
    )


if __name__ == "__main__":
    main()
