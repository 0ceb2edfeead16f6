"""Sets of classes, and their probabilities, in every way that a log writes them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from exporter.parse.label_sets import LabelSets

NAMES = ["news", "sport", "tech"]


def read(value: Any, classes: list[str] | None = None) -> list[int] | None:
    """Return the columns that are in a set; None where it is none."""
    text = value if isinstance(value, str) else json.dumps(value)
    members, valid = LabelSets(classes or NAMES).read([text])
    return np.flatnonzero(members[0]).tolist() if valid[0] else None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], []),
        (["tech", "news"], [0, 2]),
        (["news", "news"], [0]),
        (["news", "x", "y"], [0, 3]),
        ([1, 0, 1], [0, 2]),
        ([1.0, 0.0, 0.0], [0]),
        ([True, False, False], [0]),
        ({"news": True, "tech": False}, [0]),
        ({"news": 0, "sport": 1, "tech": None}, [1]),
        ({"x": True}, [3]),
        ({"x": False, "news": False}, []),
        ({}, []),
        (" [ \"news\" ] ", [0]),
        # None of these is a set.
        ([1, 0], None),
        ([1, 0, 2], None),
        ([1, 0, 1, 0], None),
        (["news", None], None),
        (["news", ["tech"]], None),
        ([["news"]], None),
        ({"news": 0.7}, None),
        ({"news": "yes"}, None),
        ({"x": False}, None),
        ({"news": 1e400}, None),
        ("news", None),
        ("null", None),
        ("3", None),
        ("[1, 0, NaN]", None),
        ("[" * 5000, None),
    ],
)  # fmt: skip
def test_a_set_is_names_or_flags(value: Any, expected: list[int] | None) -> None:
    assert read(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([10, 30], [0, 2]),
        ([10.0], [0]),
        (["30.0"], [2]),
        ([40], [3]),
        ([1, 0, 1], [0, 2]),
        # A list of 0 and 1 of another length.
        ([1, 1, 0, 0], None),
        ([1, 0], None),
        ([30, 30], None),
        ({"10.0": True}, [0]),
    ],
)
def test_classes_that_are_numbers_are_named_by_numbers(value: Any, expected: list[int] | None) -> None:
    assert read(value, ["10", "20", "30"]) == expected


def test_a_class_may_be_a_digit() -> None:
    assert read([1, 0], ["0", "1", "2"]) == [0, 1]
    assert read([1, 0, 1], ["0", "1", "2"]) == [0, 2]
    assert read([0, 0], ["0", "1", "2"]) is None


@pytest.mark.parametrize(
    ("value", "expected", "other"),
    [
        ([0.5, 0, 1], [0.5, 0, 1], False),
        ([1.0000001, -1e-7, 0.5], [1, 0, 0.5], False),
        ({"news": 0.25, "tech": 0.75}, [0.25, 0, 0.75], False),
        ({"news": 0.25, "sport": None}, [0.25, 0, 0], False),
        ({"news": 0.25, "x": 0.4}, [0.25, 0, 0], False),
        ({"news": 0.25, "x": 0.6}, [0.25, 0, 0], True),
        ([0.5, 0.5], None, False),
        ([0.5, 0.5, 1.1], None, False),
        ([0.5, 0.5, True], None, False),
        ([0.5, float("nan"), 0.5], None, False),
        ([0.5, float("inf"), 0.5], None, False),
        ([0.5, 0.5, None], None, False),
        ([0.5, 0.5, "0.5"], None, False),
        ({"x": 0.6}, None, False),
        ({}, None, False),
        ({"news": "x"}, None, False),
        (0.5, None, False),
    ],
)
def test_probabilities_are_one_for_each_class(value: Any, expected: list[float] | None, other: bool) -> None:
    found, others = LabelSets(NAMES).probabilities([json.dumps(value)], 0.5, 1e-6)
    assert found.shape == (1, 3)
    assert np.array_equal(found[0], expected or [np.nan] * 3, equal_nan=True)
    assert others.tolist() == [other]


def test_rows_keep_their_order() -> None:
    texts = ['["news"]', None, '["tech"]', '["news"]', "x"]
    members, valid = LabelSets(NAMES).read(texts)
    assert valid.tolist() == [True, False, True, True, False]
    assert members[:, [0, 2]].tolist() == [[1, 0], [0, 0], [0, 1], [1, 0], [0, 0]]
    members, valid = LabelSets(NAMES).read([])
    assert members.shape == (0, 4)
    assert valid.shape == (0,)
