"""The cases in which an alert on a gauge is tested: inside, too few, a gap, beyond, recovery, NaN, gone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from rulegen.slo.alerts import GaugeAlert
from rulegen.unittests.alertstate import evaluations
from rulegen.unittests.probes import Probe
from rulegen.unittests.story import Phase, Scene, Values
from rulegen.unittests.timeline import GONE

_NAN = Decimal("NaN")
# Prometheus looks this far back for the sample of a series that was not scraped.
_LOOKBACK = 300.0


class Cases:
    """The scenes of one probe of an alert."""

    def __init__(self, alert: GaugeAlert, probe: Probe) -> None:
        self.alert = alert
        spec = alert.spec
        interval = alert.series.interval
        self.needed, self.size = alert.several.example() if alert.several else (1, 1)
        self.least, self.last = (spec.breaches.atLeast, spec.breaches.ofLast) if spec.breaches else (1, 1)
        self.lasting = evaluations(spec.for_, interval)
        self.keep = evaluations(spec.keepFiringFor, interval)
        self.can_miss = 2 * interval.seconds < _LOOKBACK
        self.probe = probe
        self.trends = [history for history in alert.kind.histories() if history.of_version]
        self.settling = self._settling()

    def _settling(self) -> int:
        """Evaluations until a trend that comes about by itself is that of a gauge that stays."""
        length = self.last + self.least + self.lasting + self.keep + 10
        interval = self.alert.series.interval.seconds
        return max((int(own.window // interval) + 1 for own in self.trends if own.least <= length), default=0)

    def whole(self) -> list[Scene]:
        """Every case."""
        found = [self.inside()]
        if self.needed > 1:
            few = Phase(self._bad(self.needed - 1), self.least + 1)
            found.append(Scene("one series too few", (few,), then=self._calm))
        if self.least > 1:
            spread = self._spread(self.last - self.least + 1)
            found.append(Scene("one evaluation too few", spread, then=self._calm))
        found.append(self._incident())
        if self.trends:
            # NaN is in a trend for as long as that looks back, so that what follows cannot be told beside it.
            return [*found, self._unknown(), self._loss()]
        return [*found, self._loss(self._nan, Phase(self._bad(self.needed), self.least))]

    def short(self) -> list[Scene]:
        """On which side of the limit the alert begins, for another limit of the same alert."""
        return [self.inside(), Scene("beyond", (self._begins,), quiet=False)]

    def inside(self) -> Scene:
        """For long enough, were it bad."""
        phase = Phase(self._nearly, self.least + 1 + self.settling)
        return Scene("just inside", (phase,), then=self._calm)

    def _incident(self) -> Scene:
        """A short breach with a gap after it, a long one with a missed scrape in it; then just inside, then health.

        Where the alert goes on firing, it does so through a gap before that.
        """
        beyond = self._bad(self.needed)
        once = (Phase(beyond, 1 + self.settling),)
        start = self._spread(self.last - self.least) if self.least > 1 else once
        again = [Phase(beyond, 1), *([Phase(beyond, 1, missed=True)] if self.can_miss else [])]
        lasts = max(self.least + self.lasting - len(again), 1) + self.settling
        holds = (self._gone, Phase(beyond, 1)) if self.keep > 1 else ()
        recovers = Phase(self._healthy, self.keep + self.last + 1)
        scene = Scene("beyond", (*start, self._gone, *again, Phase(beyond, lasts)), False, (*holds, recovers))
        if self.trends:
            # What is nearly bad has hardly another trend.
            return scene
        almost = [Phase(self._nearly, 1)]
        if self.keep:
            # It goes on firing, and is bad again, so that its recovery is one to health.
            almost.append(Phase(beyond, self.least + self.lasting))
        until = recovers.count if self.keep else 0
        return replace(scene, then=(*holds, *almost, recovers), until=until, otherwise=scene)

    def _unknown(self) -> Scene:
        """It is NaN while it is bad."""
        calm = Phase(self._healthy, self.keep + self.last + 1)
        return Scene("NaN", (self._begins,), quiet=False, then=(self._nan, calm))

    def _loss(self, *meanwhile: Phase) -> Scene:
        """The series goes away for good while it is bad."""
        # One that goes on firing does so for longer than is waited for here.
        return Scene(
            "gone", (self._begins, *meanwhile), quiet=False, then=(self._gone, self._gone), ends=not self.keep
        )

    @property
    def _begins(self) -> Phase:
        return Phase(self._bad(self.needed), self.least + self.settling)

    @property
    def _gone(self) -> Phase:
        return Phase((GONE,) * self.size, 1)

    @property
    def _nan(self) -> Phase:
        return Phase((_NAN,) * self.size, 1)

    @property
    def _nearly(self) -> Values:
        """So many as would do, just inside."""
        return (self.probe.inside,) * self.needed + (self.probe.healthy,) * (self.size - self.needed)

    @property
    def _healthy(self) -> Values:
        return (self.probe.healthy,) * self.size

    @property
    def _calm(self) -> tuple[Phase, ...]:
        return (Phase(self._healthy, self.last),)

    def _bad(self, count: int) -> Values:
        """``count`` series beyond and the others healthy."""
        return (self.probe.beyond,) * count + (self.probe.healthy,) * (self.size - count)

    def _spread(self, between: int) -> tuple[Phase, ...]:
        """As many breaches as are needed, with some healthy evaluations after the first."""
        beyond = self._bad(self.needed)
        healthy = [Phase(self._healthy, between)] if between else []
        return (Phase(beyond, 1), *healthy, Phase(beyond, self.least - 1))
