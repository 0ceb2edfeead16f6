"""State that survives a restart: positions, summaries, counters and pending predictions, in one SQLite file.

From outside: ``Store``, whose parts are its attributes; what is written in one ``transaction`` is committed together.
"""

from exporter.state.connection import SET_ASIDE, Fault, StoreError, explained
from exporter.state.counters import last_seen
from exporter.state.halves import Half
from exporter.state.matches import Matches
from exporter.state.segments import NO_VALUE, OTHER
from exporter.state.skew import Joined, Side, Values
from exporter.state.store import Store
from exporter.state.summaries import Scope

__all__ = [
    "NO_VALUE",
    "OTHER",
    "SET_ASIDE",
    "Fault",
    "Half",
    "Joined",
    "Matches",
    "Scope",
    "Side",
    "Store",
    "StoreError",
    "Values",
    "explained",
    "last_seen",
]
