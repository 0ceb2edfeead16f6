"""Rules judged by a history: their episodes and messages, their budgets, and what a change adds and removes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mlslo.yamlfile import Document, Location
from rulegen.backtest.episodes import Episode, beginnings, kinds, notify, of_series
from rulegen.backtest.ruleset import Alert, RuleSet
from rulegen.backtest.store import Series, Store
from rulegen.simulation.outcome import Notification
from rulegen.validation.specs import Specs

MONTH = 30 * 86_400_000
_ENOUGH = 29 / 30  # the steps of a log of a month are some minutes short of one
Identity = tuple[str, str, str]


@dataclass(frozen=True)
class Judgement:
    """Episodes and messages of rules from ``begin`` to ``end``, in milliseconds since 1970.

    The times of ``messages`` are milliseconds since ``begin``. ``unjudged``: alerts whose series are nowhere in
    the history.
    """

    rules: RuleSet
    begin: int
    end: int
    episodes: Sequence[Episode]
    messages: Sequence[Notification]
    unjudged: Sequence[Alert]

    @property
    def months(self) -> float:
        """The length in months of 30 days."""
        return (self.end - self.begin) / MONTH

    def per_month(self, count: int) -> float | None:
        """Return how many that is a month; None where the history is too short to say."""
        return count / self.months if self.months >= _ENOUGH else None

    def of(self, identity: Identity) -> list[Episode]:
        return [episode for episode in self.episodes if episode.alert.identity == identity]

    @property
    def kinds(self) -> dict[str, str]:
        return dict(kinds(self.rules))


@dataclass
class Judge:
    """Judges rules by one store; an alert that several of them share is evaluated once."""

    store: Store
    begin: int
    end: int
    _series: dict[tuple[str, str], Series] = field(default_factory=dict)

    def series(self, alert: Alert) -> Series:
        """Return the values of an alert's expression. Raises ProgramError."""
        key = (alert.expression, repr(sorted(alert.labels.items())))
        if key not in self._series:
            self._series[key] = self.store.series(alert, self.begin)
        return self._series[key]

    def judge(self, rules: RuleSet) -> Judgement:
        """Evaluate all alerts, and play them to Alertmanager's rules. Raises ProgramError."""
        span = self.store.span
        judged = [alert for alert in rules.alerts if any(map(self.store.has, alert.judged_by))]
        # All at once: each layer of records takes a pass over the history.
        self.store.record({record for alert in judged for record in alert.records})
        episodes = [
            episode
            for alert in judged
            for episode in of_series(alert, self.series(alert), span.interval, span.end)
        ]
        episodes.sort(key=lambda episode: (episode.start, episode.labels))
        messages = notify(rules, episodes, self.begin, self.end)
        unjudged = [alert for alert in rules.alerts if alert not in judged]
        return Judgement(rules, self.begin, self.end, episodes, messages, unjudged)


@dataclass(frozen=True)
class Budget:
    """A number of pages that is expected, and what came. ``of``: a tier, or an alert of a model."""

    of: str
    document: Document
    at: Location
    per_month: float
    pages: int
    months: float

    @property
    def is_exceeded(self) -> bool:
        """Return whether there were more. A history shorter than a month may have a month's."""
        return self.pages > self.per_month * max(self.months, 1.0) + 1e-9


def budgets(specs: Specs, judgement: Judgement) -> Iterator[Budget]:
    """Yield each budget of the specs: its tier or alert, and the messages to the receiver with the most."""

    def budget(
        of: str, document: Document, at: Location, per_month: float, episodes: Sequence[Episode]
    ) -> Budget:
        pages = max(beginnings(episodes).values(), default=0)
        return Budget(of, document, (*at, "expectedPages", "perMonth"), per_month, pages, judgement.months)

    for name, tier in specs.routing.spec.tiers.items():
        if tier.expectedPages is not None:
            own = [one for one in judgement.episodes if one.alert.tier == name]
            where = ("spec", "tiers", name)
            yield budget(f"tier {name}", specs.routing.document, where, tier.expectedPages.perMonth, own)
    for model in specs.models:
        for place, slo in model.slos:
            for at, alert in slo.placed_alerts(place):
                if alert.expectedPages is not None:
                    own = judgement.of((model.model, slo.name, alert.name))
                    of = f"{alert.name} ({model.model} {slo.name})"
                    yield budget(of, model.document, at, alert.expectedPages.perMonth, own)


@dataclass(frozen=True)
class Change:
    """Effect of a change of the rules on one alert: episodes that only the new or only the old rules have.

    ``before``, ``after``: messages that said that it began, by receiver; None where the rules have no such alert.
    """

    identity: Identity
    added: Sequence[Episode]
    removed: Sequence[Episode]
    before: dict[str, int] | None
    after: dict[str, int] | None


def changes(old: Judgement, new: Judgement) -> list[Change]:
    """Return the alerts of which something changes."""
    found: list[Change] = []
    known = [{alert.identity for alert in one.rules.alerts} for one in (old, new)]
    for identity in sorted(known[0] | known[1]):
        before, after = old.of(identity), new.of(identity)
        change = Change(
            identity,
            [one for one in after if not any(_meet(one, other) for other in before)],
            [one for one in before if not any(_meet(one, other) for other in after)],
            beginnings(before) if identity in known[0] else None,
            beginnings(after) if identity in known[1] else None,
        )
        if change.added or change.removed or (change.before or {}) != (change.after or {}):
            found.append(change)
    return found


def _meet(one: Episode, other: Episode) -> bool:
    """Return whether two episodes of the same series overlap. Labels that rules add may differ."""
    own, others = ({k: v for k, v in e.labels.items() if k not in e.alert.labels} for e in (one, other))
    ends = other.stop if other.stop is not None else max(other.start, one.start) + 1
    return own == others and one.overlaps(other.start, ends)
