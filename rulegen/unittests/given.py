"""Which past comes about in a test, and which is given to it as a record."""

from __future__ import annotations

from mlslo.yamlfile import Duration
from rulegen.conditions import History

# A past that takes longer to come about than this, in evaluations, is given.
LONGEST_PAST = 240


def needed(history: History, interval: Duration) -> int:
    """Evaluations until a record has its least past."""
    return int(history.offset // interval.seconds) + history.least + 1


def comes_about(history: History, interval: Duration) -> bool:
    """Whether a past that all versions have is waited for. A trend depends on how long a test is.

    What is waited for is a steady past.
    """
    return not (history.of_version or history.moving) and needed(history, interval) <= LONGEST_PAST
