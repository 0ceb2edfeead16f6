"""A partition that is read: what was read of it, its position, and a part of it that is read apart."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from exporter.sinks.kafka.client import LONGEST_SILENCE, Identity, KafkaClient

if TYPE_CHECKING:
    from confluent_kafka import Message


@dataclass
class Partition:
    """``begin``: up to where it is counted; ``next``: behind ``values``, read since then.

    ``target``: where it ended when the cycle began. ``expired``: offsets before ``begin`` that were deleted unread.
    """

    begin: int
    next: int
    target: int
    values: list[bytes | None] = field(default_factory=list)
    expired: int = 0

    def take(self, message: Message) -> int:
        """Add a message or the end of a partition; returns its size.

        A message is dropped that was read before the partition moved to another replica and back. Raises KafkaException
        where it is an error.
        """
        offset = message.offset() or 0
        if (error := message.error()) is not None:
            from confluent_kafka import KafkaError, KafkaException

            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            # Behind the last record there may be markers of transactions, which nobody is shown.
            self.next = max(self.next, offset)
            return 0
        if offset < self.next:
            return 0
        self.next = offset + 1
        value = message.value()
        self.values.append(value)
        return len(value or b"") + 1

    def counted(self) -> None:
        """Note that all that was read is counted."""
        self.begin = self.next
        self.values = []
        self.expired = 0

    def rewind(self) -> None:
        """Forget what is not counted."""
        self.next = self.begin
        self.values = []


def position(offset: int, identity: Identity) -> str:
    """Return an offset as it is committed with the counts, and of which topic it is."""
    return json.dumps({"offset": offset, "cluster": identity.cluster, "topic": identity.topic})


def restored(text: str) -> tuple[int, Identity]:
    """Return what a position says. Raises ValueError where it is none."""
    try:
        found: dict[str, Any] = json.loads(text)
        return int(found["offset"]), Identity(str(found["cluster"]), str(found["topic"]))
    except (TypeError, KeyError) as error:
        raise ValueError(f"a position of another shape: {error}") from None


def read_range(client: KafkaClient, number: int, start: int, end: int, most: int = 1 << 40) -> Partition:
    """Read offsets of a partition, without the group: those before ``end``, or the first ``most`` values.

    Raises KafkaException or SinkError.
    """
    found = Partition(start, start, end)
    if start >= end:
        return found
    consumer = client.consumer(None)
    heard = time.monotonic()
    try:
        consumer.assign([client.at(number, start)])
        while found.next < end and len(found.values) < most:
            for message in consumer.consume(min(most, 100), timeout=0.1):
                heard = time.monotonic()
                if message.error() is None and (message.offset() or 0) >= end:
                    found.next = end
                elif len(found.values) < most:
                    found.take(message)
            if time.monotonic() - heard > LONGEST_SILENCE:
                raise client.silent()
    finally:
        consumer.close()
    return found
