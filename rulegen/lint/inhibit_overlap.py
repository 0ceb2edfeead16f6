"""An inhibition whose source is among its own targets; found while the routing file is read."""

from __future__ import annotations

from rulegen.lint.finding import Lint

LINT = Lint("inhibit-overlap", "error", "An inhibition whose source is among its own targets.")
