"""What every frame is: the fixed shape that summaries of one view share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from exporter.summary.base import Groups, Rows, Summary


class Frame(ABC):
    """Counts the values of one view. Summaries over equal frames merge."""

    @abstractmethod
    def empty(self) -> Summary:
        """The summary of nothing."""

    @abstractmethod
    def prepare(self, values: Any) -> Any:
        """What ``fold`` needs of ``values``, worked out once for all groupings of the same rows."""

    @abstractmethod
    def rows(self, prepared: Any, rows: Rows) -> Any:
        """``prepared`` of some rows only; ``rows`` are ascending indices, or a slice."""

    @abstractmethod
    def fold(self, prepared: Any, groups: Groups, size: int) -> Summary:
        """A stack of ``size`` summaries; row i goes to ``groups[i]``."""

    @abstractmethod
    def signature(self) -> bytes:
        """Differs where summaries would not merge."""
