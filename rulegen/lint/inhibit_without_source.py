"""An inhibition whose source is no alert."""

from collections.abc import Iterator

from rulegen.lint.finding import Finding, Run
from rulegen.lint.inhibitions import inhibitions


def find(run: Run) -> Iterator[Finding]:
    for sides in inhibitions(run):
        if not sides.sources:
            source = sides.inhibit.source
            asked = [("layer", source.layer), ("tier", source.tier)]
            wanted = " and ".join(f"{key} {value}" for key, value in asked if value)
            message = f"no alert has {wanted}: this silences nothing"
            yield Finding(run.routing.document, (*sides.location, "source"), message)
