"""The input of a lint, and its findings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from mlslo.monitor import Monitor
from mlslo.yamlfile import Document, Location, Problem
from rulegen.alertmanager.merge import Base
from rulegen.promql.rules import AlertRule
from rulegen.slo.alerts import GaugeAlert
from rulegen.slo.plan import Plan
from rulegen.spec.lint_names import LINTS, named
from rulegen.spec.model_slo import Alert, ModelSlo, Slo
from rulegen.spec.routing import Routing
from rulegen.validation.specs import Specs


@dataclass(frozen=True)
class Finding:
    """One thing that a lint says of the place ``location`` of a file; ``key``: of the key there, not of its value.

    ``accepted_in``: the file whose `accept` holds for it, where that is another one.
    """

    document: Document
    location: Location
    message: str
    key: bool = False
    accepted_in: Document | None = None

    def problem(self, lint: str) -> Problem:
        """The line that is shown of what ``lint`` has found."""
        said = self.message if LINTS[lint].severity == "error" else f"warning: {self.message}"
        return self.document.problem(self.location, named(said, lint), key=self.key)


class Placed(NamedTuple):
    """An alert, and where the spec asks for it. ``gauge``: where it is a condition on a gauge."""

    rule: AlertRule
    document: Document
    location: Location
    gauge: GaugeAlert | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels whose values are known beforehand."""
        return self.rule.labels


@dataclass(frozen=True)
class Run:
    """Everything that one run has read, and what becomes of it."""

    specs: Specs
    models: Sequence[Plan]
    base: Base | None = None

    @property
    def routing(self) -> Routing:
        return self.specs.routing

    @cached_property
    def alerts(self) -> list[Placed]:
        """Every alert about a model."""
        return [placed for model in self.models for placed in _alerts(model)]

    @property
    def slos(self) -> Iterator[tuple[ModelSlo, Location, Slo]]:
        """Yield each SLO with its file and its place."""
        return ((file, at, slo) for file in self.specs.models for at, slo in file.slos)

    @property
    def gauge_alerts(self) -> Iterator[tuple[Document, Location, Alert]]:
        """Yield each alert on a gauge with its document and its place."""
        for file, at, slo in self.slos:
            for place, alert in slo.placed_alerts(at):
                yield file.document, place, alert

    def monitor(self, model: str) -> Monitor | None:
        """The monitor of ``model``, where its file is at hand."""
        return next((monitor for monitor in self.specs.monitors if monitor.model == model), None)


def _alerts(plan: Plan) -> Iterator[Placed]:
    document = plan.file.document
    for index, slo in enumerate(plan.slos):
        at: Location = ("spec", "slos", index)
        known: dict[int, tuple[Location, GaugeAlert | None]] = {
            id(alert.rule): ((*at, "alerts", position), alert)
            for position, alert in enumerate(slo.gauge_alerts)
        }
        known |= {id(rule): ((*at, "objective"), None) for rule in slo.burn_alerts.values()}
        for rule in slo.alerts:
            location, gauge = known.get(id(rule), (at, None))
            yield Placed(rule, document, location, gauge)
    if plan.monitor is not None:
        for rule in plan.monitor.alerts:
            yield Placed(rule, document, ("spec",), None)
