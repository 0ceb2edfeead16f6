"""What survives a restart: positions, summaries, counters and predictions awaiting labels, in one store."""

from exporter.state.connection import StoreError
from exporter.state.pending import Matches
from exporter.state.store import Store

__all__ = ["Matches", "Store", "StoreError"]
