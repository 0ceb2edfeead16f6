"""The stable names of the lints, shared by code, `accept:` and the pages of docs/lint."""

from __future__ import annotations

from typing import Literal, get_args

# Those that a spec can accept with a reason. A spec file knows them, so nothing may be imported here.
Acceptable = Literal[
    "alert-reaches-nobody",
    "always-fires",
    "baseline-too-short",
    "burn-window-left-out",
    "for-too-short",
    "inhibit-equal-missing",
    "inhibit-more-urgent",
    "inhibit-too-late",
    "inhibit-without-source",
    "inhibit-without-target",
    "inhibited-by-base",
    "keep-firing-without-effect",
    "never-fires",
    "no-data-companion",
    "no-labels-companion",
    "not-tested",
    "page-held-back",
    "threshold-under-noise",
    "time-interval-never-comes",
    "too-few-events",
    "too-few-samples",
    "unknown-team",
    "unused-receiver",
    "unused-time-interval",
    "watchdog-receiver-shared",
    "window-beyond-retention",
]
# Those that nobody can accept.
Refused = Literal[
    "accept-unused",
    "inhibit-overlap",
    "literal-secret",
    "receiver-without-integration",
]
Name = Acceptable | Refused

ACCEPTABLE: tuple[str, ...] = get_args(Acceptable)
REFUSED: tuple[str, ...] = get_args(Refused)


def named(message: str, lint: Name) -> str:
    """``message`` with the name of its lint, by which its page is found."""
    return f"{message} [{lint}]"
