"""Claims of replicas on records, in the metadata of a group's committed offsets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from exporter.sinks.kafka.client import PATIENCE, KafkaClient

if TYPE_CHECKING:
    from confluent_kafka import Consumer

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


class Committed(NamedTuple):
    """Committed position in a partition; the offset is None where nothing is."""

    offset: int | None
    claims: Claims


def committed(
    client: KafkaClient, consumer: Consumer, numbers: Iterable[int], topic: str
) -> dict[int, Committed]:
    """Return what the group has committed of each partition. ``topic``: its identity. Raises KafkaException."""
    from confluent_kafka import KafkaException

    found = {}
    for item in consumer.committed([client.at(number) for number in numbers], timeout=PATIENCE):
        if item.error is not None:
            raise KafkaException(item.error)
        claims = Claims.of(item.metadata, topic)
        offset = item.offset if claims is not None and item.offset >= 0 else None
        found[item.partition] = Committed(offset, claims or Claims(topic, {}))
    return found


def commit(client: KafkaClient, consumer: Consumer, replica: str, claims: Mapping[int, Claims]) -> bool:
    """Commit the last claim of ``replica`` on each partition; False where it is no member any more, and none was taken.

    Raises KafkaException where nobody knows whether they were taken. Once the replica has left the group they cannot be
    taken any more, and when it is back it finds those that were.
    """
    from confluent_kafka import KafkaError, KafkaException

    if _generation(consumer) < 0:
        # The session has ended. A commit without a generation is taken where the group is empty.
        return False
    offsets = [client.at(number, each.by_replica[replica].end, each.text) for number, each in claims.items()]
    try:
        for item in consumer.commit(offsets=offsets, asynchronous=False) or ():
            if item.error is not None:
                raise KafkaException(item.error)  # noqa: TRY301
    except KafkaException as error:
        # What is said of a member is said of all that it commits.
        refused = (
            KafkaError.ILLEGAL_GENERATION,
            KafkaError.UNKNOWN_MEMBER_ID,
            KafkaError.REBALANCE_IN_PROGRESS,
        )
        if error.args[0].code() not in refused:
            raise
        return False
    return True


def _generation(consumer: Consumer) -> int:
    """Return the generation of the group that a consumer is a member of; -1 where it is of none.

    It is the first number of what librdkafka gives a transaction to be fenced by.
    """
    metadata = bytes(consumer.consumer_group_metadata() or b"")
    head, _, rest = metadata.partition(b":")
    return int.from_bytes(rest[:4], "little", signed=True) if head == b"CGMDv2" else 0
