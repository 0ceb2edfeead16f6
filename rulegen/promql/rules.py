"""Rules and groups of rules, as Prometheus reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlslo.yamlfile import Duration
from rulegen.promql.annotations import Text
from rulegen.promql.conventions import AlertIdentity


@dataclass(frozen=True)
class Record:
    """A recording rule."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"record": self.name, "expr": self.expression}
        return {**data, "labels": dict(self.labels)} if self.labels else data


@dataclass(frozen=True)
class AlertRule:
    """An alerting rule. ``series_labels`` are those that come with its series, beyond ``labels``.

    ``groups``: the labels by which its SLO has an error budget each; an alert about all groups has none of them.
    """

    name: str
    expression: str
    labels: Mapping[str, str]
    annotations: Mapping[str, Text]
    for_: Duration | None = None
    keep_firing_for: Duration | None = None
    series_labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def identity(self) -> AlertIdentity:
        """Its identity, as routing sees it."""
        return AlertIdentity(self.name, self.labels, self.series_labels, self.groups)

    def as_data(self) -> dict[str, Any]:
        data: dict[str, Any] = {"alert": self.name, "expr": self.expression}
        if self.for_ is not None:
            data["for"] = str(self.for_)
        if self.keep_firing_for is not None:
            data["keep_firing_for"] = str(self.keep_firing_for)
        data["labels"] = dict(self.labels)
        data["annotations"] = {name: text.template() for name, text in self.annotations.items()}
        return data


Rule = Record | AlertRule


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated one after the other, so that each sees the records before it."""

    name: str
    rules: Sequence[Rule]

    @property
    def alerts(self) -> list[AlertRule]:
        return [rule for rule in self.rules if isinstance(rule, AlertRule)]

    @property
    def records(self) -> list[Record]:
        return [rule for rule in self.rules if isinstance(rule, Record)]

    def as_data(self, interval: Duration) -> dict[str, Any]:
        rules = [rule.as_data() for rule in self.rules]
        return {"name": self.name, "interval": str(interval), "rules": rules}


def rule_file(groups: Sequence[Group], interval: Duration) -> dict[str, Any]:
    """The one document of a rule file."""
    return {"groups": [group.as_data(interval) for group in groups]}
