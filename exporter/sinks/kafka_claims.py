"""Claims of replicas on records, in the metadata of a group's committed offsets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

# Brokers take 4096 bytes (offset.metadata.max.bytes).
_LONGEST = 4000


class Claim(NamedTuple):
    """Offsets from ``start`` to before ``end``, which one replica counts and nobody else."""

    start: int
    end: int


@dataclass(frozen=True)
class Claims:
    """The last claim of each replica on one partition, the newest last. ``topic``: identity of the topic, if known.

    Each owner of the partition passes on the claims of those before it. So a replica that was killed finds out whether
    its last claim was committed, whoever has gone on behind it.
    """

    topic: str
    by_replica: dict[str, Claim]

    @classmethod
    def of(cls, metadata: str | None, topic: str) -> Claims | None:
        """Return the claims that were committed with an offset; none where they are nobody's.

        None where offset and claims are of another topic that had the same name.
        """
        try:
            content = json.loads(metadata or "")
            found = cls(
                str(content["topic"]),
                {str(name): Claim(int(start), int(end)) for name, start, end in content["claims"]},
            )
        except (ValueError, TypeError, KeyError):
            return cls(topic, {})
        return found if not topic or not found.topic or found.topic == topic else None

    def added(self, replica: str, claim: Claim) -> Claims:
        """Return these with another claim of ``replica``, which replaces the one before."""
        others = {name: kept for name, kept in self.by_replica.items() if name != replica}
        return Claims(self.topic, {**others, replica: claim})

    @property
    def text(self) -> str:
        """The claims as they are committed. Those of the replicas that claimed longest ago are left out past 4 KB."""
        rows = [[name, *claim] for name, claim in self.by_replica.items()]
        while True:
            text = json.dumps({"topic": self.topic, "claims": rows}, separators=(",", ":"))
            if len(text) <= _LONGEST:
                return text
            del rows[0]
