"""The cases in which an alert on a gauge is tested: inside, too few, a gap, beyond, recovery, NaN, gone."""

from __future__ import annotations

from decimal import Decimal

from rulegen.alerts import GaugeAlert
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
        self.settling = self._settling()

    def _settling(self) -> int:
        """Evaluations until a trend that comes about by itself is that of a gauge that stays."""
        length = self.last + self.least + self.lasting + self.keep + 10
        interval = self.alert.series.interval.seconds
        trends = [history for history in self.alert.kind.histories() if history.of_version]
        return max((int(own.window // interval) + 1 for own in trends if own.least <= length), default=0)

    def whole(self) -> list[Scene]:
        """Every case."""
        inside = (self.probe.inside,) * self.size
        found = [Scene("just inside", (Phase(inside, self.least + 1),), then=self._calm)]
        if self.needed > 1:
            few = Phase(self._bad(self.needed - 1), self.least + 1)
            found.append(Scene("one series too few", (few,), then=self._calm))
        if self.least > 1:
            spread = self._spread(self.last - self.least + 1)
            found.append(Scene("one evaluation too few", spread, then=self._calm))
        return [*found, self._incident(), self._loss()]

    def short(self) -> list[Scene]:
        """On which side of the limit the alert begins, for another limit of the same alert."""
        inside = (self.probe.inside,) * self.size
        begins = Phase(self._bad(self.needed), self.least + self.settling)
        return [
            Scene("just inside", (Phase(inside, self.least + 1),), then=self._calm),
            Scene("beyond", (begins,), quiet=False),
        ]

    def _incident(self) -> Scene:
        """A short breach with a gap after it, a long one with a missed scrape in it; then NaN, then health."""
        beyond = self._bad(self.needed)
        gone: Values = (GONE,) * self.size
        nan: Values = (_NAN,) * self.size
        start = self._spread(self.last - self.least) if self.least > 1 else (Phase(beyond, 1),)
        lasts = self.least + self.lasting
        missed = [Phase(beyond, 1), Phase(beyond, 1, missed=True)] if self.can_miss else []
        return Scene(
            "beyond",
            (*start, Phase(gone, 1), *missed, Phase(beyond, max(lasts - len(missed), 1) + self.settling)),
            quiet=False,
            then=(Phase(nan, 2), Phase(beyond, 1), Phase(self._healthy, self.keep + self.last + 1)),
        )

    def _loss(self) -> Scene:
        """The series goes away for good while it is bad."""
        begins = Phase(self._bad(self.needed), self.least + self.settling)
        gone = Phase((GONE,) * self.size, 2)
        if self.keep and not self.lasting:
            # It fires already, and goes on for longer than is waited for here.
            return Scene("gone", (begins, gone), quiet=False)
        return Scene("gone", (begins,), quiet=False, then=(gone,))

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
