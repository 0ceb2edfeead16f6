"""A secret that is written out; found while the files are read."""

from __future__ import annotations

from rulegen.lint.finding import Lint

LINT = Lint("literal-secret", "error", "A secret that all who read the file can read.")
