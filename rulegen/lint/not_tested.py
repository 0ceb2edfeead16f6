"""An alert or a record that the generated unit tests don't prove; found while they are made."""

from __future__ import annotations

from rulegen.lint.finding import Lint

LINT = Lint("not-tested", "warning", "An alert or a record that the generated unit tests don't prove.")
