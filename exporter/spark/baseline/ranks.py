"""Values at given ranks among more values than one machine sorts: found digit by digit, exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from exporter.references.baseline.source import Ordered, Part, finite_values
from exporter.summary.base import Codes, Floats

Keys = npt.NDArray[np.uint64]

_BITS = 64
_SIGN = np.uint64(1 << 63)
_FIRST_DIGIT, _DIGIT = 16, 12
_FEW = 1 << 16
_SAMPLE = 1 << 12


def keys_of(values: Floats) -> Keys:
    """Return whole numbers that are ordered as ``values`` are."""
    bits = values.view(np.uint64)
    found: Keys = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return found


def values_of(keys: Keys) -> Floats:
    """Return the inverse of ``keys_of``."""
    found: Floats = np.where(keys & _SIGN, keys & ~_SIGN, ~keys).view(np.float64)
    return found


@dataclass
class Sought:
    """Places of the values at ``ranks``. ``prefixes``: the first ``bits`` of keys, ascending.

    ``before``: keys that are less than each. ``number``: of all values, known when the first digit is. ``keys``: at
    the ranks, when all is known.
    """

    ranks: Codes | None = None
    number: int = 0
    bits: int = 0
    prefixes: Keys = field(default_factory=lambda: np.zeros(1, dtype=np.uint64))
    before: Codes = field(default_factory=lambda: np.zeros(1, dtype=np.intp))
    keys: Keys | None = None

    @property
    def digit(self) -> int:
        """Bits of the digit that is counted next."""
        return min(_DIGIT if self.bits else _FIRST_DIGIT, _BITS - self.bits)

    def count(self, keys: Keys) -> dict[str, Any]:
        """Count the next digit of keys that begin as those sought, and the keys themselves where they are few."""
        if self.bits:
            start = keys >> np.uint64(_BITS - self.bits)
            places = np.searchsorted(self.prefixes, start)
            places[places == len(self.prefixes)] = 0
            mine = self.prefixes[places] == start
            keys, places = keys[mine], places[mine]
        else:
            places = np.zeros(len(keys), dtype=np.intp)
        digits = (keys >> np.uint64(_BITS - self.bits - self.digit)).astype(np.intp) & ((1 << self.digit) - 1)
        width = len(self.prefixes) << self.digit
        counts = np.bincount((places << self.digit) + digits, minlength=width)
        return {"counts": counts, "few": Few.of(keys)}

    def narrow(self, counts: Codes, few: Few, ranks: Callable[[int], Codes]) -> None:
        """Take in what was counted of all rows. ``ranks``: by the number of values."""
        if self.ranks is None:
            self.number = int(counts.sum())
            self.ranks = ranks(self.number) if self.number else np.empty(0, dtype=np.intp)
        own = np.searchsorted(self.before, self.ranks, side="right") - 1
        by_prefix = counts.reshape(len(self.prefixes), -1)
        if few.keys is not None:
            # Behind those of earlier prefixes, of which there are fewer among the few than among all.
            starts = np.concatenate([[0], np.cumsum(by_prefix.sum(axis=1))])
            within = starts[own] + self.ranks - self.before[own]
            self.keys = few.keys[np.searchsorted(np.cumsum(few.numbers), within, side="right")]
            return
        up_to = np.cumsum(by_prefix, axis=1)
        within = self.ranks - self.before[own]
        digits = np.array(
            [
                np.searchsorted(up_to[place], rank, side="right")
                for place, rank in zip(own, within, strict=True)
            ]
        )
        lower = self.before[own] + up_to[own, digits] - by_prefix[own, digits]
        found = (self.prefixes[own] << np.uint64(self.digit)) + digits.astype(np.uint64)
        self.bits += self.digit
        self.prefixes, first = np.unique(found, return_index=True)
        self.before = lower[first]
        if self.bits == _BITS:
            self.keys = found

    def ordered(self, total: float) -> Ordered:
        """Return what was sought. ``total``: of all values."""
        assert self.keys is not None
        return Ordered(self.number, total, values_of(self.keys))


@dataclass(frozen=True)
class Few:
    """Different keys, ascending, and how many there are of each; None where they are too many."""

    keys: Keys | None
    numbers: Codes

    @classmethod
    def of(cls, keys: Keys, numbers: Codes | None = None) -> Few:
        """Count ``keys``, each as one, or as one of ``numbers``."""
        none = cls(None, np.empty(0, dtype=np.intp))
        if numbers is None and len(np.unique(keys[: 2 * _SAMPLE])) > _SAMPLE and len(keys) > _FEW:
            return none
        different, inverse = np.unique(keys, return_inverse=True)
        if len(different) > _FEW:
            return none
        counts = np.bincount(inverse, numbers, len(different)).astype(np.intp)
        return cls(different, counts)

    def __add__(self, other: Few) -> Few:
        if self.keys is None or other.keys is None:
            return self if self.keys is None else other
        return Few.of(np.concatenate([self.keys, other.keys]), np.concatenate([self.numbers, other.numbers]))


def counter(
    function: Callable[[Part], Mapping[str, Floats]], sought: Mapping[str, Sought] | None
) -> Callable[[Part], dict[str, Any]]:
    """Return what counts the next digit of each array that is still sought; where None is, sums each as well."""

    def of_part(part: Part) -> dict[str, Any]:
        found: dict[str, Any] = {"totals": []}
        for name, values in function(part).items():
            if sought is not None and name not in sought:
                continue
            finite = finite_values(values)
            found[name] = (Sought() if sought is None else sought[name]).count(keys_of(finite))
            if sought is None:
                with np.errstate(over="ignore", invalid="ignore"):
                    found["totals"].append((part.start, name, float(finite.sum())))
        return found

    return of_part
