"""Past the limit a sample waits: every count and ratio stays right, and everybody chooses the same ids."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from exporter.state import Matches, Store
from exporter.state.sampling import inside

LIMIT = 400


def hashed(numbers: np.ndarray) -> np.ndarray:
    """As ``exporter.records`` does it: the lower half of the digest."""
    digests = [hashlib.md5(str(number).encode()).digest()[8:] for number in numbers.tolist()]
    return np.frombuffer(b"".join(digests), dtype=np.int64)


class Run:
    """A stream of predictions with random labels into a store, and what came of it."""

    def __init__(self, store: Store, seed: int, rows: int) -> None:
        self.store = store
        generator = np.random.default_rng(seed)
        self.ids = hashed(np.arange(rows) + seed * rows)
        self.score = generator.random(rows)
        # Later predictions are worse, so that a sample that prefers the old or the new ones would show.
        accuracy = np.where(np.arange(rows) < rows / 2, 0.95, 0.6)
        self.predicted = (self.score > 0.5).astype(np.intp)
        self.label = np.where(generator.random(rows) < accuracy, self.predicted, 1 - self.predicted)
        self.weight = np.zeros(rows)
        self.sampled_out = self.unmatched = self.duplicate = 0
        self._row = {identity: row for row, identity in enumerate(self.ids.tolist())}

    def predict(self, rows: np.ndarray, now: int = 0) -> None:
        with self.store.transaction():
            none = np.zeros(len(rows), dtype=np.int64)
            self._take(
                self.store.pending.add(
                    self.ids[rows], rows, none, none, self.score[rows], self.predicted[rows], None, now
                )
            )

    def tell(self, rows: np.ndarray, now: int = 0) -> None:
        with self.store.transaction():
            matches = self.store.pending.label(self.ids[rows], self.label[rows], rows, now)
        self._take(matches)

    def _take(self, matches: Matches) -> None:
        assert (self.weight[matches.time] == 0).all()
        assert np.array_equal(matches.score, self.score[matches.time])
        assert np.array_equal(matches.label, self.label[matches.time])
        self.weight[matches.time] = matches.weight
        self.sampled_out += matches.sampled_out
        self.unmatched += matches.unmatched
        self.duplicate += matches.duplicate

    def hold(self, truth: np.ndarray) -> None:
        """Sums over the sample are within four standard errors of those over ``truth``.

        A pair is kept with probability 1/w, so the variance of its share of a sum of y is (w - 1) y²; its unbiased
        estimate from those kept is w (w - 1) y².
        """
        right = self.label == self.predicted
        kept = self.weight > 0
        assert not kept[~truth].any()
        for value in (
            np.ones(len(right)),
            right,
            ~right & (self.label == 1),
            self.score,
            right - right[truth].mean(),
        ):
            y = value.astype(float)
            estimate = (self.weight * y)[kept].sum()
            error = np.sqrt((self.weight * (self.weight - 1) * y**2)[kept].sum())
            assert abs(estimate - y[truth].sum()) <= 4 * error + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_weighted_outcomes_are_those_of_all(seed: int) -> None:
    """Load rises past the limit and falls again; labels come after, long after and before their predictions."""
    rows = 24_000
    with closing(Store()) as store:
        store.pending.limit = LIMIT
        run = Run(store, seed, rows)
        generator = np.random.default_rng(100 + seed)
        ratios = []
        order = np.arange(rows)
        size = np.concatenate([np.full(20, 20), np.full(40, 500), np.full(180, 20)])
        ends = np.minimum(np.cumsum(size), rows)
        late: list[np.ndarray] = []
        total = 0
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            mine = order[start:end]
            fate = generator.random(len(mine))
            run.tell(mine[fate < 0.2])
            run.predict(mine)
            run.tell(mine[(fate >= 0.2) & (fate < 0.4)])
            late.append(mine[(fate >= 0.4) & (fate < 0.8)])
            if len(late) > 10:
                run.tell(late.pop(0))
            assert store.pending.waiting() <= LIMIT
            ratios.append(store.pending.sampling_ratio())
            total = end
        for rest in late:
            run.tell(rest)
        assert min(ratios) <= 1 / 8
        told = np.zeros(rows, dtype=bool)
        generator = np.random.default_rng(100 + seed)
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            told[start:end] = generator.random(end - start) < 0.8
        assert total == ends[-1]
        run.hold(told)


def test_what_waited_since_a_smaller_surge_stands_for_as_many_after_a_larger_one() -> None:
    with closing(Store()) as store:
        store.pending.limit = LIMIT
        run = Run(store, 0, 14_000)
        rows = np.arange(14_000)
        run.predict(rows[:1500])
        first = store.pending.sampling_ratio()
        run.tell(rows[:1300])
        run.predict(rows[1500:1510])
        assert first < store.pending.sampling_ratio()
        run.predict(rows[1510:])
        assert store.pending.sampling_ratio() < first / 2
        run.tell(rows[1300:])
        late = run.weight[1300:]
        assert set(late[late > 0]) == {1 / store.pending.sampling_ratio()}
        assert (late[:200] > 0).any()


@pytest.mark.parametrize("seed", range(3))
def test_labels_that_come_first_and_are_too_many(seed: int) -> None:
    with closing(Store()) as store:
        store.pending.limit = LIMIT
        run = Run(store, seed, 6000)
        rows = np.arange(6000)
        for part in np.array_split(rows, 20):
            run.tell(part)
        for part in np.array_split(rows, 30):
            run.predict(part)
        run.hold(rows >= 0)
        assert run.unmatched == 6000
        assert run.duplicate == run.sampled_out == 0


def test_a_label_outside_the_sample_is_neither_unmatched_nor_duplicate() -> None:
    with closing(Store()) as store:
        store.pending.limit = LIMIT
        run = Run(store, 0, 4000)
        rows = np.arange(4000)
        run.predict(rows)
        waiting = store.pending.waiting()
        assert waiting <= LIMIT
        run.tell(rows)
        assert (run.weight > 0).sum() == waiting
        assert run.sampled_out == 4000 - waiting
        run.tell(rows)
        assert run.duplicate == waiting
        assert run.sampled_out == 2 * (4000 - waiting)
        assert run.unmatched == 0
        # Nobody waits and nothing is left out any more: a label without a prediction is what it was.
        with store.transaction():
            store.pending.expire(5000)
        run.predict(np.arange(1), 6000)
        assert store.pending.sampling_ratio() == 1
        stranger = hashed(np.array([10**9]))
        with store.transaction():
            matches = store.pending.label(stranger, np.ones(1, dtype=np.int64), stranger, 6000)
        assert (matches.unmatched, matches.sampled_out) == (1, 0)


def test_labels_of_what_was_left_out_when_the_sample_was_smaller() -> None:
    """The sample has grown again; a label of back then is known not to be a stranger's."""
    with closing(Store()) as store:
        store.pending.limit = LIMIT
        run = Run(store, 0, 4000)
        run.predict(np.arange(3200))
        run.tell(np.arange(3200)[inside(run.ids[:3200], 1)])
        run.predict(np.arange(3200, 3210))
        run.tell(np.arange(3210))
        assert store.pending.sampling_ratio() == 1
        assert run.unmatched == 0


def test_replicas_choose_the_same_ids() -> None:
    """In another order, in other batches."""
    with closing(Store()) as one, closing(Store()) as other:
        one.pending.limit = other.pending.limit = LIMIT
        first, second = Run(one, 0, 5000), Run(other, 0, 5000)
        for part in np.array_split(np.arange(5000), 7):
            first.predict(part)
        for part in np.array_split(np.random.default_rng(0).permutation(5000), 31):
            second.predict(part)
        first.tell(np.arange(5000))
        second.tell(np.arange(5000))
        assert np.array_equal(first.weight, second.weight)
        assert first.sampled_out == second.sampled_out > 0


@pytest.mark.parametrize("seed", range(4))
def test_any_interleaving_of_25_writers(seed: int) -> None:
    """25 replicas log predictions and labels, read in any order: within the limit everything is joined once."""
    generator = np.random.default_rng(seed)
    with closing(Store()) as store:
        run = Run(store, seed, 2500)
        pieces = [(run.predict, part) for part in np.array_split(np.arange(2500), 25)]
        pieces += [(run.tell, part) for part in np.array_split(generator.permutation(2500), 25)]
        for place in generator.permutation(len(pieces)).tolist():
            write, part = pieces[place]
            write(part)
        assert (run.weight == 1).all()
        assert store.pending.waiting() == run.sampled_out == run.duplicate == 0


@pytest.mark.parametrize("seed", range(4))
def test_any_interleaving_past_the_limit(seed: int) -> None:
    generator = np.random.default_rng(seed)
    with closing(Store()) as store:
        store.pending.limit = LIMIT
        run = Run(store, seed, 5000)
        pieces = [(run.predict, part) for part in np.array_split(np.arange(5000), 25)]
        pieces += [(run.tell, part) for part in np.array_split(generator.permutation(5000), 25)]
        for place in generator.permutation(len(pieces)).tolist():
            write, part = pieces[place]
            write(part)
        run.hold(run.ids != 0)


def test_labels_are_kept_as_they_are(tmp_path: Path) -> None:
    """Whole numbers past 2**53, floats and bytes; before and after the prediction, and after a restart."""
    for number, labels in enumerate(
        [
            np.array([2**53 + 1, -3], dtype=np.int64),
            np.array([0.1, 1.0]),
            np.array([b"a\0b", b""], dtype=object),
        ]
    ):
        path, ids = tmp_path / str(number), np.array([5, -5])
        payloads = np.array([None, b"\0\xff"], dtype=object)
        for first in (True, False):
            with closing(Store(path)) as store, store.transaction():
                if first:
                    store.pending.label(ids, labels, ids, 1)
                else:
                    matches = store.pending.add(ids, ids, ids, ids, ids / 1.0, ids, payloads, 1)
                    again = store.pending.label(ids, labels, ids, 1)
                    other = store.pending.label(ids, labels[::-1], ids, 1)
        assert matches.label.dtype == labels.dtype
        assert matches.label.tolist() == labels[::-1].tolist()
        assert matches.payload is not None
        assert matches.payload.tolist() == payloads[::-1].tolist()
        assert again.duplicate == 2
        assert other.duplicate == 2


def test_a_label_that_is_no_value_is_refused() -> None:
    ids = np.array([1])
    for label in (np.array([np.nan]), np.array([None], dtype=object)):
        with closing(Store()) as store, store.transaction(), pytest.raises(ValueError, match="NaN or None"):
            store.pending.label(ids, label, ids, 1)


def test_the_sample_survives_a_restart(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "state")) as store:
        store.pending.limit = LIMIT
        run = Run(store, 0, 3000)
        run.predict(np.arange(2900))
        before = (store.pending.waiting(), store.pending.sampling_ratio())
    with closing(Store(tmp_path / "state")) as store:
        store.pending.limit = LIMIT
        assert (store.pending.waiting(), store.pending.sampling_ratio()) == before
        run.store = store
        run.tell(np.arange(3000))
        assert run.sampled_out > 2000
        run.hold(np.arange(3000) < 2900)
