"""Incidents that a user remembers, by which a history's episodes are right or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mlslo.yamlfile import InputError, Problem, StrictModel, did_you_mean, quoted_list, read, validate
from rulegen.backtest.episodes import Episode
from rulegen.backtest.history import Moment, moment
from rulegen.validation.specs import Specs


class _Incident(StrictModel):
    from_: Moment = Field(alias="from")
    until: Moment
    model: str | None = None
    slo: str | None = None
    alert: str | None = None
    note: str = ""


class _File(StrictModel):
    incidents: Annotated[list[_Incident], Field(min_length=1)]


@dataclass(frozen=True)
class Incident:
    """A time in which something was wrong, in milliseconds since 1970. ``number`` counts from 1.

    ``alert``, ``slo``, ``model``: who should have said so; anybody, where none is given.
    """

    number: int
    begin: int
    end: int
    model: str | None
    slo: str | None
    alert: str | None
    note: str

    def __str__(self) -> str:
        return f"incident {self.number}" + (f" ({self.note})" if self.note else "")

    def is_for(self, identity: tuple[str, str, str]) -> bool:
        """Return whether this alert should have said so: it is named, by itself or its SLO or model."""
        named = (self.model, self.slo, self.alert)
        return any(named) and all(own in (None, name) for own, name in zip(named, identity, strict=True))

    def concerns(self, identity: tuple[str, str, str]) -> bool:
        """Return whether an episode of this alert may be about it."""
        return all(
            own in (None, name)
            for own, name in zip((self.model, self.slo, self.alert), identity, strict=True)
        )

    def is_found(self, episodes: Sequence[Episode]) -> bool:
        """Return whether one of the episodes fired meanwhile."""
        return any(one.overlaps(self.begin, self.end) for one in episodes)


def load(path: Path, specs: Specs) -> list[Incident]:
    """Read incidents. Raises InputError, also for names that are not in the specs."""
    document = read(path)
    file = validate(document, _File)
    slos = [(model.model, slo) for model in specs.models for slo in model.spec.slos]
    known = {
        "model": [model.model for model in specs.models],
        "slo": [slo.name for _, slo in slos],
        "alert": [alert.name for _, slo in slos for alert in slo.alerts],
    }
    problems: list[Problem] = []
    found: list[Incident] = []
    for index, one in enumerate(file.incidents):
        for key, names in known.items():
            name = getattr(one, key)
            if name is not None and name not in names:
                message = f"no {key} '{name}' in the specs, expected one of {quoted_list(names)}"
                problems.append(
                    document.problem(("incidents", index, key), message + did_you_mean(name, names))
                )
        begin, end = moment(one.from_), moment(one.until)
        if begin >= end:
            problems.append(
                document.problem(("incidents", index, "until"), f"expected a time after {one.from_}")
            )
        found.append(Incident(index + 1, begin, end, one.model, one.slo, one.alert, one.note))
    if problems:
        raise InputError(problems)
    return found
