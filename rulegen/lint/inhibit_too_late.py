"""An inhibition whose source fires after its target has been told."""

from __future__ import annotations

from collections.abc import Iterator

from mlslo.yamlfile import Duration, quoted_list
from rulegen.lint.finding import Finding, Placed, Run
from rulegen.lint.inhibitions import inhibitions, silences


def find(run: Run) -> Iterator[Finding]:
    for sides in inhibitions(run):
        of_model: dict[int, list[Placed]] = {}
        for target in sides.targets:
            of_model.setdefault(id(target.document), []).append(target)
        for source in sides.sources:
            own = source.rule.for_
            early = [
                target
                for target in of_model.get(id(source.document), ())
                if own is not None and silences(sides.inhibit, source, target)
                if _waits(target) and _sooner(target, own)
            ]
            if early:
                names = quoted_list(dict.fromkeys(target.rule.name for target in early), 4)
                message = (
                    f"{source.rule.name} fires after {own}, {names} sooner: it is told before it is silenced"
                )
                yield Finding(run.routing.document, (*sides.location, "source"), message)


def _waits(target: Placed) -> bool:
    """Burn rates and counted evaluations take their time otherwise."""
    return target.gauge is None or target.gauge.spec.breaches is None


def _sooner(target: Placed, source: Duration) -> bool:
    return target.rule.for_ is not None and target.rule.for_.seconds < source.seconds
