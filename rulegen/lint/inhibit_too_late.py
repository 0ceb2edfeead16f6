"""An inhibition whose source fires after its target has been told."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.yamlfile import Duration, quoted_list
from rulegen.lint.finding import Finding, Lint, Placed, Run
from rulegen.lint.inhibitions import inhibitions, silences


def _find(run: Run) -> Iterator[Finding]:
    for sides in inhibitions(run):
        for source in sides.sources:
            own = source.rule.for_
            early = [
                target
                for target in sides.targets
                if own is not None and silences(sides.inhibit, source, target)
                if _comparable(source, target) and _sooner(target, own)
            ]
            if early:
                names = quoted_list(dict.fromkeys(target.rule.name for target in early), 4)
                message = (
                    f"{source.rule.name} fires after {own}, {names} sooner: it is told before it is silenced"
                )
                yield Finding(run.routing.document, (*sides.location, "source"), message)


def _comparable(source: Placed, target: Placed) -> bool:
    """Whether both are of one model and wait; burn rates and counted evaluations take their time otherwise."""
    return source.document is target.document and not (
        target.gauge is not None and target.gauge.spec.breaches is not None
    )


def _sooner(target: Placed, source: Duration) -> bool:
    return target.rule.for_ is not None and target.rule.for_.seconds < source.seconds


LINT = Lint(
    "inhibit-too-late",
    "warning",
    "An inhibition whose source fires after its target has been told.",
    _find,
)
