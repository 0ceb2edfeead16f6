"""Replay: the gauges of a past log at each of many steps, in a folder that backtests read.

A log is read once, over buckets that end at the steps; labels are joined as they came; then each step is measured from
what was known by it. From outside: ``Replay`` and ``Reading``; ``history`` says what is in the folder.
"""

from exporter.replay.reading import Reading
from exporter.replay.replay import Replay, ReplayError

__all__ = ["Reading", "Replay", "ReplayError"]
