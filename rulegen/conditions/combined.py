"""all, any: several conditions on one gauge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal

from rulegen.conditions.kind import History, Kind, Line, Unusable, World
from rulegen.promql.annotations import Part, Text
from rulegen.promql.rules import Record


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

    def edges(self, world: World) -> Sequence[Decimal]:
        return [edge for part in self.parts for edge in part.edges(world)]

    def legs(self) -> Sequence[Kind]:
        return [leg for part in self.parts for leg in part.legs()]

    def leads(self, healthy: Decimal) -> Sequence[Decimal]:
        return [lead for part in self.parts for lead in part.leads(healthy)]

    def lines(self) -> Sequence[Line]:
        return [line for part in self.parts for line in part.lines()]

    def limits(self) -> Sequence[tuple[float, Literal["above", "below"]]]:
        return [limit for part in self.parts for limit in part.limits()]

    def histories(self) -> Sequence[History]:
        return self._histories

    @cached_property
    def _histories(self) -> Sequence[History]:
        return [history for part in self.parts for history in part.histories()]

    def references(self) -> Sequence[Record]:
        return [record for part in self.parts for record in part.references()]

    def unusable(self) -> Sequence[Unusable]:
        return [past for part in self.parts for past in part.unusable()]

    def healthy_guesses(self) -> Sequence[Sequence[Decimal]]:
        return [group for part in self.parts for group in part.healthy_guesses()]

    def reference_guesses(self) -> Sequence[Decimal]:
        return [guess for part in self.parts for guess in part.reference_guesses()]


def _enclosed(expression: str) -> str:
    if "\n" not in expression:
        return f"({expression})"
    inner = expression.replace("\n", "\n  ")
    return f"(\n  {inner}\n)"
