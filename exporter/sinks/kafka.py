"""Records of a topic: fixed partitions, or those that a consumer group gives to this replica."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from exporter.sinks.kafka_claims import Claim, Claims
from exporter.sinks.kafka_client import PATIENCE, Ends, Identity, KafkaClient, Topic
from exporter.sinks.message_values import Decode, lines_of
from exporter.sinks.records import NOTHING
from exporter.sinks.sink import Batch, LogSink, Sample, SinkError
from mlslo.monitor import KafkaSink as KafkaSettings
from mlslo.monitor import Monitor

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message, TopicPartition

logger = logging.getLogger(__name__)

_REPLICA = "replica"
"""The key of this replica's name, which its claims bear."""
_MOST = 8 << 20
_LONGEST_BATCH = 20.0
_LONGEST_SILENCE = 30.0
# A group that lost a member by force notices it after the session's time-out, of 45 seconds.
_JOINED = 10.0
_JOINED_AT_LAST = 55.0
_POLLED = 300.0
_MOST_MESSAGES = 5000
_MOST_REFUSED = 100
_PAUSE = 0.1


@dataclass
class _Partition:
    """A partition that is read. ``begin``: up to where it is counted; ``next``: behind ``values``, read since then.

    ``target``: where it ended when the cycle began.
    """

    begin: int
    next: int
    target: int
    values: list[bytes | None] = field(default_factory=list)

    def take(self, message: Message) -> int:
        """Add a message; returns its size. One that was read before it moved to another replica and back is dropped."""
        offset, value = message.offset(), message.value()
        assert offset is not None
        if offset < self.next:
            return 0
        self.next = offset + 1
        self.values.append(value)
        return len(value or b"") + 1

    def rewind(self) -> None:
        """Forget what is not counted."""
        self.next = self.begin
        self.values.clear()


class KafkaSink(LogSink):
    """Reads a topic up to where it ended when the cycle began.

    A position is an offset, and which topic it is of. In a group, a replica *claims* records before it counts them: it
    commits the offset behind them, with its own name and the range in the metadata. The broker takes that from members
    of the current generation only, so a range is claimed once. Whoever has the partition next begins behind it; a
    replica that was killed between claim and count finds the claim when it is back, and counts the range then.
    """

    LONGEST_PAUSE = 60.0
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
                self._counted[int(partition)], self._identity = _restored(text)
            else:
                _restored(text)
        self._client: KafkaClient | None = None
        self._consumer: Consumer | None = None
        self._decode: Decode | None = None
        self._owned: dict[int, _Partition] = {}
        self._claims: dict[int, Claims] = {}
        self._joined = self._recovered = False
        self._failure: Exception | None = None
        self._expired = 0

    @classmethod
    def open(cls, monitor: Monitor, settings: KafkaSettings, positions: Mapping[str, str]) -> KafkaSink:
        return cls(monitor, settings, positions)

    def close(self) -> None:
        self._leave()
        self._client = None

    def batches(self, *, final: bool = False) -> Iterator[Batch]:
        """Raises SinkError where the cluster, the topic, the group or a schema cannot be had."""
        client = self._connected()
        from confluent_kafka import KafkaException

        try:
            yield from self._read(client, final=final)
        except KafkaException as error:
            failure = client.failure(error)
            self._leave()
            raise failure from None
        except SinkError:
            self._leave()
            raise

    def lag(self) -> int | None:
        """Return how many records the topic has behind the position, as of the last answer of the broker."""
        from confluent_kafka import KafkaException

        if self._consumer is None or not self._joined:
            return None
        lag = 0
        try:
            for number, partition in self._owned.items():
                found = self._consumer.get_watermark_offsets(self._at(number), cached=True)
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
            for partition, ends in client.ends(client.topic().partitions).items():
                if len(values) < number:
                    values += self._range(client, partition, Claim(*ends), number - len(values)).values
            lines, rejected = lines_of(values, self._decode)
        except KafkaException as error:
            raise client.failure(error) from None
        remark = ", ".join(f"{count} {why}" for why, count in sorted((+rejected).items()))
        if not values:
            return Sample(b"", source, "no records yet")
        return Sample(lines, source, f"of the first {len(values)} messages: {remark}" if remark else "")

    def _connected(self) -> KafkaClient:
        if self._client is None:
            client = KafkaClient(self._settings, self._resolve)
            if self._settings.schemaRegistry is not None:
                from exporter.sinks.schema_registry import decoder

                self._decode = decoder(self._settings, self._resolve)
            self._client = client
        return self._client

    def _read(self, client: KafkaClient, *, final: bool) -> Iterator[Batch]:
        topic = client.topic()
        if self._identity.differs(topic.identity):
            logger.warning(
                "topic %s: another one has its name: read from its beginning", self._settings.topic
            )
            self._leave()
            self._counted.clear()
        self._identity = topic.identity
        if self._settings.group and not self._replica:
            # Before the first claim, which is told by it.
            self._replica = secrets.token_hex(6)
            yield Batch(NOTHING, 0, {_REPLICA: self._replica})
        if self._consumer is None:
            self._consumer = self._started(client)
        self._prepare(client, topic)
        consumer, begun, average = self._consumer, time.monotonic(), 0
        since = begun
        patience = _JOINED_AT_LAST if final else _JOINED
        heard, size, refused = begun, 0, 0
        while True:
            if self._joined and self._settings.group and not self._recovered:
                yield from self._uncounted(client, consumer, topic)
                self._recovered = True
            pending = not self._joined or any(item.next < item.target for item in self._owned.values())
            most = max(1, min(_MOST_MESSAGES, (_MOST - size) // (average or 64 << 10)))
            messages = consumer.consume(most, timeout=0.1 if pending else 0)
            if self._failure is not None:
                raise self._failure
            now = time.monotonic()
            if messages:
                heard = now
                read = self._take(messages)
                average = max(1, read // len(messages))
                size += read
            elif not pending:
                break
            elif not self._joined:
                if now - since > patience:
                    if final:
                        raise client.failure(
                            f"group {self._settings.group}: no partitions within {patience:.0f} s"
                        )
                    return
            elif now - heard > _LONGEST_SILENCE:
                raise client.failure(f"no answer within {_LONGEST_SILENCE:.0f} s")
            ended = not any(item.next < item.target for item in self._owned.values())
            if size >= _MOST or now - begun > _LONGEST_BATCH or (ended and self._joined):
                batch = self._batch(consumer)
                if batch is not None:
                    yield batch
                    heard = time.monotonic()
                elif size:
                    # The group is about to change. What it leaves to this replica is read again.
                    refused += 1
                    if refused > _MOST_REFUSED:
                        raise client.failure(f"group {self._settings.group} does not settle")
                    time.sleep(_PAUSE)
                if batch is not None and ended:
                    return
                size, begun = 0, time.monotonic()

    def _started(self, client: KafkaClient) -> Consumer:
        if self._settings.group is None:
            self._joined = True
            return client.consumer(None)
        # Between two cycles nobody polls.
        polled = min(max(_POLLED, 3 * self._schedule), 86400.0)
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

    def _prepare(self, client: KafkaClient, topic: Topic) -> None:
        """See where the partitions end now; without a group, begin those that are new."""
        chosen = self._settings.partitions
        wanted = topic.partitions if not isinstance(chosen, list) else chosen
        if unknown := set(wanted) - set(topic.partitions):
            raise client.failure(f"it has no partition {min(unknown)}")
        assert self._consumer is not None
        ends = client.ends(self._owned if self._settings.group else wanted)
        new = []
        for number, there in ends.items():
            partition = self._owned.get(number)
            if partition is None:
                start = self._checked(number, self._counted.get(number, there.low), there)
                self._owned[number] = _Partition(start, start, there.high)
                new.append(self._at(number, start))
            elif (start := self._checked(number, partition.next, there)) != partition.next:
                self._owned[number] = _Partition(start, start, there.high)
                self._consumer.seek(self._at(number, start))
            else:
                partition.target = there.high
        if new:
            self._consumer.incremental_assign(new)

    def _checked(self, number: int, start: int, ends: Ends) -> int:
        """Return where to read on: what retention has deleted is counted, and a topic that is shorter is another."""
        if start < ends.low:
            self._expired += ends.low - start
            logger.warning(
                "topic %s: partition %d: offsets %d to %d were deleted before they were read",
                self._settings.topic, number, start, ends.low - 1,
            )  # fmt: skip
            return ends.low
        if start > ends.high:
            known = bool(self._identity.topic)
            logger.warning(
                "topic %s: partition %d ends at %d, before the position %d: it was truncated or made anew; read from %s",
                self._settings.topic, number, ends.high, start, "there" if known else "its beginning",
            )  # fmt: skip
            return ends.high if known else ends.low
        return start

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition behind what the group has claimed. Called by ``consume``."""
        from confluent_kafka import KafkaException

        assert self._client is not None
        numbers = [item.partition for item in partitions]
        try:
            committed = self._committed(consumer, numbers)
            ends = self._client.ends(numbers)
            for number in numbers:
                offset, claims = committed[number]
                start = max(offset, self._counted.get(number, ends[number].low))
                start = self._checked(number, start, ends[number])
                self._owned[number] = _Partition(start, start, ends[number].high)
                self._claims[number] = claims
            consumer.incremental_assign([self._at(number, self._owned[number].next) for number in numbers])
            self._joined = True
        except (KafkaException, SinkError) as error:
            self._failure = error

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Drop what was read of partitions and not claimed: another replica reads it. Called by ``consume``."""
        for item in partitions:
            self._owned.pop(item.partition, None)
        consumer.incremental_unassign(partitions)

    def _committed(self, consumer: Consumer, numbers: list[int]) -> dict[int, tuple[int, Claims]]:
        """Return committed offset, -1 where there is none, and the claims of each partition."""
        from confluent_kafka import KafkaException

        found = {}
        for item in consumer.committed([self._at(number) for number in numbers], timeout=PATIENCE):
            if item.error is not None:
                raise KafkaException(item.error)
            claims = Claims.of(item.metadata, self._identity.topic)
            offset = item.offset if claims is not None and item.offset >= 0 else -1
            found[item.partition] = offset, claims or Claims(self._identity.topic, {})
        return found

    def _take(self, messages: list[Message]) -> int:
        """Add messages to their partitions; returns their size."""
        from confluent_kafka import KafkaError, KafkaException

        size = 0
        owned = self._owned
        for message in messages:
            partition = owned.get(message.partition())  # type: ignore[arg-type]
            error = message.error()
            if error is None:
                if partition is not None:
                    size += partition.take(message)
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            elif partition is not None:
                # Behind the last record there may be markers of transactions, which nobody is shown.
                partition.next = max(partition.next, message.offset() or 0)
        return size

    def _batch(self, consumer: Consumer) -> Batch | None:
        """Return what was read since the last one; None where nothing was, or it is for others to read."""
        read = {number: item for number, item in self._owned.items() if item.next > item.begin}
        lines, rejected = [], Counter[str]()
        for item in read.values():
            # Before it is claimed: a registry may be gone.
            some, passed_over = lines_of(item.values, self._decode)
            lines.append(some)
            rejected += passed_over
        if not read or not (self._settings.group is None or self._claim(consumer, read)):
            return None
        if self._expired:
            rejected["expired"] += self._expired
            self._expired = 0
        # Committed by the time that the next is asked for; where it fails, the sink is opened anew.
        for number, item in read.items():
            self._counted[number] = item.begin = item.next
            item.values = []
        positions = {self._key(number): self._position(item.next) for number, item in read.items()}
        return Batch(memoryview(b"".join(lines)), rejected.pop("too_long", 0), positions, rejected)

    def _claim(self, consumer: Consumer, read: Mapping[int, _Partition]) -> bool:
        """Commit the offsets behind what was read, for this replica alone to count; False where it lost the right to.

        Where nobody knows whether they were taken, it raises KafkaException: the replica leaves the group, after which
        they cannot be taken any more, and looks when it is back.
        """
        from confluent_kafka import KafkaError, KafkaException

        claims = {
            number: self._claims[number].added(self._replica, Claim(item.begin, item.next))
            for number, item in read.items()
        }
        offsets = [self._at(number, item.next, claims[number].text) for number, item in read.items()]
        if _generation(consumer) < 0:
            # The session has ended. A commit without a generation is taken where the group is empty.
            return self._rewound(consumer, read)
        try:
            for item in consumer.commit(offsets=offsets, asynchronous=False) or ():
                if item.error is not None:
                    raise KafkaException(item.error)
        except KafkaException as error:
            # Of all partitions at once: those that others may have by now.
            refused = (
                KafkaError.ILLEGAL_GENERATION,
                KafkaError.UNKNOWN_MEMBER_ID,
                KafkaError.REBALANCE_IN_PROGRESS,
            )
            if error.args[0].code() not in refused:
                raise
            return self._rewound(consumer, read)
        self._claims |= claims
        return True

    def _rewound(self, consumer: Consumer, read: Mapping[int, _Partition]) -> Literal[False]:
        for number, item in read.items():
            item.rewind()
            consumer.seek(self._at(number, item.next))
        return False

    def _uncounted(self, client: KafkaClient, consumer: Consumer, topic: Topic) -> Iterator[Batch]:
        """Yield what this replica claimed and did not count before it was killed, whoever has the partition now.

        It is a member again by now, so no claim of the one before it can arrive any more.
        """
        for number, (_, claims) in self._committed(consumer, topic.partitions).items():
            claim = claims.by_replica.get(self._replica)
            if claim is None or claim.end <= self._counted.get(number, 0):
                continue
            start = self._checked(number, claim.start, client.ends([number])[number])
            values = self._range(client, number, Claim(start, claim.end)).values if start < claim.end else []
            lines, rejected = lines_of(values, self._decode)
            rejected["expired"] += min(self._expired, claim.end - claim.start)
            self._expired = 0
            self._counted[number] = claim.end
            positions = {self._key(number): self._position(claim.end)}
            yield Batch(memoryview(lines), rejected.pop("too_long", 0), positions, +rejected)

    def _range(self, client: KafkaClient, number: int, claim: Claim, most: int = 1 << 40) -> _Partition:
        """Read offsets of a partition, without the group: all of them, or the first ``most`` values."""
        found = _Partition(claim.start, claim.start, claim.end)
        if claim.start >= claim.end:
            return found
        from confluent_kafka import KafkaError, KafkaException

        consumer = client.consumer(None)
        heard = time.monotonic()
        try:
            consumer.assign([self._at(number, claim.start)])
            while found.next < claim.end and len(found.values) < most:
                for message in consumer.consume(min(most, 100), timeout=0.1):
                    heard = time.monotonic()
                    error = message.error()
                    if error is not None and error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    offset = message.offset() or 0
                    if error is not None or offset >= claim.end:
                        found.next = max(found.next, offset)
                    elif len(found.values) < most:
                        found.take(message)
                if time.monotonic() - heard > _LONGEST_SILENCE:
                    raise client.failure(f"no answer within {_LONGEST_SILENCE:.0f} s")
        finally:
            consumer.close()
        return found

    def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        self._owned.clear()
        self._joined = self._recovered = False
        self._failure = None
        if consumer is not None:
            consumer.close()

    def _at(self, number: int, offset: int | None = None, metadata: str | None = None) -> TopicPartition:
        from confluent_kafka import OFFSET_INVALID, TopicPartition

        found = OFFSET_INVALID if offset is None else offset
        if metadata is None:
            return TopicPartition(self._settings.topic, number, found)
        return TopicPartition(self._settings.topic, number, found, metadata)

    def _key(self, number: int) -> str:
        return f"{self._settings.topic}/{number}"

    def _position(self, offset: int) -> str:
        return json.dumps(
            {"offset": offset, "cluster": self._identity.cluster, "topic": self._identity.topic}
        )


def _restored(text: str) -> tuple[int, Identity]:
    """Return what a position says. Raises ValueError where it is none."""
    try:
        found: dict[str, Any] = json.loads(text)
        return int(found["offset"]), Identity(str(found["cluster"]), str(found["topic"]))
    except (TypeError, KeyError) as error:
        raise ValueError(f"a position of another shape: {error}") from None


def _generation(consumer: Consumer) -> int:
    """Return the generation of the group that a consumer is a member of; -1 where it is of none.

    It is the first number of what librdkafka gives a transaction to be fenced by.
    """
    metadata = bytes(consumer.consumer_group_metadata() or b"")
    head, _, rest = metadata.partition(b":")
    return int.from_bytes(rest[:4], "little", signed=True) if head == b"CGMDv2" else 0
