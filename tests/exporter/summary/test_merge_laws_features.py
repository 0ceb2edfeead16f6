"""Merge laws of what texts and vectors are counted into, and binnings that agree with themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.features.binning import (
    Binning,
    CategoricalBinning,
    EmbeddingBinning,
    MixBinning,
    Numbers,
    NumericBinning,
    VocabularyBinning,
)
from exporter.features.embedding import Embedding
from exporter.features.scalars import Boolean, Numeric
from exporter.features.text import Text
from exporter.features.timestamp import Timestamp
from exporter.summary.base import Summary

MIX = MixBinning(Text().binnings["characters"].categories)  # type: ignore[attr-defined]
VECTORS = EmbeddingBinning(2)
# Sums of whole numbers are exact, so that laws can hold to the last bit.
whole = st.integers(-1000, 1000).map(float)


def masked(rows: list[Any]) -> Any:
    column = np.empty(len(rows), dtype=object)
    column[:] = [None if row is None else row for row in rows]
    return np.ma.masked_array(column, mask=[row is None for row in rows])


def decoded_text(rows: list[str | None]) -> dict[str, Any]:
    length = np.array([np.nan if row is None else len(row) for row in rows], dtype=float)
    return Text().decode({"text": masked(rows), "length": length}, Text().binnings)


def decoded_vectors(rows: list[list[float] | None]) -> Any:
    column = masked([None if row is None else np.array(row) for row in rows])
    binnings = {**Embedding().binnings, "vector": VECTORS}
    return Embedding().decode({"vector": column}, binnings)["vector"]


def numbers(rows: list[float]) -> Numbers:
    values = np.array(rows, dtype=float)
    return Numbers(values, np.isnan(values) & (np.arange(len(values)) % 2 == 0))


FRAMES: dict[str, tuple[Binning, Callable[[list[Any]], Any], Any]] = {
    "numbers": (NumericBinning(np.array([-1.0, 0.0, 5.0]), 0.5), numbers, whole | st.just(np.nan)),
    "categories": (
        CategoricalBinning(("a", "b")),
        lambda rows: np.array(rows, dtype=np.int32),
        st.integers(-2, 1),
    ),
    "mix": (MIX, lambda rows: decoded_text(rows)["characters"], st.none() | st.text(max_size=8)),
    "vocabulary": (
        VocabularyBinning(),
        lambda rows: decoded_text(rows)["vocabulary"],
        st.none() | st.text(st.sampled_from("ab 1,é"), max_size=12),
    ),
    "vectors": (
        VECTORS,
        decoded_vectors,
        st.none() | st.lists(whole | st.just(np.inf), min_size=1, max_size=3),
    ),
}


def fold(name: str, rows: list[Any]) -> Summary:
    binning, values, _ = FRAMES[name]
    stack: Summary = binning.fold(binning.prepare(values(rows)), np.zeros(len(rows), dtype=np.intp), 1)
    return stack[0]


@pytest.mark.parametrize("name", FRAMES)
@given(data=st.data())
def test_merging_is_folding_the_whole(name: str, data: st.DataObject) -> None:
    binning, _, row = FRAMES[name]
    if name == "numbers":
        # What is invalid is told by position here, which a concatenation moves.
        row = whole
    a, b, c = (data.draw(st.lists(row, max_size=8)) for _ in range(3))
    one, two, three, empty = fold(name, a), fold(name, b), fold(name, c), binning.empty()
    assert one + two == fold(name, a + b)
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + empty == one == empty + one
    assert fold(name, []) == empty
    assert empty.with_vector(one.vector()) == one
    assert one.rows == len(a)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FRAMES)
@given(data=st.data())
def test_a_stack_and_a_choice_of_rows_are_folds_of_parts(name: str, data: st.DataObject) -> None:
    binning, values, row = FRAMES[name]
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    groups = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows))))
    prepared = binning.prepare(values(rows))
    stack: Summary = binning.fold(prepared, groups, 3)
    for group in range(3):
        chosen = np.flatnonzero(groups == group)
        part: Summary = binning.fold(prepared[chosen], np.zeros(len(chosen), dtype=np.intp), 1)
        assert stack[group] == part[0]
    assert np.array_equal(stack.stack_vectors()[1], stack[1].vector())


def test_frames_of_other_shapes_have_other_signatures() -> None:
    binnings = [
        NumericBinning(np.array([1.0]), 0.0),
        NumericBinning(np.array([1.0]), 1.0),
        NumericBinning(np.array([2.0]), 0.0),
        CategoricalBinning(("a", "b")),
        CategoricalBinning(("b", "a")),
        MixBinning(("a", "b")),
        VocabularyBinning(),
        EmbeddingBinning(2),
        EmbeddingBinning(3),
    ]
    kept = [(type(binning), binning.empty()) for binning in binnings]
    assert len({(kind, empty.vector().size, empty.signature()) for kind, empty in kept}) == len(binnings)


def test_the_primary_view_comes_first() -> None:
    assert Text().primary("f") == "f.length"
    assert Embedding().primary("f") == "f.norm"
    assert Numeric().primary("f") == Boolean().primary("f") == Timestamp().primary("f") == "f"
