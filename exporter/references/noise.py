"""Noise of a reference: how its own stretches differ from each other, by their length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from exporter.summary.base import Floats


@dataclass(frozen=True, eq=False)
class ViewNoise:
    """Noise of one view, for windows of any length.

    ``lengths``: of stretches, in rows that have a value, ascending. ``effects``, ``single``, ``degrees``: the design
    effect of each, that of a single bin's share, and the degrees of freedom. ``seconds``: that a stretch took for each
    of its rows; None where the data has no times.
    """

    lengths: Floats
    effects: Floats
    single: Floats
    degrees: Floats
    seconds: float | None

    def variance(self, rows: float, seconds: float | None = None, *, single: bool = False) -> float:
        """Variance of shares beyond that of independent rows, in units of theirs for one row.

        ``rows``: of a sample that took ``seconds``. ``single``: of the share of one bin alone. What a stream does by
        chance depends on how long one looks, not on how many of its rows one has; so the time counts, where it and the
        reference's are known.
        """
        length = self._length(rows, seconds)
        effects = self.single if single else self.effects
        return (_at(length, self.lengths, effects) - 1.0) / length if length else 0.0

    def degrees_of_freedom(self, rows: float, seconds: float | None = None) -> float:
        """Degrees of freedom that the variance rests on."""
        return _at(self._length(rows, seconds), self.lengths, self.degrees)

    def _length(self, rows: float, seconds: float | None) -> float:
        return rows if seconds is None or self.seconds is None else seconds / self.seconds


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of a data set.

    ``lengths``: of stretches, in rows, ascending. ``seconds``: for each row, None where the data has no times.
    ``dependence``: feature -> as how many it counts, for each length. ``views``: name -> design effects,
    those of a single bin, and degrees of freedom, of each length; names in parentheses are those of ``ANSWERS``.
    ``segments``: segment -> value -> design effect of the share of rows that have it: 1 where they come one by one.
    """

    lengths: Floats
    seconds: float | None
    dependence: Mapping[str, Floats]
    views: Mapping[str, tuple[Floats, Floats, Floats]]
    segments: Mapping[str, Mapping[str, Floats]] = field(default_factory=dict)

    def of_view(self, name: str, share: float) -> ViewNoise | None:
        """Return the noise of a view of which ``share`` of the rows have a value; None where it is not known."""
        found = self.views.get(name)
        if found is None or share <= 0:
            return None
        effects, single, degrees = found
        return ViewNoise(
            self.lengths * share, effects, single, degrees, self.seconds and self.seconds / share
        )

    def of_segment(self, segment: str, values: Sequence[str], share: float) -> Noise:
        """Return the noise of the rows that have one of ``values`` of a segment, which are ``share`` of all.

        Of rows that come one by one the excess of each design effect over 1 is ``share`` of that of all rows: a stretch
        holds so many of those that have something in common. Of rows that come together it is up to all of it, though
        not more than the excess of their own number.
        """
        known = self.segments.get(segment, {})
        together = np.max([known.get(value, np.full(len(self.lengths), np.inf)) for value in values], axis=0)

        def effect(whole: Floats) -> Floats:
            found: Floats = 1 + share * (whole - 1) + (1 - share) * np.minimum(whole - 1, together - 1)
            return found

        views = {
            name: (effect(effects), effect(single), degrees)
            for name, (effects, single, degrees) in self.views.items()
        }
        return replace(
            self, lengths=self.lengths * share, seconds=self.seconds and self.seconds / share, views=views
        )

    def dependence_at(self, rows: float, seconds: float) -> dict[str, float]:
        """Return as how many each feature counts, in a window of ``rows`` that took ``seconds``."""
        length = rows if self.seconds is None else seconds / self.seconds
        return {name: _at(length, self.lengths, item) for name, item in self.dependence.items()}


def _at(length: float, lengths: Floats, values: Floats) -> float:
    """Between two lengths the logarithm of a value follows that of the length; beyond them it stays."""
    if not len(lengths):
        return 1.0
    logarithm = np.interp(np.log(max(length, 1e-9)), np.log(lengths), np.log(values))
    return float(np.exp(logarithm))
