"""An inhibition that has nothing to silence."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run
from rulegen.lint.inhibitions import inhibitions


def find(run: Run) -> Iterator[Finding]:
    for sides in inhibitions(run):
        if sides.sources and not sides.targets:
            target = sides.inhibit.target
            layers = f"of the layers {', '.join(target.layers)}" if target.layers else "of any layer"
            urgency = (
                f"and the tiers {', '.join(target.tiers)}" if target.tiers else "less urgent than its source"
            )
            message = f"no alert {layers} {urgency} is there: this silences nothing"
            yield Finding(run.routing.document, (*sides.location, "target"), message)
