"""Records of a topic: fixed partitions, or those that a consumer group gives to this replica."""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from exporter.sinks.kafka.claims import Claim, Claims, commit, committed
from exporter.sinks.kafka.client import LONGEST_SILENCE, Ends, Identity, KafkaClient, Topic
from exporter.sinks.kafka.partition import Partition, position, read_range, restored
from exporter.sinks.kafka.values import Decode, lines_of
from exporter.sinks.records import NOTHING
from exporter.sinks.sink import Batch, LogSink, Sample, SinkError
from mlslo.monitor import KafkaSink as KafkaSettings
from mlslo.monitor import Monitor

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

logger = logging.getLogger(__name__)

_REPLICA = "replica"
"""The key of this replica's name, which its claims bear."""
_MOST = 8 << 20
_LONGEST_BATCH = 20.0
# A group that lost a member by force notices it after the session's time-out, of 45 seconds.
_JOINED = 10.0
_JOINED_AT_LAST = 55.0
_POLLED = 300.0
_MOST_POLLED = 86400.0
_WAIT = 0.1
_GUESSED = 64 << 10
_MOST_MESSAGES = 5000
_MOST_REFUSED = 100
_PAUSE = 0.1


class KafkaSink(LogSink):
    """Reads a topic up to where it ended when the cycle began.

    A position is an offset, and which topic it is of. In a group, a replica *claims* records before it counts them: it
    commits the offset behind them, with its own name and the range in the metadata. The broker takes that from members
    of the current generation only, so a range is claimed once. Whoever has the partition next begins behind it; a
    replica that was killed between claim and count finds the claim when it is back, and counts the range then.
    """

    LONGEST_PAUSE = 60.0
    REASONS = ("expired", "no_value", "unknown_schema")
    LAG_UNIT: ClassVar[Literal["bytes", "records"]] = "records"

    def __init__(self, monitor: Monitor, settings: KafkaSettings, positions: Mapping[str, str]) -> None:
        """Raises ValueError where ``positions`` are none of this sink's."""
        self._settings = settings
        self._resolve = monitor.resolve
        self._schedule = monitor.spec.schedule.seconds
        self._replica = positions.get(_REPLICA, "")
        self._identity = Identity("", "")
        # Partition -> behind what this replica has counted.
        self._counted: dict[int, int] = {}
        for key, text in positions.items():
            topic, _, partition = key.rpartition("/")
            if key == _REPLICA:
                if not text.isalnum():
                    raise ValueError(f"a replica of another shape: {text}")
            elif topic == settings.topic:
                self._counted[int(partition)], self._identity = restored(text)
            else:
                restored(text)
        self._client: KafkaClient | None = None
        self._consumer: Consumer | None = None
        self._decode: Decode | None = None
        self._owned: dict[int, Partition] = {}
        self._claims: dict[int, Claims] = {}
        self._joined = self._recovered = False
        self._failure: Exception | None = None

    @classmethod
    def open(cls, monitor: Monitor, settings: KafkaSettings, positions: Mapping[str, str]) -> KafkaSink:
        return cls(monitor, settings, positions)

    def close(self) -> None:
        self._leave()
        self._client = None

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Raises SinkError where the cluster, the topic, the group or a schema cannot be had."""
        client = self._connected()
        # Before anything is read: where this fails, the replica stays in its group.
        topic = client.topic()
        from confluent_kafka import KafkaException

        try:
            yield from self._read(client, topic, final=final)
        except KafkaException as error:
            failure = client.failure(error)
            self._leave()
            raise failure from None
        except SinkError:
            self._leave()
            raise

    def lag(self) -> int | None:
        """Return how many records the topic has behind the position, as of the last answer of the broker."""
        if self._consumer is None or self._client is None or not self._joined:
            return None
        from confluent_kafka import KafkaException

        lag = 0
        try:
            for number, partition in self._owned.items():
                found = self._consumer.get_watermark_offsets(self._client.at(number), cached=True)
                lag += max(0, max(found[1] if found else 0, partition.target) - partition.next)
        except (KafkaException, RuntimeError):
            return None
        return lag

    def sample(self, number: int) -> Sample:
        """Return the first records, without the group and without a commit."""
        client = self._connected()
        from confluent_kafka import KafkaException

        source = f"topic {self._settings.topic}"
        values: list[bytes | None] = []
        try:
            for partition, (low, high) in client.ends(client.topic().partitions).items():
                if len(values) < number:
                    values += read_range(client, partition, low, high, number - len(values)).values
            lines, rejected = lines_of(values, self._decode)
        except KafkaException as error:
            raise client.failure(error) from None
        if not values:
            return Sample(b"", source, "no records yet")
        remark = ", ".join(f"{count} {why}" for why, count in sorted((+rejected).items()))
        return Sample(lines, source, f"of the first {len(values)} messages: {remark}" if remark else "")

    def _connected(self) -> KafkaClient:
        if self._client is None:
            client = KafkaClient(self._settings, self._resolve)
            if self._settings.schemaRegistry is not None:
                from exporter.sinks.kafka.schema_registry import decoder

                self._decode = decoder(self._settings, self._resolve)
            self._client = client
        return self._client

    def _read(self, client: KafkaClient, topic: Topic, *, final: bool) -> Iterator[Batch]:
        if self._identity.differs(topic.identity):
            logger.warning(
                "topic %s: another one has its name: read from its beginning", self._settings.topic
            )
            self._leave()
            self._counted.clear()
        self._identity = topic.identity
        if self._settings.group and not self._replica:
            # Before the first claim, which bears it.
            self._replica = secrets.token_hex(6)
            yield Batch(NOTHING, 0, {_REPLICA: self._replica})
        if self._consumer is None:
            self._consumer = self._started(client)
        consumer = self._consumer
        if not self._prepare(client, consumer, topic):
            # What was fetched is of no use, and a fetch that failed cannot be sought from.
            self._leave()
            consumer = self._consumer = self._started(client)
            self._prepare(client, consumer, topic)
        if not self._joined and not self._join(client, consumer, final=final):
            return
        if self._settings.group and not self._recovered:
            yield from self._uncounted(client, consumer, topic)
            self._recovered = True
        begun = heard = time.monotonic()
        size = refused = 0
        average = _GUESSED
        while True:
            behind = self._is_behind()
            number = max(1, min(_MOST_MESSAGES, (_MOST - size) // average))
            messages, read = self._consume(consumer, number, wait=behind)
            now = time.monotonic()
            if messages:
                average = max(1, read // messages)
                size += read
                heard = now
            elif behind and now - heard > LONGEST_SILENCE:
                raise client.silent()
            if messages and size < _MOST and now - begun < _LONGEST_BATCH and self._is_behind():
                continue
            if behind and not messages and now - begun < _LONGEST_BATCH:
                continue
            if batch := self._batch(client, consumer):
                yield batch
                heard = time.monotonic()
            elif size:
                # The group is about to change. What it leaves to this replica is read again.
                refused += 1
                if refused > _MOST_REFUSED:
                    raise client.failure(f"group {self._settings.group} does not settle")
                time.sleep(_PAUSE)
            if not self._is_behind():
                return
            size, begun = 0, time.monotonic()

    def _is_behind(self) -> bool:
        """Return True until all that was there when the cycle began is read."""
        return any(item.next < item.target for item in self._owned.values())

    def _consume(self, consumer: Consumer, number: int, *, wait: bool) -> tuple[int, int]:
        """Take messages of this replica's partitions; return how many came, and the bytes of those that were taken.

        Partitions come and go meanwhile.
        """
        # It waits until all that it is asked for are there: for the first one only.
        messages = consumer.consume(number, timeout=0)
        if wait and not messages:
            messages = consumer.consume(1, timeout=_WAIT)
        if self._failure is not None:
            raise self._failure
        read = 0
        for message in messages:
            if (at := message.partition()) in self._owned:
                read += self._owned[at].take(message)
            elif at is None and (error := message.error()) is not None:
                from confluent_kafka import KafkaException

                raise KafkaException(error)
        return len(messages), read

    def _started(self, client: KafkaClient) -> Consumer:
        if self._settings.group is None:
            self._joined = True
            return client.consumer(None)
        # Nobody polls between two cycles.
        polled = min(max(_POLLED, 3 * self._schedule), _MOST_POLLED)
        consumer = client.consumer(
            self._settings.group,
            **{
                "max.poll.interval.ms": int(polled * 1000),
                "partition.assignment.strategy": "cooperative-sticky",
            },
        )
        consumer.subscribe(
            [self._settings.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )
        return consumer

    def _join(self, client: KafkaClient, consumer: Consumer, *, final: bool) -> bool:
        """Wait for partitions; False where they will come in a later cycle. There may be none for this replica."""
        until = time.monotonic() + (_JOINED_AT_LAST if final else _JOINED)
        while not self._joined:
            self._consume(consumer, 1, wait=True)
            if time.monotonic() > until and not self._joined:
                if final:
                    raise client.failure(f"group {self._settings.group} gives no partitions")
                logger.info(
                    "topic %s: group %s gives no partitions yet", self._settings.topic, self._settings.group
                )
                return False
        return True

    def _prepare(self, client: KafkaClient, consumer: Consumer, topic: Topic) -> bool:
        """See where the partitions end now; without a group, begin those that are new.

        False where one is not where it was any more: retention, or another topic.
        """
        wanted = self._owned if self._settings.group else topic.partitions
        if isinstance(self._settings.partitions, list):
            wanted = self._settings.partitions
        if unknown := set(wanted) - set(topic.partitions):
            raise client.failure(f"it has no partition {min(unknown)}")
        ends = client.ends(wanted)
        if any(
            not ends[number].low <= item.next <= ends[number].high for number, item in self._owned.items()
        ):
            return False
        for number, item in self._owned.items():
            item.target = ends[number].high
        new = set(ends) - set(self._owned)
        for number in new:
            self._owned[number] = self._begun(number, self._counted.get(number), ends[number])
        if new:
            consumer.incremental_assign([client.at(number, self._owned[number].next) for number in new])
        return True

    def _begun(self, number: int, start: int | None, ends: Ends) -> Partition:
        """Return a partition that is read from ``start`` on.

        What retention has deleted is counted, and a topic that is shorter is another.
        """
        if start is None:
            start = ends.low
        elif start < ends.low:
            logger.warning(
                "topic %s: partition %d: offsets %d to %d were deleted before they were read",
                self._settings.topic, number, start, ends.low - 1,
            )  # fmt: skip
            return Partition(ends.low, ends.low, ends.high, expired=ends.low - start)
        elif start > ends.high:
            same = bool(self._identity.topic)
            logger.warning(
                "topic %s: partition %d ends at %d, before position %d: truncated or made anew; goes on at %s",
                self._settings.topic, number, ends.high, start, "its end" if same else "its beginning",
            )  # fmt: skip
            start = ends.high if same else ends.low
        return Partition(start, start, ends.high)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition behind what the group has claimed. Called by ``consume``."""
        from confluent_kafka import KafkaException

        client = self._connected()
        numbers = [item.partition for item in partitions]
        try:
            found = committed(client, consumer, numbers, self._identity.topic)
            for number, ends in client.ends(numbers).items():
                # The broker forgets what a group without members has committed, after some days.
                known = (found[number].offset, self._counted.get(number))
                start = max((offset for offset in known if offset is not None), default=None)
                self._owned[number] = self._begun(number, start, ends)
                self._claims[number] = found[number].claims
            consumer.incremental_assign([client.at(number, self._owned[number].next) for number in numbers])
            self._joined = True
        except (KafkaException, SinkError) as error:
            self._failure = error

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Drop what was read of partitions and not claimed: another replica reads it. Called by ``consume``."""
        for item in partitions:
            self._owned.pop(item.partition, None)
        consumer.incremental_unassign(partitions)

    def _batch(self, client: KafkaClient, consumer: Consumer) -> Batch | None:
        """Return what was read since the last one; None where nothing was, or it is for others to read."""
        read = {number: item for number, item in self._owned.items() if item.next > item.begin}
        if not read:
            return None
        # Before it is claimed: a registry may be gone.
        lines, rejected = lines_of([value for item in read.values() for value in item.values], self._decode)
        if self._settings.group is not None:
            claims = {
                number: self._claims[number].added(self._replica, Claim(item.begin, item.next))
                for number, item in read.items()
            }
            if not commit(client, consumer, self._replica, claims):
                for number, item in read.items():
                    item.rewind()
                    consumer.seek(client.at(number, item.next))
                return None
            self._claims |= claims
        # Committed by the time that the next is asked for; where it fails, the sink is opened anew.
        rejected["expired"] = sum(item.expired for item in read.values())
        for number, item in read.items():
            self._counted[number] = item.next
            item.counted()
        return self._counts(lines, rejected, read)

    def _uncounted(self, client: KafkaClient, consumer: Consumer, topic: Topic) -> Iterator[Batch]:
        """Yield what this replica claimed and did not count before it was killed, whoever has the partition now.

        It is a member again by now, so no claim of the one before it can arrive any more.
        """
        everything = committed(client, consumer, topic.partitions, self._identity.topic)
        for number, (_, claims) in everything.items():
            claim = claims.by_replica.get(self._replica)
            if claim is None or claim.end <= self._counted.get(number, 0):
                continue
            ends = client.ends([number])[number]
            start = min(claim.end, self._begun(number, claim.start, ends).begin)
            lines, rejected = lines_of(read_range(client, number, start, claim.end).values, self._decode)
            rejected["expired"] = max(0, start - claim.start)
            self._counted[number] = claim.end
            yield self._counts(lines, rejected, [number])

    def _counts(self, lines: bytes, rejected: Counter[str], numbers: Iterable[int]) -> Batch:
        positions = {
            f"{self._settings.topic}/{number}": position(self._counted[number], self._identity)
            for number in numbers
        }
        return Batch(memoryview(lines), rejected.pop("too_long", 0), positions, +rejected)

    def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._owned.clear()
        self._joined = self._recovered = False
        self._failure = None
        if consumer is not None:
            consumer.close()
