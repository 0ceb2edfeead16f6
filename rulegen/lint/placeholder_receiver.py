"""A receiver that `init` wrote, with a placeholder in it."""

from collections.abc import Iterator
from typing import Any

from mlslo.yamlfile import Location
from rulegen.lint.finding import Finding, Run
from rulegen.spec.routing import PLACEHOLDER


def find(run: Run) -> Iterator[Finding]:
    for at in _places(run.routing.document.data["spec"]["receivers"], ("spec", "receivers")):
        message = f"the receiver '{at[2]}' has the placeholder {PLACEHOLDER} for '{at[-1]}': nobody is told"
        yield Finding(run.routing.document, at, message)


def _places(value: Any, at: Location) -> Iterator[Location]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*at, key))
    elif isinstance(value, str) and PLACEHOLDER in value:
        yield at
