"""What survives a restart: positions, summaries, counters and predictions awaiting labels, in one store."""

from exporter.state.connection import StoreError
from exporter.state.pending import Matches
from exporter.state.segments import OTHER
from exporter.state.store import Store
from exporter.state.summaries import Scope

__all__ = ["OTHER", "Matches", "Scope", "Store", "StoreError"]
