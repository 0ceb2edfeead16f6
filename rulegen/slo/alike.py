"""What is the same for many models is made once, with the names of a model left open.

SLOs are copied from model to model: most differ in their names, or in nothing else. Unit tests take a hundred
times as long to work out as to copy. Each part (the plan of an SLO, its rules and tests, the page of an alert) is
made with names open, kept under all that it follows from, and filled in for each model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeVar

from rulegen.output.block_yaml import as_text
from rulegen.output.opentext import OpenText, together
from rulegen.promql.conventions import MODEL, AlertIdentity
from rulegen.slo.companions import Causes
from rulegen.slo.links import dashboard_uid
from rulegen.slo.plan import Plan, monitor_plan, slo_plan
from rulegen.slo.slokeys import SloKeys, slo_keys
from rulegen.spec.model_slo import ModelSlo, Slo, slos_of
from rulegen.spec.routing import Routing

Part = TypeVar("Part")

# Words that stand for a name. Like names, they are plain text in YAML, JSON, PromQL and Go templates.
_OPEN = "mlslo-open-"
_MODEL, _FILE, _VALUE = f"{_OPEN}model", f"{_OPEN}file", f"{_OPEN}value-"
_UID = dashboard_uid(_FILE)
_WORDS = re.compile(f"{_MODEL}|{_FILE}|{_VALUE}[0-9]{{3}}|{_UID}")
_NO_WORDS = re.compile("(?!)")
# Where an SLI has queries of the user's own, which mostly say which model they are about.
_QUERIES = {"ratio": ("errors", "total"), "promql": ("query",)}
_PLAIN = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*")
_MOST_KEPT = 20_000


class Alike:
    """The parts of one run."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self._made: dict[Hashable, object] = {}
        self._opens = _OPEN not in repr(routing.document.data)

    def of(self, file: ModelSlo) -> OfModel:
        """The parts of one model."""
        return OfModel(file, self._routing, self._made, opens=self._opens)


class OfModel:
    """The parts of one model, and its names to fill them with."""

    def __init__(
        self, file: ModelSlo, routing: Routing, made: dict[Hashable, object], *, opens: bool
    ) -> None:
        self.file = file
        self._routing = routing
        self._made = made
        metadata, spec = file.file.metadata, file.document.data["spec"]
        labels = [*metadata.labels, None, *metadata.annotations]
        # The file beside its names and SLOs; the same without demands of companions.
        self._whole = repr((labels, _without(spec, "slos", "model")))
        self._common = repr((labels, _without(spec, "slos", "model", "noData", "companions")))
        values = [*metadata.labels.values(), *metadata.annotations.values()]
        self._names = {f"{_VALUE}{index:03}": value for index, value in enumerate(values)}
        named = (file.model, file.name)
        # A name that has to be quoted, or a value of several lines, changes what is around it.
        self._opens = (
            opens
            and all(_PLAIN.fullmatch(name) and as_text(name) == name for name in named)
            and not any("\n" in value for value in values)
            and not any(_OPEN in text for text in (*named, *values, self._whole, *file.slo_texts))
            and len(values) < 1000
        )
        self._names |= {_MODEL: file.model, _FILE: file.name, _UID: dashboard_uid(file.name)}

    @cached_property
    def plan(self) -> Plan:
        """The plan, in which names are open."""
        file = self._planned
        slos = tuple(
            self._once(
                ("plan", self._whole, text, self.causes),
                partial(slo_plan, file, self._routing, slo, self._causes),
            )
            for text, slo in zip(self._slos, file.spec.slos, strict=True)
        )
        monitor = self._once(
            ("monitor", self._whole, tuple(self._slos), self.causes),
            partial(monitor_plan, file, self._routing, self._causes),
        )
        return Plan(file, slos, *monitor, self._causes)

    @cached_property
    def identities(self) -> list[AlertIdentity]:
        """What routing knows of each alert of the plan, with the names that it will have."""
        own = {MODEL: self.file.model, **self.file.file.metadata.labels}
        return [
            AlertIdentity(alert.name, {**alert.labels, **own}, alert.series_labels)
            for alert in self.plan.alerts
        ]

    def part(self, what: str, key: Hashable, make: Callable[[Plan], Part], *, whole: bool = True) -> Part:
        """What ``make`` makes of the plan with open names, once for all models for which it is the same.

        It may depend on the routing, on ``key``, and on the file beside its names and SLOs; without ``whole``
        not on what the file demands of companions either.
        """
        known = (what, self._whole if whole else self._common, key)
        return self._once(known, lambda: make(self.plan))

    def text(self, what: str, key: Hashable, make: Callable[[Plan], str], *, whole: bool = True) -> OpenText:
        """The same of a text."""
        return self.part(what, key, lambda plan: self.opened(make(plan)), whole=whole)

    def opened(self, text: str) -> OpenText:
        """A text that was made from the plan."""
        return OpenText(text, _WORDS if self._opens else _NO_WORDS)

    def _once(self, known: Hashable, make: Callable[[], Part]) -> Part:
        if not self._opens:
            return make()
        found: Any = self._made.get(known)
        if found is None:
            if len(self._made) >= _MOST_KEPT:
                self._made.clear()
            found = self._made[known] = make()
        part: Part = found
        return part

    @cached_property
    def causes(self) -> Hashable:
        """What can silence several SLOs, as part of a key."""
        # As one text, whose hash is calculated once.
        return repr(self._causes)

    @cached_property
    def _causes(self) -> Causes:
        return Causes.of(self._planned)

    def slo(self, index: int) -> Hashable:
        """All that an SLO says, as part of a key."""
        return self._slos[index]

    def measured(self, index: int) -> Hashable:
        """What an SLO measures and promises, its alerts apart."""
        return self._keys[index].measured

    def alert(self, index: int, position: int) -> Hashable:
        """An alert of an SLO, its siblings apart."""
        return self._keys[index].alerts[position]

    def conditions(self, index: int) -> Hashable:
        """What an SLO measures and promises, and the conditions on it."""
        return self._keys[index].conditions

    def yaml(self, start: str, texts: Sequence[OpenText]) -> str:
        """``start`` as it is and texts of YAML, one after the other, with the names filled in."""
        return together(start, texts, self._in_yaml)

    def json(self, text: OpenText) -> str:
        """A text of JSON with the names filled in."""
        return text.filled(self._in_json)

    def plain(self, text: OpenText) -> str:
        """A text with the names filled in as they are."""
        return text.filled(self._names)

    @cached_property
    def _in_yaml(self) -> Mapping[str, str]:
        return {word: as_text(name) for word, name in self._names.items()}

    @cached_property
    def _in_json(self) -> Mapping[str, str]:
        return {word: json.dumps(name, ensure_ascii=False)[1:-1] for word, name in self._names.items()}

    @cached_property
    def slis(self) -> tuple[Hashable, ...]:
        """For each SLO what it measures, and what is to be told where that is missing."""
        return tuple(keys.sli for keys in self._keys)

    @cached_property
    def _raw_slos(self) -> list[dict[str, Any]]:
        """The SLOs as they stand in the file, the model's name open in their queries."""
        if not self._opens:
            return self._given_slos
        return [self._with_open_queries(slo) for slo in self._given_slos]

    @property
    def _given_slos(self) -> list[dict[str, Any]]:
        return slos_of(self.file.document.data)

    def _with_open_queries(self, raw: dict[str, Any]) -> dict[str, Any]:
        """``raw`` itself, where none of its queries names the model."""
        quoted = f'"{self.file.model}"'
        for kind, keys in _QUERIES.items():
            sli = raw["sli"].get(kind)
            if sli and any(quoted in sli[key] for key in keys):
                opened = {key: sli[key].replace(quoted, f'"{_MODEL}"') for key in keys}
                return {**raw, "sli": {kind: {**sli, **opened}}}
        return raw

    @cached_property
    def _slos(self) -> list[str]:
        given = zip(self._given_slos, self._raw_slos, self.file.slo_texts, strict=True)
        return [text if opened is own else repr(opened) for own, opened, text in given]

    @cached_property
    def _keys(self) -> list[SloKeys]:
        return [
            self._once(("keys", slo), partial(slo_keys, raw, slo))
            for raw, slo in zip(self._raw_slos, self.plan.slos, strict=True)
        ]

    @property
    def _planned(self) -> ModelSlo:
        return self._open if self._opens else self.file

    @cached_property
    def _open(self) -> ModelSlo:
        """The same file with words for names."""
        given = self.file.file
        words = iter(self._names)
        metadata = given.metadata.model_copy(
            update={
                "name": _FILE,
                "labels": {key: next(words) for key in given.metadata.labels},
                "annotations": {key: next(words) for key in given.metadata.annotations},
            }
        )
        slos = [
            slo if own is opened else Slo.model_validate(opened)
            for slo, own, opened in zip(given.spec.slos, self._given_slos, self._raw_slos, strict=True)
        ]
        spec = given.spec.model_copy(update={"model": _MODEL, "slos": slos})
        return replace(self.file, file=given.model_copy(update={"metadata": metadata, "spec": spec}))


def _without(data: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in keys}
