"""Features of every kind, what is wrong with them, and each gauge of them calculated plainly."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sklearn import datasets

from exporter.features.characters import CLASSES
from tests.exporter.features.test_kinds import class_of, slot_of, tokens_of

NOW, THEN, REFERENCE, OTHER = 900, 700, 1000, 600
RANGES = {
    "mean radius": (8.0, 22.0),
    "note": (12.0, 70.0),
    "since": (1.699e9, 1.7025e9),
    "pixels": (40.0, 65.0),
}
KINDS = {
    "mean radius": "numeric",
    "grade": "categorical",
    "benign": "boolean",
    "note": "text",
    "since": "timestamp",
    "pixels": "embedding",
}
# Of each kind: what is no value of it, and what is one in a guise.
WRONG: dict[str, list[Any]] = {
    "mean radius": ["n/a", "", [1.0, 2.0], {"a": 1}, "1,5"],
    "benign": ["perhaps", 2, 0.5, [True, True], ""],
    "since": ["soon", True, [5, 5], "", "2026-13-01T00:00:00Z"],
    "pixels": [[1.0, 2.0], [], "none", 7, {"a": 1}, [None] * 64, ["x"] * 64, [[1.0]], "[1.0, 2.0]"],
}
GUISES: dict[str, list[Any]] = {
    "mean radius": ["14.5", 15, True, "1e1", [14.5], [["15"]]],
    "grade": [3, 3.0, "3", True, ["A"], [[3.0]]],
    "benign": ["yes", "NO", 1, 0.0, "True", [False], ["yes"]],
    "note": [42, ["[one] of a list"], "", "日本語 テスト", "emoji 😀"],
    "since": [1_700_000_000, [1_700_000_000], 1_700_000_000_000, "1700000000", "2023-11-14T22:13:20.5+02:00"],
    "pixels": [["1"] * 64, [True] * 64],
}
ABSENT = object()


def words() -> list[str]:
    return " ".join(
        getattr(datasets, f"load_{name}")().DESCR for name in ("wine", "iris", "diabetes")
    ).split()


def rows(number: int, seed: int, *, shift: bool) -> list[dict[str, Any]]:
    """Features of `number` records: cells, notes out of real descriptions, scanned digits."""
    rng = np.random.default_rng(seed)
    cells, digits = datasets.load_breast_cancer(), datasets.load_digits()
    chance = np.where(cells.target == 0, 2.0 if shift else 1.0, 1.0)
    picked = rng.choice(len(cells.data), number, p=chance / chance.sum())
    images = digits.data[digits.target < 3] if shift else digits.data
    vocabulary = words()[: 600 if shift else None]
    return [
        {
            "mean radius": float(cells.data[row, 0] + rng.normal(0, 0.1)),
            "grade": "ABCD"[int(rng.choice(4, p=[0.3, 0.3, 0.3, 0.1] if shift else [0.5, 0.3, 0.2, 0.0]))],
            "benign": bool(cells.target[row]),
            "note": " ".join(rng.choice(vocabulary, int(rng.integers(1, 9 if shift else 12)))),
            "since": datetime.fromtimestamp(
                1.7e9 + float(rng.normal(0, 2e6)) // (3 if shift else 1), UTC
            ).isoformat(),
            "pixels": images[rng.integers(len(images))].tolist(),
        }
        for row in picked
    ]


def spoilt(features: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """Some values missing, null, of another type, or written otherwise."""
    rng = np.random.default_rng(seed)
    found = copy.deepcopy(features)
    for item in found:
        for name in KINDS:
            luck = rng.random()
            if luck < 0.04:
                del item[name]
            elif luck < 0.08:
                item[name] = None
            elif luck < 0.14 and name in WRONG:
                item[name] = WRONG[name][int(rng.integers(len(WRONG[name])))]
            elif luck < 0.2:
                item[name] = GUISES[name][int(rng.integers(len(GUISES[name])))]
    return found


def element_of(value: Any) -> Any:
    """The value in a list of one element; a list of several is itself."""
    while isinstance(value, list) and len(value) == 1:
        (value,) = value
    return value


class Plain:
    """One sample, read value by value."""

    def __init__(self, features: list[dict[str, Any]]) -> None:
        self.features = features
        self.rows = len(features)

    def missing(self, name: str) -> int:
        return sum(item.get(name) is None for item in self.features)

    def read(self, name: str) -> list[Any]:
        """Of each row: the value as its kind has it, "wrong", or None where it is missing."""
        reader = getattr(self, "_" + KINDS[name])
        values = [item.get(name) for item in self.features]
        if KINDS[name] != "embedding":
            values = [element_of(value) for value in values]
        return [None if value is None else reader(value) for value in values]

    def known(self, name: str) -> list[Any]:
        return [value for value in self.read(name) if value is not None and not isinstance(value, Wrong)]

    def wrong(self, name: str) -> int:
        return sum(isinstance(value, Wrong) for value in self.read(name))

    def numbers(self, view: str) -> np.ndarray:
        """Of a view that is numbers."""
        name, _, part = view.partition(".")
        known = self.known(name)
        if part == "length":
            return np.array([len(text) for text in known], dtype=float)
        if part == "norm":
            return np.array([math.sqrt(sum(x * x for x in vector)) for vector in known])
        return np.array(known, dtype=float)

    def categories(self, view: str) -> Counter[str]:
        """Of a view that is categories; values of a boolean that are none are one more."""
        name, _, part = view.partition(".")
        if name == "since":
            moments = [datetime.fromtimestamp(math.floor(seconds), UTC) for seconds in self.known(name)]
            return Counter(f"{at.hour:02}" if part == "hour" else f"{at:%A}" for at in moments)
        return Counter(
            "wrong" if isinstance(value, Wrong) else str(value)
            for value in self.read(name)
            if value is not None
        )

    def mix(self, name: str) -> np.ndarray:
        total = np.zeros(len(CLASSES))
        for text in self.known(name):
            classes = [class_of(character) for character in text] or ["empty"]
            total += [classes.count(label) / len(classes) for label in CLASSES]
        return total

    def tokens(self, name: str) -> Counter[int]:
        return Counter(slot_of(token) for text in self.known(name) for token in tokens_of(text))

    @staticmethod
    def _numeric(value: Any) -> Any:
        if isinstance(value, (list, dict)):
            return Wrong()
        try:
            return float(value)
        except ValueError:
            return Wrong()

    @staticmethod
    def _categorical(value: Any) -> str:
        text = json.dumps(value) if not isinstance(value, str) else value
        return text.removesuffix(".0") if text.removesuffix(".0").lstrip("-").isdigit() else text

    @staticmethod
    def _boolean(value: Any) -> Any:
        text = str(value).lower()
        if text in ("true", "1", "1.0", "yes"):
            return "true"
        return "false" if text in ("false", "0", "0.0", "no") else Wrong()

    @staticmethod
    def _text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    @staticmethod
    def _timestamp(value: Any) -> Any:
        if isinstance(value, (bool, list)):
            return Wrong()
        try:
            number = float(value)
        except ValueError:
            try:
                return datetime.fromisoformat(value).timestamp()
            except ValueError:
                return Wrong()
        return number if number < 1e11 else number / 1e3

    @staticmethod
    def _embedding(value: Any) -> Any:
        if not isinstance(value, list) or len(value) != 64:
            return Wrong()
        try:
            return [float(x) for x in value]
        except (TypeError, ValueError):
            return Wrong()


class Wrong:
    """A value that is not of its feature's kind."""


def binned(sample: np.ndarray, edges: list[float]) -> np.ndarray:
    """Shares of the bins (edge, next edge]."""
    counts = np.bincount(np.searchsorted(edges, sample, side="left"), minlength=len(edges) + 1)
    return np.asarray(counts / counts.sum())


def psi(p: np.ndarray, q: np.ndarray) -> float:
    p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
    return float(np.sum((p - q) * np.log(p / q)))


def lumped(found: Counter[str], known: set[str]) -> Counter[str]:
    """Categories that a reference does not know are one."""
    lumped: Counter[str] = Counter()
    for name, number in found.items():
        lumped[name if name in known else "of no reference"] += number
    return lumped
