"""A receiver that tells nobody; found while the routing file is read."""

from __future__ import annotations

from rulegen.lint.finding import Lint

LINT = Lint("receiver-without-integration", "error", "A receiver that tells nobody.")
