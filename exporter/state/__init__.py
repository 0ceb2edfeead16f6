"""What survives a restart: positions, summaries, counters and predictions awaiting labels, in one store."""

from exporter.state.pending import Matches
from exporter.state.store import Store, StoreError

__all__ = ["Matches", "Store", "StoreError"]
