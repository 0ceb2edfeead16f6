"""An inhibition whose source fires after its target has been told."""

from collections.abc import Iterator

from mlslo.yamlfile import quoted_list
from rulegen.lint.finding import Finding, Placed, Run
from rulegen.lint.inhibitions import inhibitions


def find(run: Run) -> Iterator[Finding]:
    for sides in inhibitions(run):
        of_model: dict[int, list[Placed]] = {}
        for target in sides.targets:
            # Burn rates and counted evaluations take their time otherwise.
            if target.rule.for_ is not None and not (target.gauge and target.gauge.spec.breaches):
                of_model.setdefault(id(target.document), []).append(target)
        for source in sides.sources:
            early = [
                target.rule.name
                for target in of_model.get(id(source.document), ())
                if sides.silences(source, target) and _seconds(target) < _seconds(source)
            ]
            if early:
                names = quoted_list(dict.fromkeys(early), 4)
                message = (
                    f"{source.rule.name} fires after {source.rule.for_}, {names} sooner: "
                    "it is told before it is silenced"
                )
                yield Finding(run.routing.document, (*sides.location, "source"), message)


def _seconds(alert: Placed) -> float:
    return alert.rule.for_.seconds if alert.rule.for_ else 0.0
