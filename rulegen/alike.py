"""What is the same for many models is made once, with the names of a model left open.

SLOs are copied from model to model: most differ in their names, or in nothing else. Unit tests take a hundred
times as long to work out as to copy. Each part (the tests of an SLO, the page of an alert) is made from a plan in
which names stand open, kept under all that it follows from, and filled in for each model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import cached_property
from typing import TypeVar, cast

from rulegen.plan import Plan, make_plan
from rulegen.routing import Routing
from rulegen.runbooks.links import dashboard_uid
from rulegen.yamltext import as_text

Part = TypeVar("Part")

# Words that stand for a name. Like names, they are plain text in YAML, JSON, PromQL and Go templates.
_OPEN = "mlslo-open-"
_MODEL, _FILE, _VALUE = f"{_OPEN}model", f"{_OPEN}file", f"{_OPEN}value-"
_PLAIN = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*")
_MOST_KEPT = 4000


class Alike:
    """The parts of one run."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self._made: dict[Hashable, object] = {}

    def of(self, plan: Plan) -> OfModel:
        """The parts of one model."""
        return OfModel(plan, self._routing, self._made)


class OfModel:
    """The parts of one model, and its names to fill them with."""

    def __init__(self, plan: Plan, routing: Routing, made: dict[Hashable, object]) -> None:
        self.plan = plan
        self._routing = routing
        self._made = made
        metadata = plan.file.file.metadata
        values = [*metadata.labels.values(), *metadata.annotations.values()]
        self._names = {f"{_VALUE}{index:03}": value for index, value in enumerate(values)}
        named = (plan.file.model, plan.file.name)
        # A name that has to be quoted, or a value of several lines, changes what is around it.
        self._opens = (
            all(_PLAIN.fullmatch(name) and as_text(name) == name for name in named)
            and not any("\n" in value for value in values)
            and not any(_OPEN in text for text in (*named, *values, self._whole, *self._slos))
            and len(values) < 1000
        )
        self._names |= {_MODEL: plan.file.model, _FILE: plan.file.name}
        self._names |= {dashboard_uid(_FILE): dashboard_uid(plan.file.name)}

    def part(self, what: str, key: Hashable, make: Callable[[Plan], Part], *, whole: bool = True) -> Part:
        """What ``make`` makes of the plan with open names, once for all models for which it is the same.

        It may depend on the routing, on ``key``, and on the file beside its names and SLOs; without ``whole``
        not on what the file demands of companions either.
        """
        if not self._opens:
            return make(self.plan)
        known = (what, self._whole if whole else self._common, key)
        if known not in self._made:
            if len(self._made) >= _MOST_KEPT:
                self._made.clear()
            self._made[known] = make(self._open)
        return cast(Part, self._made[known])

    def slo(self, index: int) -> Hashable:
        """All that an SLO says, as part of a key."""
        return self._slos[index]

    def measured(self, index: int) -> Hashable:
        """What an SLO measures and promises, its alerts apart."""
        return self._measured[index]

    def alert(self, index: int, position: int) -> Hashable:
        """An alert of an SLO, its siblings apart."""
        return self._measured[index], self._alerts[index][position]

    def whens(self, index: int) -> Hashable:
        """What an SLO measures and promises, and the conditions on it."""
        return self._measured[index], self._whens[index]

    def yaml(self, text: str) -> str:
        """``text`` of YAML with the names filled in."""
        return self._filled(text, as_text)

    def json(self, text: str) -> str:
        """``text`` of JSON with the names filled in."""
        return self._filled(text, lambda value: json.dumps(value, ensure_ascii=False)[1:-1])

    def plain(self, text: str) -> str:
        """``text`` with the names filled in as they are."""
        return self._filled(text, str)

    def _filled(self, text: str, written: Callable[[str], str]) -> str:
        if not self._opens:
            return text
        for word, name in self._names.items():
            if word in text:
                text = text.replace(word, written(name))
        return text

    @cached_property
    def _keys(self) -> str:
        metadata = self.plan.file.file.metadata
        return json.dumps([*metadata.labels, None, *metadata.annotations])

    @cached_property
    def _whole(self) -> str:
        """The file beside its names and SLOs."""
        return self._keys + self.plan.file.spec.model_dump_json(exclude={"slos", "model"}, exclude_unset=True)

    @cached_property
    def _common(self) -> str:
        """The same without demands of companions."""
        without = {"slos", "model", "noData", "companions"}
        return self._keys + self.plan.file.spec.model_dump_json(exclude=without, exclude_unset=True)

    @cached_property
    def slis(self) -> tuple[Hashable, ...]:
        """For each SLO what it measures, and what is to be told where that is missing."""
        keys = {"name", "layer", "sli", "noData", "labelsStale"}
        return tuple(
            (
                slo.slo.model_dump_json(include=keys, exclude_unset=True),
                slo.companion and slo.companion.record,
            )
            for slo in self.plan.slos
        )

    @cached_property
    def _slos(self) -> list[str]:
        return [slo.model_dump_json(exclude_unset=True) for slo in self.plan.file.spec.slos]

    @cached_property
    def _measured(self) -> list[Hashable]:
        """How the replicas of a gauge are aggregated may follow from the alerts on it."""
        return [
            (
                slo.slo.model_dump_json(exclude={"alerts"}, exclude_unset=True),
                slo.series.aggregation if slo.series is not None else None,
            )
            for slo in self.plan.slos
        ]

    @cached_property
    def _alerts(self) -> list[list[str]]:
        slos = self.plan.file.spec.slos
        return [[alert.model_dump_json(exclude_unset=True) for alert in slo.alerts] for slo in slos]

    @cached_property
    def _whens(self) -> list[tuple[str, ...]]:
        slos = self.plan.file.spec.slos
        return [tuple(alert.when.model_dump_json(exclude_unset=True) for alert in slo.alerts) for slo in slos]

    @cached_property
    def _open(self) -> Plan:
        """The same plan with words for names."""
        given = self.plan.file.file
        words = iter(self._names)
        metadata = given.metadata.model_copy(
            update={
                "name": _FILE,
                "labels": {key: next(words) for key in given.metadata.labels},
                "annotations": {key: next(words) for key in given.metadata.annotations},
            }
        )
        spec = given.spec.model_copy(update={"model": _MODEL})
        file = given.model_copy(update={"metadata": metadata, "spec": spec})
        return make_plan(replace(self.plan.file, file=file), self._routing)
