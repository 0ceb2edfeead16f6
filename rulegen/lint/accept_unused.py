"""An acceptance of something that is not there."""

from __future__ import annotations

from rulegen.lint.finding import Lint

LINT = Lint("accept-unused", "warning", "An acceptance of something that is not there.")
