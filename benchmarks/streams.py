"""Does the default data-set alarm keep quiet on streams whose rows depend on each other, and ring when a model breaks?

    .venv/bin/python -m benchmarks.streams [--quick] [--no-peers] [--seed 0]

Generated streams have 20 features, 16 of numbers and 4 of categories, with season, bursts or clumps; windows follow the
reference. The others are data sets that packages bring along, in their own order: of 52 parts a random half is the
reference, and each other part a window, for several such halves. No window has drifted.

Then a source breaks: in some rows half of the features, the most important one among them, have one value each. Of such
windows those count in which the AUC of a model fell by a tenth or more.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.data_set import DataSet, Values
from benchmarks.process import ProgramError, run
from benchmarks.table import Row, finish
from exporter.summary.base import Codes, Floats

NUMBERS, CATEGORIES = 16, 4
A_DAY = 2000
REFERENCE, WINDOW = 40_000, 5000
WINDOWS, STREAMS = 73, 5
PARTS, SPLITS = 52, 15
FELL = 0.9
SHARES = (0.25, 0.5, 1.0)
_MOST_BROKEN = 60

Score = Callable[[Values], Floats]


def seasons(rng: np.random.Generator, rows: int) -> Iterator[Floats]:
    """A day and a week, each feature with phases and heights of its own."""
    days = np.arange(rows) / A_DAY
    while True:
        day, week = rng.random(2)
        heights = rng.uniform(0.3, 1.0, 2)
        yield (
            rng.normal(size=rows)
            + heights[0] * np.sin(2 * np.pi * (days + day))
            + heights[1] / 2 * np.sin(2 * np.pi * (days / 7 + week))
        )


def bursts(rng: np.random.Generator, rows: int) -> Iterator[Floats]:
    """Now and then one client sends 100 to 1,000 rows, much alike in half of the features."""
    burst = np.zeros(rows, dtype=bool)
    for start in rng.integers(0, rows, rows // 5000):
        burst[start : start + rng.integers(100, 1000)] = True
    while True:
        for height in (3.0, 0.0):
            values = rng.normal(size=rows)
            yield np.where(burst, height + 0.1 * values, values) if height else values


def clumps(length: int) -> Callable[[np.random.Generator, int], Iterator[Floats]]:
    """``length`` rows that belong together: half of the variance is theirs, half of that is all features' together."""

    def features(rng: np.random.Generator, rows: int) -> Iterator[Floats]:
        clump = (np.arange(rows) + rng.integers(length)) // length
        together = rng.normal(size=clump[-1] + 1)
        while True:
            own = rng.normal(size=clump[-1] + 1)
            part = np.sqrt(0.5) * together * rng.choice([-1.0, 1.0]) + np.sqrt(0.5) * own
            yield np.sqrt(0.5) * (part[clump] + rng.normal(size=rows))

    return features


def independent(rng: np.random.Generator, rows: int) -> Iterator[Floats]:
    """Rows that have nothing to do with each other."""
    while True:
        yield rng.normal(size=rows)


GENERATED = {
    "independent rows": independent,
    "daily and weekly season": seasons,
    "bursts": bursts,
    **{f"clumps of {length}": clumps(length) for length in (50, 200, 1000)},
}


def generated(kind: str, rng: np.random.Generator, rows: int) -> dict[str, Floats | Codes]:
    """A stream of ``rows``."""
    features = GENERATED[kind](rng, rows)
    values: dict[str, Floats | Codes] = {f"n{number}": next(features) for number in range(NUMBERS)}
    for number in range(CATEGORIES):
        values[f"c{number}"] = np.clip(np.floor(2 * next(features) + 5), 0, 9).astype(np.intp)
    return values


def cut(values: Values, rows: slice | Codes) -> dict[str, Floats | Codes]:
    """Some rows of all features."""
    return {name: array[rows] for name, array in values.items()}


class Counted:
    """What the alarm did. ``before``: it as it was, without noise that is learnt, without effect sizes."""

    def __init__(self) -> None:
        self.windows = self.rings = self.before = 0
        self.broken = dict.fromkeys(SHARES, 0)
        self.found = dict.fromkeys(SHARES, 0)

    def undrifted(self, data_set: DataSet, plain: DataSet, window: Values) -> None:
        self.windows += 1
        self.rings += data_set.rings(window)
        self.before += len(plain.drifted(window, 0.0)) >= 4

    def broke(
        self,
        data_set: DataSet,
        window: Values,
        defaults: dict[str, float],
        score: Score,
        label: Codes,
        rng: np.random.Generator,
    ) -> None:
        """Break a source of ``defaults`` in a share of the rows, and count where that broke the model."""
        intact = auc(score(window), label)
        for share in SHARES:
            rows = rng.random(len(label)) < share
            broken = cut(window, slice(None))
            for name, default in defaults.items():
                broken[name] = broken[name].copy()
                broken[name][rows] = default
            if auc(score(broken), label) <= FELL * intact:
                self.broken[share] += 1
                self.found[share] += data_set.rings(broken)

    def table(self, name: str) -> list[Row]:
        allowed = max(1, self.windows // 365)
        found = [
            Row(
                f"{name}: of {self.windows} undrifted, rings on",
                self.rings,
                limit=allowed,
                note=f"before: {self.before}",
            )
        ]
        for share, broken in self.broken.items():
            if broken:
                what = f"{name}: of {broken} with {share:.0%} of rows broken and AUC down a tenth, rings on"
                found.append(Row(what, self.found[share], limit=broken, at_least=True))
        return found


def auc(score: Floats, label: Codes) -> float:
    """Area under the ROC curve; 0.5 of one class."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(label, score)) if label.min() < label.max() else 0.5


def of_generated(kind: str, seed: int, *, quick: bool) -> Counted:
    """Count on generated streams."""
    counted = Counted()
    windows = 5 if quick else WINDOWS
    for number in range(1 if quick else STREAMS):
        rng = np.random.default_rng([seed, number, len(kind)])
        values = generated(kind, rng, REFERENCE + windows * WINDOW)
        reference = cut(values, slice(0, REFERENCE))
        data_set, plain = DataSet(reference), DataSet(reference, learn=False)
        weights = rng.normal(size=8)

        def score(window: Values, weights: Floats = weights) -> Floats:
            found: Floats = sum(weight * window[f"n{place}"] for place, weight in enumerate(weights))
            return found

        spread = float(np.std(score(reference)))
        for window in range(windows):
            start = REFERENCE + window * WINDOW
            found = cut(values, slice(start, start + WINDOW))
            counted.undrifted(data_set, plain, found)
            if window < _MOST_BROKEN // STREAMS:
                chance = 1 / (1 + np.exp(-2 * score(found) / spread))
                label = (rng.random(WINDOW) < chance).astype(np.intp)
                defaults = {f"n{place}": -1.0 for place in range(4)} | {
                    f"n{place}": 0.0 for place in range(4, 8)
                }
                counted.broke(data_set, found, defaults, score, label, rng)
    return counted


def of_shipped(values: dict[str, Floats | Codes], seed: int, *, quick: bool) -> Counted:
    """Count on a data set."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.inspection import permutation_importance

    label = values.pop("label").astype(np.intp)
    counted = Counted()
    parts = np.array_split(np.arange(len(label)), PARTS)
    for split in range(1 if quick else SPLITS):
        rng = np.random.default_rng([seed, split])
        chosen = rng.permutation(PARTS)
        learnt = np.concatenate([parts[part] for part in np.sort(chosen[: PARTS // 2])])
        reference = cut(values, learnt)
        data_set, plain = DataSet(reference), DataSet(reference, learn=False)
        held = [parts[part] for part in np.sort(chosen[PARTS // 2 :])]
        for rows in held:
            counted.undrifted(data_set, plain, cut(values, rows))
        if split:
            continue
        model = HistGradientBoostingClassifier(random_state=0).fit(_matrix(reference), label[learnt])

        def score(window: Values, model: Any = model) -> Floats:
            found: Floats = model.predict_proba(_matrix(window))[:, 1]
            return found

        some = rng.choice(learnt, min(4000, len(learnt)), replace=False)
        ranked = permutation_importance(
            model, _matrix(cut(values, some)), label[some], scoring="roc_auc", n_repeats=2, random_state=0
        ).importances_mean
        names = [list(values)[place] for place in np.argsort(-ranked)]
        source = names[: max(4, len(names) // 2)]
        defaults = {name: _default(reference[name]) for name in source}
        for rows in held:
            counted.broke(data_set, cut(values, rows), defaults, score, label[rows], rng)
    return counted


def _matrix(values: Values) -> Floats:
    return np.column_stack([array.astype(np.float64) for array in values.values()])


def _default(array: Floats | Codes) -> float:
    """What a failed join fills in: zero for numbers, the last category."""
    return 0.0 if array.dtype.kind == "f" else float(array.max())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few windows")
    parser.add_argument(
        "--no-peers", action="store_true", help="without the data sets that packages bring along"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = []
    for kind in GENERATED:
        table += of_generated(kind, options.seed, quick=options.quick).table(kind)
    if not options.no_peers:
        with tempfile.TemporaryDirectory(prefix="mlslo-streams-") as folder:
            try:
                run([*peers.shipped_data(), folder], timeout=900)
            except ProgramError as error:
                table.append(Row("data sets of packages", None, note=str(error).splitlines()[-1][:120]))
            for path in sorted(Path(folder).glob("*.npz")):
                with np.load(path) as arrays:
                    values = {name: arrays[name] for name in arrays}
                table += of_shipped(values, options.seed, quick=options.quick).table(path.stem)
    finish("Honest alarms on streams: four or more features drifted", table, quick=options.quick)


if __name__ == "__main__":
    main()
