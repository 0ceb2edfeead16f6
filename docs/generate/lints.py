"""The list of the lints, from the code; a page for each is written by hand."""

from __future__ import annotations

from docs.generate.markdown import table
from rulegen.spec.lint_names import LINTS

_INTRODUCTION = """\
# Lints

What `mlslo-rulegen` finds in specs before it writes anything. Each finding ends with the name of its lint in
brackets. After an error nothing is written (exit code 2). A warning keeps nothing from being written, unless
`--strict` is given, as in a pipeline (exit code 1).

A finding that is right where it stands is accepted there, with a reason that the next reader understands: `accept`
stands in an alert, in an SLO, or in the `spec` of a ModelSLO or AlertRouting file, and holds for what is inside of it.

```yaml
accept:
  - {lint: burn-window-left-out, reason: "an objective this low needs no page within the hour"}
```

Generated from the code by `scripts/docs`.
"""


def render() -> str:
    """The page."""
    rows = [
        (f"[{name}]({name}.md)", lint.severity, "yes" if lint.acceptable else "no", lint.summary)
        for name, lint in LINTS.items()
    ]
    return f"{_INTRODUCTION}\n{table(('lint', 'severity', 'can be accepted', 'what it finds'), rows)}\n"
