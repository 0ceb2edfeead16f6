"""Limits and `for` that would have met a target of pages over a history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from mlslo.yamlfile import Duration, InputError, Location, parse
from rulegen.backtest import ruleset
from rulegen.backtest.candidates import Tunable, lasting, numbers, tunable
from rulegen.backtest.episodes import Episode, of_series
from rulegen.backtest.incidents import Incident
from rulegen.backtest.judgement import Judge
from rulegen.backtest.ruleset import RuleSet
from rulegen.backtest.spec_text import replaced
from rulegen.backtest.store import Series
from rulegen.simulation.alert import Labels
from rulegen.slo.plan import make_plan
from rulegen.spec.model_slo import Alert, ModelSlo, Slo
from rulegen.spec.routing import Routing

QUARTER = 90 * 86_400_000
_RANGE = "ml:range"


@dataclass(frozen=True)
class Setting:
    """A number and a `for`, and what would have come of them.

    ``pages``: times that it began outside of incidents; ``found``: numbers of the incidents in which it fired.
    ``constant``: whether it fires for most of the time outside of incidents; then few pages are no merit.
    """

    value: str
    lasts: Duration | None
    pages: int
    found: frozenset[int]
    constant: bool = False

    def __str__(self) -> str:
        return f"{self.value} for {self.lasts}" if self.lasts else self.value


@dataclass(frozen=True)
class Proposal:
    """Proposal for one alert. ``now``: as it is; ``best``: None where nothing would be better.

    ``missed``: incidents that it should have found, and does not at ``best``; ``compromise``: the setting with the
    fewest pages that finds all of them. ``tried``: the first and the last number.
    """

    model: ModelSlo
    slo: Slo
    alert: Alert
    at: Location
    number: Tunable
    now: Setting
    best: Setting | None
    missed: Sequence[Incident] = ()
    compromise: Setting | None = None
    tried: tuple[str, str] = ("", "")

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.model.model, self.slo.name, self.alert.name

    @property
    def chosen(self) -> Setting:
        return self.best or self.now

    @property
    def edits(self) -> dict[Location, str]:
        """Return the places of the file to change, and what to write there."""
        if self.best is None:
            return {}
        found = {self.number.at: self.best.value} if self.best.value != self.number.value else {}
        if self.best.lasts != self.now.lasts:
            found[*self.at, "for"] = str(self.best.lasts)
        return found


@dataclass
class Tuner:
    """Searches settings of alerts. ``pages``: how many a quarter are wanted, at most."""

    judge: Judge
    rules: RuleSet
    routing: Routing
    incidents: Sequence[Incident]
    pages: float
    _series: dict[tuple[Location, str], tuple[ruleset.Alert, Series] | None] = field(default_factory=dict)

    @property
    def allowed(self) -> float:
        """Return how many are allowed in the history; one that is shorter than a quarter may have a quarter's."""
        return self.pages * max((self.judge.end - self.judge.begin) / QUARTER, 1.0)

    def meets(self, setting: Setting) -> bool:
        """Return whether a setting meets the target: with few pages, and not since it never ends."""
        return setting.pages <= self.allowed and not setting.constant

    def propose(self, model: ModelSlo, slo: Slo, alert: Alert, at: Location) -> Proposal | None:
        """Return a proposal for one alert; None where it has no number, or the history none of its series.

        The numbers are tried by halves: where more of one rings less, that finds the one that rings most and meets the
        target. Raises ProgramError.
        """
        self._series.clear()
        chosen = tunable(alert, at)
        limits = self._range(model, slo) if chosen is not None else None
        if chosen is None or limits is None:
            return None
        values = numbers(chosen, *limits)
        identity = (model.model, slo.name, alert.name)
        wanted = [one for one in self.incidents if one.is_for(identity)]

        def setting(index: int, lasts: Duration | None) -> Setting:
            return self._setting(model, identity, chosen, values[index], lasts)

        def meets(lasts: Duration | None, index: int) -> bool:
            return self.meets(setting(index, lasts))

        def misses(lasts: Duration | None, index: int) -> bool:
            return not {one.number for one in wanted} <= setting(index, lasts).found

        now = setting(values.index(chosen.value), alert.for_)
        meeting: list[Setting] = []
        finding: list[Setting] = []
        for lasts in lasting(alert, self.rules.interval / 1000):
            index = _first(len(values), partial(meets, lasts))
            if index is not None:
                meeting.append(setting(index, lasts))
            # The one that rings least and still finds all that are wanted is the last before one misses some.
            missing = _first(len(values), partial(misses, lasts))
            if wanted and missing != 0:
                finding.append(setting((len(values) if missing is None else missing) - 1, lasts))
        if self.meets(now):
            meeting.append(now)
        # Of equals those that are as now, then those that come first.
        best = max(
            meeting, key=lambda one: (len(one.found), one == now, one.lasts == now.lasts), default=None
        )
        missed = [one for one in wanted if best is None or one.number not in best.found]
        compromise = (
            min(finding, key=lambda one: (one.constant, one.pages), default=None)
            if missed or best is None
            else None
        )
        return Proposal(
            model, slo, alert, at, chosen, now, None if best == now else best, missed, compromise,
            (values[0], values[-1]),
        )  # fmt: skip

    def quieter(self, proposal: Proposal) -> Setting | None:
        """Return a setting that rings a quarter as often as that of now; None where none does and misses no incident.

        Raises ProgramError.
        """
        share = max((self.judge.end - self.judge.begin) / QUARTER, 1.0)
        tuner = replace(self, pages=max(proposal.now.pages // 4, 1) / share)
        found = tuner.propose(proposal.model, proposal.slo, proposal.alert, proposal.at)
        return found.best if found is not None and not found.missed else None

    def _setting(
        self,
        model: ModelSlo,
        identity: tuple[str, str, str],
        chosen: Tunable,
        value: str,
        lasts: Duration | None,
    ) -> Setting:
        found = self._evaluated(model, identity, chosen, value)
        if found is None:
            # Such a file would be refused: it is never proposed.
            return Setting(value, lasts, 10**9, frozenset())
        alert, series = found
        holds = round(lasts.seconds * 1000) if lasts else 0
        span = self.judge.store.span
        episodes = of_series(alert, series, span.interval, span.end, holds)
        concerning = [one for one in self.incidents if one.concerns(identity)]
        wrong = [
            one for one in episodes if not any(one.overlaps(real.begin, real.end) for real in concerning)
        ]
        return Setting(
            value,
            lasts,
            _pages(wrong, *self._group(alert)),
            frozenset(one.number for one in concerning if one.is_found(episodes)),
            _is_constant(episodes, concerning, self.judge.begin, span.end),
        )

    def _evaluated(
        self, model: ModelSlo, identity: tuple[str, str, str], chosen: Tunable, value: str
    ) -> tuple[ruleset.Alert, Series] | None:
        key = (chosen.at, value)
        if key not in self._series:
            changed = edited(model, {chosen.at: value})
            alerts = (
                [] if changed is None else ruleset.of_plan(make_plan(changed, self.routing), self.routing)
            )
            alert = next((one for one in alerts if one.identity == identity), None)
            self._series[key] = (
                None if alert is None else (alert, self.judge.store.series(alert, self.judge.begin))
            )
        return self._series[key]

    def _group(self, alert: ruleset.Alert) -> tuple[int, int]:
        """The wait and the interval of its group, the shortest of its receivers."""
        labels = Labels({**alert.labels, "alertname": alert.name})
        routes = self.rules.configuration.route.matching(labels)
        return min(route.group_wait for route in routes), min(route.group_interval for route in routes)

    def _range(self, model: ModelSlo, slo: Slo) -> tuple[float, float] | None:
        """The gauge's least and largest value in the history; None where it has none."""
        plan = make_plan(model, self.routing)
        series = next(one.series for one in plan.slos if one.slo is slo)
        assert series is not None
        span = self.judge.store.span
        past = f"{series.expression}[{Duration.of_seconds((span.end - span.begin) / 1000)}]"
        found: list[float] = []
        for function in ("min", "max"):
            asked = f"{function}({function}_over_time({past}))"
            rule = next(
                one for one in ruleset.of_plan(plan, self.routing, {_RANGE: asked}) if one.name == _RANGE
            )
            found += self.judge.store.at_end(rule)
        return (found[0], found[1]) if len(found) == 2 else None


def edited(model: ModelSlo, values: Mapping[Location, str]) -> ModelSlo | None:
    """Return the file with other values; None where it would be refused for them."""
    document = model.document
    content = document.path.read_bytes().decode("utf-8-sig")
    text = replaced(document, content, values)
    try:
        return ModelSlo.from_document(parse(document.path, text))
    except InputError:
        return None


def _first(count: int, holds: Callable[[int], bool]) -> int | None:
    """The first index at which something holds that holds from there on, by halves."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low if low < count else None


def _is_constant(episodes: Sequence[Episode], incidents: Sequence[Incident], begin: int, end: int) -> bool:
    """Return whether any episode is there in more than half of the time outside of incidents."""
    real = [
        (max(one.begin, begin), min(one.end, end)) for one in incidents if one.begin < end and one.end > begin
    ]
    firing = [(one.start, end if one.stop is None else one.stop) for one in episodes]
    within = _covered(real)
    return 2 * (_covered([*real, *firing]) - within) > end - begin - within


def _covered(spans: Sequence[tuple[int, int]]) -> int:
    """The time that is in one of ``spans`` or more."""
    covered, until = 0, None
    for first, last in sorted(spans):
        start = first if until is None else max(first, until)
        covered += max(last - start, 0)
        until = last if until is None else max(last, until)
    return covered


def _pages(episodes: Sequence[Episode], wait: int, interval: int) -> int:
    """Count the messages that say that one began, of a group that is never inhibited or muted."""
    count, flush = 0, None
    for episode in episodes:
        if flush is not None and episode.start <= flush:
            continue
        count += 1
        late = flush is not None and episode.start <= flush + interval
        flush = flush + interval if late and flush is not None else episode.start + wait
    return count
