"""``alertmanager.yaml`` as the evaluator reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from rulegen.promql.versions import ONE_SOURCE
from rulegen.simulation.routes import Route, tree
from rulegen.simulation.suppression import InhibitRule, OneSourceRule
from rulegen.simulation.timeintervals import TimeInterval
from rulegen.spec.integrations import SILENT_ABOUT_ENDS


@dataclass(frozen=True)
class Integration:
    """One way to reach a receiver: ``kind`` is slack, pagerduty, ...; ``index`` counts those of a kind."""

    kind: str
    index: int
    send_resolved: bool

    def __str__(self) -> str:
        return f"{self.kind}[{self.index}]"


@dataclass(frozen=True)
class Configuration:
    """Routes, inhibition, receivers, times. ``inhibit_rules`` is data: rules remember, a run makes its own."""

    route: Route
    receivers: Mapping[str, Sequence[Integration]]
    intervals: Mapping[str, Sequence[TimeInterval]]
    inhibit_rules: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The data of an ``alertmanager.yaml``. Raises ValueError where a matcher or a duration is none."""
        named = [*(data.get("time_intervals") or ()), *(data.get("mute_time_intervals") or ())]
        return cls(
            tree(data["route"]),
            {receiver["name"]: _integrations(receiver) for receiver in data.get("receivers") or ()},
            {item["name"]: [TimeInterval.of(entry) for entry in item["time_intervals"]] for item in named},
            list(data.get("inhibit_rules") or ()),
        )

    def inhibition(self, version: str) -> list[InhibitRule]:
        """Return the rules as Alertmanager ``version`` applies them, none of which has seen an alert."""
        kind = OneSourceRule if ONE_SOURCE.open(version) else InhibitRule
        return [kind.of(rule) for rule in self.inhibit_rules]

    def interval_at(self, names: Sequence[str], moment: datetime) -> str | None:
        """The first of the named intervals that ``moment`` is inside of."""
        for name in names:
            if any(interval.contains(moment) for interval in self.intervals[name]):
                return name
        return None


def _integrations(receiver: Mapping[str, Any]) -> list[Integration]:
    return [
        Integration(
            kind.removesuffix("_configs"), index, config.get("send_resolved", kind not in SILENT_ABOUT_ENDS)
        )
        for kind, configs in receiver.items()
        if kind.endswith("_configs")
        for index, config in enumerate(configs or ())
    ]
