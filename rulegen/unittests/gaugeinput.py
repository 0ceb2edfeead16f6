"""What is scraped in a test of an alert on a gauge: replicas, other versions, and series it is not about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rulegen.conditions import History
from rulegen.conditions.reference import Reference
from rulegen.promql.conventions import MODEL, SLO
from rulegen.sli.query_series import QuerySeries
from rulegen.unittests.probes import decoys, decoys_of, nearby
from rulegen.unittests.replicas import other, replicas, scraped
from rulegen.unittests.story import Story
from rulegen.unittests.timeline import MISSED, InputSeries, Missed, Sample

# Its records are not made by the rules, but given.
OTHER_MODEL = "recorded-other"

Scrapes = list[Sample | Missed]


@dataclass(frozen=True)
class GaugeInput:
    """The input series of one story."""

    story: Story

    def labels(self, index: int, version: str = "1") -> dict[str, str]:
        """The labels of a recorded series."""
        series = self.story.alert.series
        varying = {label: f"{label}_{index + 1}" for label in series.entities}
        own = {"version": version} if "version" in series.varying else {}
        return {**series.fixed, **own, **varying}

    def series(self) -> Iterator[InputSeries]:
        """Each of them once: several gauges of a replica share the number of its predictions."""
        found = {(one.name, *sorted(one.labels.items())): one for one in self._all()}
        yield from found.values()

    @property
    def recorded(self) -> list[dict[str, str]]:
        """The labels of every series of its own that the story has recorded at first."""
        series, size = self.story.alert.series, self.story.size
        alone = isinstance(series, QuerySeries) or series.aggregation == "sum"
        versions = ("1",) if alone else ("1", "2")[: self.story.versions]
        found = [self.labels(index, version) for index in range(size) for version in versions]
        other = bool(series.entities) and size == 1 and series.aggregation != "sum"
        return [*found, self.labels(1)] if other else found

    def _all(self) -> Iterator[InputSeries]:
        series, count = self.story.alert.series, len(self.story.values)
        size = self.story.size
        for index in range(size):
            samples = [values[index] for values in self.story.scraped]
            labels = {**series.example, **self.labels(index)}
            if isinstance(series, QuerySeries):
                # What its record is made from is tested apart, where it can be.
                yield InputSeries(series.record, {**labels, SLO: series.slo}, self._scrapes(samples))
            else:
                yield from self._replicas(labels, samples)
                yield from self._decoys(labels)
            yield from self._past(index)
            yield from self._records_of_others(index, count)
        yield from self._bystanders(size, count)
        yield from self._references()

    def _past(self, index: int) -> Iterator[InputSeries]:
        series = self.story.alert.series
        count = len(self.story.values)
        for history in self.story.given:
            labels = (SLO, *series.labels) if history.of_version else series.past_labels
            past = {label: self.labels(index).get(label, "") for label in labels}
            own = index if index < self.story.size else None
            samples = [self._given(history, now, own) for now in range(count)]
            yield InputSeries(history.record.name, {**past, SLO: series.slo}, samples)

    def _given(self, history: History, now: int, index: int | None) -> Decimal:
        if index is None:
            return self.story.probe.world.past[history.record.name]
        return self.story.given_past(history, now, index)

    def _bystanders(self, size: int, count: int) -> Iterator[InputSeries]:
        """Healthy series of another version, and of another feature, group, ...: each is an alert of its own."""
        series = self.story.alert.series
        healthy: list[Sample] = [self.story.probe.healthy] * count
        if isinstance(series, QuerySeries) and series.entities and size == 1:
            yield InputSeries(series.record, {**self.labels(1), SLO: series.slo}, healthy)
            yield from self._past(1)
        if isinstance(series, QuerySeries) or series.aggregation == "sum":
            return
        if self.story.versions > 1:
            for index in range(size):
                labels = {**series.example, **self.labels(index, "2")}
                yield from other(series, labels, "3", healthy)
        if series.entities and size == 1:
            labels = {**series.example, **self.labels(1)}
            yield from other(series, labels, "1", healthy)
            yield from self._past(1)

    def _replicas(self, labels: Mapping[str, str], samples: list[Sample]) -> Iterator[InputSeries]:
        series, healthy = self.story.alert.series, self.story.probe.healthy
        for one in replicas(series, labels, samples, healthy):
            yield InputSeries(one.name, one.labels, self._scrapes(one.samples))

    def _scrapes(self, samples: Sequence[Sample | Missed]) -> Scrapes:
        return [MISSED if missed else value for value, missed in zip(samples, self.story.missed, strict=True)]

    def _decoys(self, labels: Mapping[str, str]) -> Iterator[InputSeries]:
        """The same gauge, always bad, under other labels than the rule is about."""
        series = self.story.alert.series
        samples = [self.story.probe.beyond] * len(self.story.values)
        for change in decoys(series):
            yield from other(series, {**labels, **change}, "1", samples)

    def _records_of_others(self, index: int, count: int) -> Iterator[InputSeries]:
        """What the rules of another SLO, and of another model, have recorded under the same names."""
        alert = self.story.alert
        series = alert.series
        probe = self.story.probe
        pasts = [history.record.name for history in alert.kind.histories()]
        for change in ({SLO: f"{series.slo}-other"}, {MODEL: OTHER_MODEL}):
            own = {**self.labels(index), SLO: series.slo, **change}
            yield InputSeries(series.record, own, [probe.beyond] * count)
            past = {label: own.get(label, "") for label in (*series.past_labels, MODEL)}
            for name in pasts:
                yield InputSeries(name, past, [probe.healthy * 2] * count)
            for leg in self._legs():
                shared = {label: own.get(label, "") for label in (*leg.shared, MODEL, SLO)}
                yield InputSeries(leg.record.name, shared, [probe.healthy / 2] * count)

    def _legs(self) -> list[Reference]:
        """The conditions that look at a reference, which is the same for all of them."""
        return [leg for leg in self.story.alert.kind.legs() if isinstance(leg, Reference)][:1]

    @property
    def referred(self) -> list[dict[str, str]]:
        """The labels of each series that has a reference."""
        found: list[dict[str, str]] = []
        size = self.story.size
        for leg in self._legs():
            for index in range(size + 1 if size == 1 else size):
                for version in ("1", "2")[: self.story.versions]:
                    labels = self.labels(index, version)
                    own = {label: labels.get(label, "") for label in leg.shared}
                    found += [own] if own not in found else []
        return found

    @property
    def referred_apart(self) -> bool:
        """Whether each of several series of a version has a reference of its own."""
        return any(label in self.story.alert.series.entities for leg in self._legs() for label in leg.shared)

    def _references(self) -> Iterator[InputSeries]:
        reference = self.story.probe.world.reference
        own = self.story.alert.series.reference
        named = own or "training"
        count = len(self.story.values)
        for leg in self._legs():
            assert reference is not None
            for labels in self.referred:
                chosen = scraped({**labels, "reference": named}, "1")
                yield InputSeries(leg.metric.name, chosen, [reference] * count)
                # A second reference: ignored where one is named, else below the one that counts.
                beside = scraped({**labels, "reference": f"{named}-other"}, "1")
                value = reference * 100 if own else reference - nearby(reference)
                yield InputSeries(leg.metric.name, beside, [value] * count)
                # And those that the SLO is not about.
                for change in decoys_of(leg.matchers):
                    other = scraped({**labels, "reference": named, **change}, "1")
                    yield InputSeries(leg.metric.name, other, [reference * 100] * count)
