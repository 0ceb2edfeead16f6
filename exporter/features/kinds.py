"""Every kind of feature, by the name that monitor files have."""

from __future__ import annotations

from exporter.features.boolean import Boolean
from exporter.features.categorical import Categorical
from exporter.features.embedding import Embedding
from exporter.features.kind import Kind
from exporter.features.numeric import Numeric
from exporter.features.text import Text
from exporter.features.timestamp import Timestamp

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (Numeric(), Categorical(), Boolean(), Text(), Timestamp(), Embedding())
}
