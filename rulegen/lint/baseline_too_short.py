"""A drop or change that becomes its own baseline before it has lasted; found while the tests are made."""

from __future__ import annotations

from rulegen.lint.finding import Lint

LINT = Lint(
    "baseline-too-short",
    "warning",
    "A lasting drop or change that never fires, since its baseline takes it in too soon.",
)
