"""The mapping `when:` of a spec file: exactly one condition, or several combined. Every kind is registered here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from pydantic import Field, model_validator

from rulegen.conditions.adaptive import Adaptive
from rulegen.conditions.beyond_noise import BeyondNoise
from rulegen.conditions.change import ChangeFrom
from rulegen.conditions.drop import DropFrom
from rulegen.conditions.forecast import Forecast
from rulegen.conditions.kind import Comparison, History, Kind, World
from rulegen.conditions.reference import AboveReference, BelowReference
from rulegen.conditions.threshold import THRESHOLDS, Limit, Threshold
from rulegen.promql.annotations import Part, Text
from rulegen.promql.expressions import block
from rulegen.sli.gauge import GaugeSeries

Location = tuple[str | int, ...]


class Condition(Threshold):
    """The condition on which a gauge is bad: exactly one kind."""

    changeFrom: ChangeFrom | None = Field(None, description="A change from the value some time ago.")
    dropFrom: DropFrom | None = Field(None, description="A drop below its own mean.")
    aboveReference: AboveReference | None = Field(None, description="Above a multiple of the reference.")
    belowReference: BelowReference | None = Field(None, description="Below a part of the reference.")
    forecast: Forecast | None = Field(None, description="A limit that it will cross if it goes on so.")
    adaptive: Adaptive | None = Field(None, description="Unusual for its own past.")
    all: list[Condition] | None = Field(None, min_length=2, description="Every one of several conditions.")
    any: list[Condition] | None = Field(None, min_length=2, description="At least one of several conditions.")

    beyondNoise: bool = Field(
        False,
        description="With a limit: hold only where the gauge is beyond it by more than two of its standard errors.",
    )

    @model_validator(mode="after")
    def _has_a_limit_for_noise(self) -> Condition:
        if self.beyondNoise and self.key not in THRESHOLDS:
            message = f"beyondNoise goes with a limit ({', '.join(THRESHOLDS)}), not with {self.key}"
            if self.key in ("all", "any"):
                message += ": write it inside, beside each limit"
            raise ValueError(message)
        return self

    @property
    def compares_with_reference(self) -> bool:
        """Return whether any of it needs the figure of the reference."""
        return any(leaf.aboveReference or leaf.belowReference for _, leaf in self.leaves())

    @cached_property
    def comparison(self) -> Comparison | None:
        """The comparison that is given, where it is neither a limit nor a combination."""
        given = getattr(self, self.key)
        return given if isinstance(given, Comparison) else None

    def parts(self, at: Location = ()) -> Iterator[tuple[Location, Condition]]:
        """Yield the conditions inside ``all`` or ``any``, each with its place below ``at``."""
        for index, child in enumerate(self.all or self.any or ()):
            yield (*at, self.key, index), child

    def leaves(self, at: Location = ()) -> Iterator[tuple[Location, Condition]]:
        """Yield the innermost conditions, each with its place below ``at``."""
        if not (self.all or self.any):
            yield at, self
        for place, child in self.parts(at):
            yield from child.leaves(place)

    @property
    def looks_low(self) -> bool:
        """Return whether the smallest of several values is the worst for all that it consists of."""
        return all(
            leaf.comparison.looks_low if leaf.comparison else leaf.key in ("below", "atMost")
            for _, leaf in self.leaves()
        )

    def lower(self, series: GaugeSeries) -> Kind:
        """Bind it to a gauge."""
        if self.comparison is not None:
            return self.comparison.lower(series)
        parts = tuple(child.lower(series) for _, child in self.parts())
        if parts:
            return Combined(parts, every=self.all is not None)
        return (BeyondNoise if self.beyondNoise else Limit).of(series, self)


@dataclass(frozen=True)
class Combined(Kind):
    """``parts`` that all hold, or at least one of them."""

    parts: tuple[Kind, ...]
    every: bool

    def expression(self, *, valued: bool = True) -> str:
        word = "and" if self.every else "or"
        # What follows `and` has no say in the value.
        found = (
            part.condition() if self.every and index else part.expression(valued=valued)
            for index, part in enumerate(self.parts)
        )
        return f"\n{word}\n".join(map(_enclosed, found))

    def condition(self) -> str:
        word = "and" if self.every else "or"
        return f"\n{word}\n".join(_enclosed(part.condition()) for part in self.parts)

    def phrase(self, *, values: bool = True) -> Text:
        word = " and " if self.every else " or "
        said: list[Part | Text] = []
        for part in self.parts:
            nested = isinstance(part, Combined)
            said += [word] if said else []
            said += ["(", part.phrase(values=values), ")"] if nested else [part.phrase(values=values)]
        return Text.of(*said)

    def holds(self, value: Decimal, world: World) -> bool:
        combine = all if self.every else any
        return combine(part.holds(value, world) for part in self.parts)

    def legs(self) -> Sequence[Kind]:
        return [leg for part in self.parts for leg in part.legs()]

    def histories(self) -> Sequence[History]:
        return [history for part in self.parts for history in part.histories()]


def _enclosed(expression: str) -> str:
    return block(expression) if "\n" in expression else f"({expression})"


CONDITIONS = tuple(name for name in Condition.model_fields if name != "beyondNoise")
Condition.exactly_one = CONDITIONS
