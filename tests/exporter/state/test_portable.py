"""Portable states: stores that are merged are one store that has counted everything."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.state import Scope, Store
from exporter.state.portable import BucketKey, Layout, Portable, Waiting, merge, of, restore
from exporter.state.portable_bytes import MAGIC, PortableError, from_bytes, to_bytes
from exporter.summary.base import Composite, Floats, Shape
from exporter.summary.numeric import NumericSummary
from tests.support.properties import examples
from tests.support.summaries import empty_of

EDGES = np.array([0.0, 1.0, 5.0, 9.0])
SHAPES = [
    Shape(kind, digest, Composite({"x": empty_of(NumericSummary, EDGES, 0.0)}))
    for kind, digest in (("traffic", "a"), ("outcome", "b"))
]
NOW = 1_800_000_000_000_000
HOUR = 3_600_000_000


@dataclass(frozen=True)
class Rows:
    """What one batch counts: rows of one version, segment value and bucket, predictions and labels that wait."""

    shape: int
    version: str
    value: str
    start: int
    numbers: tuple[float, ...]
    number: int


rows = st.builds(
    Rows,
    st.integers(0, 1),
    st.sampled_from(["", "1", "2"]),
    st.sampled_from(["", "a", "b"]),
    st.integers(0, 3),
    # Whole numbers: their sums are exact in any order.
    st.lists(st.sampled_from([-3.0, 0.0, 2.0, 7.0, 1e6, np.inf, np.nan]), min_size=1, max_size=4).map(tuple),
    st.integers(0, 2**40),
)
batches = st.lists(rows, max_size=12, unique_by=lambda one: one.number)


def vector_of(numbers: Sequence[float]) -> Floats:
    stack = NumericSummary.fold(EDGES, 0.0, np.array(numbers), np.zeros(len(numbers), dtype=np.intp), 1)
    return Composite({"x": stack[0]}).vector()


@contextmanager
def counted(some: Sequence[Rows]) -> Iterator[Store]:
    with closing(Store()) as store, store.transaction():
        for one in some:
            shape, start = SHAPES[one.shape], NOW + one.start * HOUR
            version = store.versions.number(one.version, start, start + one.number)
            segment = "s" if one.value else ""
            scope = Scope(version, segment, one.value)
            store.summaries.add(shape, [(scope, start, vector_of(one.numbers))], compress=one.number % 2 == 0)
            store.counters.add("ml_predictions_total", (one.version,), len(one.numbers))
            store.marks.rise("predictions event", start + one.number)
            if one.value:
                weights = store.segments.weights(np.array([start]))
                store.segments.count(segment, {one.value: float(weights.sum())})
            code = store.combinations.codes([{segment: one.value} if one.value else {}], [start])
            ids, times, versions, codes = (np.array([it]) for it in (one.number, start, version, code[0]))
            store.pending.add(
                ids, times, versions, codes, np.array([0.5]), np.array([1], dtype=np.intp), None, start
            )
        yield store


def portable(some: Sequence[Rows]) -> Portable:
    with counted(some) as store:
        return of(store, SHAPES, pending=True)


def plain(item: Portable) -> dict[str, Any]:
    """Everything that is exact, as values that compare."""
    return {
        "buckets": {
            key: (places.tolist(), numbers.tobytes()) for key, (places, numbers) in item.buckets.items()
        },
        "versions": item.versions,
        "counters": item.counters,
        "marks": item.marks,
        "held": {value: held for value, (_, held) in item.sizes.items()},
        "sizes": {value: pytest.approx(size, abs=1e-6) for value, (size, _) in item.sizes.items()},
        "waiting": item.waiting or Waiting(),
    }


def exact(item: Portable) -> dict[str, Any]:
    return {name: value for name, value in plain(item).items() if name != "sizes"}


@given(st.lists(batches, min_size=1, max_size=5), st.randoms(use_true_random=False))
@settings(max_examples=examples(15), deadline=None)
def test_merge_is_one_store_over_all_records(parts: list[list[Rows]], random: Any) -> None:
    """In any order and grouping, over the wire and back, bit for bit."""
    numbered = [
        [replace(row, number=row.number * 8 + place) for row in part] for place, part in enumerate(parts)
    ]
    whole = portable([row for part in numbered for row in part])
    found = [portable(part) for part in numbered]
    while len(found) > 1:
        random.shuffle(found)
        size = random.randint(2, len(found))
        found = [merge(from_bytes(to_bytes(part)) for part in found[:size]), *found[size:]]
    assert exact(found[0]) == exact(whole)
    sizes = {value: size for value, (size, _) in found[0].sizes.items()}
    assert sizes == {value: pytest.approx(size, abs=1e-6) for value, (size, _) in whole.sizes.items()}


@given(batches)
@settings(max_examples=examples(15), deadline=None)
def test_restored_store_is_the_same_store(some: list[Rows]) -> None:
    before = portable(some)
    with closing(Store()) as store:
        with store.transaction():
            restore(before, store)
            assert exact(of(store, SHAPES, pending=True)) == exact(before)
        assert store.pending.waiting() == len(some)
        if some:
            with store.transaction(), pytest.raises(ValueError, match="cannot be restored"):
                restore(before, store)


def test_label_joins_a_prediction_of_another_part() -> None:
    """Restoring returns labels that would otherwise wait beside their prediction for ever."""
    row = Rows(0, "1", "a", 0, (2.0,), 5)
    with closing(Store()) as store, store.transaction():
        store.pending.label(np.array([5, 6]), np.array([1, 0]), np.array([NOW, NOW]), NOW)
        labels = of(store, SHAPES, pending=True)
    both = from_bytes(to_bytes(merge([portable([row]), labels])))
    with closing(Store()) as store, store.transaction():
        ids, values, times = restore(both, store)
        assert (ids.tolist(), values, times.tolist()) == ([5], [1], [NOW])
        matches = store.pending.label(ids, np.array(values), times, NOW)
        assert matches.score.tolist() == [0.5]
        assert store.combinations.content(int(matches.scope[0])) == {"s": "a"}
        assert store.pending.waiting() == 0


def test_layouts_of_one_digest_must_be_equal() -> None:
    one, other = (Portable({("traffic", "a"): Layout(width)}) for width in (1, 2))
    with pytest.raises(ValueError, match="merge differently"):
        merge([one, other])


@pytest.mark.parametrize(
    ("bytes_of", "message"),
    [
        (lambda whole: whole[1:], "another version"),
        (lambda whole: whole[:-3], "does not end"),
        (lambda whole: whole + b"x", "does not end"),
        (lambda whole: whole[:40] + b"\0\0\0" + whole[43:], "damaged"),
        (lambda _: MAGIC + zlib.compress(b"\xff" * 8), "damaged"),
        (lambda _: MAGIC + zlib.compress(b""), "damaged"),
        (lambda _: MAGIC + zlib.compress(bytes(8 << 20)), "more than"),
        (lambda _: MAGIC + zlib.compress((2).to_bytes(8, "little") + b"{}"), "Field required"),
    ],
)
def test_bytes_that_are_none_are_refused(bytes_of: Any, message: str) -> None:
    whole = to_bytes(portable([Rows(0, "1", "a", 0, (2.0,), 5)]))
    with pytest.raises(PortableError, match=message):
        from_bytes(bytes_of(whole), most=4 << 20)


def _changed(whole: bytes, before: bytes, after: bytes) -> bytes:
    body = zlib.decompress(whole[len(MAGIC) :])
    length = int.from_bytes(body[:8], "little")
    text = body[8 : 8 + length].replace(before, after)
    assert text != body[8 : 8 + length]
    return MAGIC + zlib.compress(len(text).to_bytes(8, "little") + text + body[8 + length :])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"buckets":1', b'"buckets":2'),
        (b'"buckets":1', b'"buckets":-1'),
        (b'"buckets":1', b'"buckets":1e18'),
        (b'"numbers":', b'"numbers":9'),
        (b'"scopes":[[1,0,', b'"scopes":[[2,0,'),
        (b'"scopes":[[1,0,', b'"scopes":[[1,7,'),
        (b'"scopes":[[1,0,', b'"scopes":[[-1,0,'),
        (b'"traffic","a",16,', b'"traffic","a",2,'),
        (b'"traffic","a",16,', b'"traffic","a",99999999999,'),
        (b'"traffic","a",16,[[14,15]],[[', b'"traffic","a",16,[[13,16]],[['),
        (b'"traffic","a",16,[', b'"traffic","a",16,[[77,78],'),
        (b'["ml_predictions_total",["1"],1.0]', b'["ml_predictions_total",["1"],NaN]'),
        (b'["ml_predictions_total",["1"],1.0]', b'["ml_predictions_total",["1"],1e999]'),
        (b'["ml_predictions_total",["1"],1.0]', b'["ml_predictions_total",["\\ud800"],1.0]'),
        (b'"predictions event",', b'"predictions event",1' + b"0" * 30),
        (b'"marks":', b'"extra":1,"marks":'),
        (b'"marks":', b'"marks":' + b"[" * 5000),
        (b'"predictions":[[5,', b'"predictions":[["5",'),
    ],
    ids=range(18),
)
def test_hostile_header_is_refused(before: bytes, after: bytes) -> None:
    whole = to_bytes(portable([Rows(0, "1", "a", 0, (2.0,), 5)]))
    with pytest.raises(PortableError, match="damaged"):
        from_bytes(_changed(whole, before, after))


@given(st.integers(0, 2**32), st.integers(1, 30))
@settings(max_examples=examples(60), deadline=None)
def test_changed_bytes_are_refused_or_read(seed: int, changes: int) -> None:
    """Nothing but PortableError comes out of any body; what is read can be merged and restored."""
    rng = np.random.default_rng(seed)
    whole = to_bytes(portable([Rows(0, "1", "a", 0, (2.0, 7.0), 5), Rows(1, "2", "", 1, (1e6,), 6)]))
    body = bytearray(zlib.decompress(whole[len(MAGIC) :]))
    for place in rng.integers(0, len(body), changes):
        body[place] = rng.integers(0, 256)
    try:
        found = from_bytes(MAGIC + zlib.compress(bytes(body)))
    except PortableError:
        return
    with closing(Store()) as store, store.transaction():
        restore(merge([found, found]), store)


@given(batches, st.sets(st.integers(0, 11)))
@settings(max_examples=examples(15), deadline=None)
def test_content_that_the_receiver_has_is_left_out(some: list[Rows], left_out: set[int]) -> None:
    whole = portable(some)
    keys = [key for place, key in enumerate(whole.buckets) if place in left_out]
    rest = {key: content for key, content in whole.buckets.items() if key not in keys}
    page = from_bytes(to_bytes(replace(whole, buckets=rest, unchanged=frozenset(keys))))
    assert page.unchanged == set(keys)
    assert exact(page) == exact(replace(whole, buckets=rest))


def test_key_of_all_versions_is_not_that_of_the_nameless_one() -> None:
    content = (np.array([0], dtype=np.uint32), np.array([1.0]))
    keys = [BucketKey("traffic", "a", version, "", "", 0) for version in (None, "")]
    both = Portable({("traffic", "a"): Layout(1)}, dict.fromkeys(keys, content), {"": (0, 0)})
    assert set(from_bytes(to_bytes(both)).buckets) == set(keys)
