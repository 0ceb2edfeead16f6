"""Feature kinds: how the values of a feature are read and split into views, one family of kinds a file.

A *feature view* is one thing that is counted of a feature (the length of a text, the hour of a timestamp); a *binning*
is what it is counted over. From outside: ``KINDS``, ``Kind``, and the binnings of ``binning.py``.
"""

from exporter.features.embedding import Embedding
from exporter.features.kind import Kind
from exporter.features.scalars import Boolean, Categorical, Numeric
from exporter.features.text import Text
from exporter.features.timestamp import Timestamp

__all__ = ["KINDS", "Kind"]

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (Numeric(), Categorical(), Boolean(), Text(), Timestamp(), Embedding())
}
"""Every kind, by the name that monitor files have."""
