"""Connection to a Kafka cluster: configuration, and what is asked of it before records are read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from exporter.extras import needs
from exporter.sinks.sink import SinkError
from mlslo.monitor import KafkaSink as KafkaSettings
from mlslo.monitor.sinks.access import Tls

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds to wait for an answer."""
LONGEST_SILENCE = 30.0
"""Seconds without a message of a partition that has more."""
_ASKED = 5.0
_QUEUE_KILOBYTES = 16 << 10


class Identity(NamedTuple):
    """Cluster and topic by their ids; empty where the broker does not say."""

    cluster: str
    topic: str

    def differs(self, other: Self) -> bool:
        """Return True where both are known, and are not the same."""
        return any(mine and theirs and mine != theirs for mine, theirs in zip(self, other, strict=True))


class Topic(NamedTuple):
    """A topic as it is now."""

    identity: Identity
    partitions: list[int]


class Ends(NamedTuple):
    """Offsets of a partition: of its first record, and behind its last one that is committed."""

    low: int
    high: int


class KafkaClient:
    """Asks a cluster about one topic, and makes its consumers."""

    def __init__(self, settings: KafkaSettings, resolve: Callable[[str], Path]) -> None:
        """Raises SinkError where a file or the package is missing."""
        try:
            from confluent_kafka import KafkaException
            from confluent_kafka.admin import AdminClient
        except ImportError:
            raise SinkError(f"kafka {needs('kafka')}") from None
        self._name = settings.topic
        self._settings = {**_connection(settings, resolve), "error_cb": self._note, "logger": _Quiet()}
        self._error = ""
        try:
            self._admin = AdminClient({**self._settings, "allow.auto.create.topics": False})
        except (KafkaException, ValueError) as error:
            raise SinkError(f"topic {self._name}: {reason(error)}") from None

    def consumer(self, group: str | None, **more: Any) -> Consumer:
        """Return a consumer that commits nothing by itself."""
        from confluent_kafka import Consumer

        return Consumer(
            {
                # Without a group one is named, and nothing is asked of it.
                "group.id": group or "mlslo-exporter",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": _QUEUE_KILOBYTES,
                "fetch.max.bytes": _QUEUE_KILOBYTES << 10,
                "fetch.wait.max.ms": 100,
                # Until the next fetch, once the queue was full: a second, if it is not given.
                "fetch.queue.backoff.ms": 50,
                **more,
                **self._settings,
            }
        )

    def topic(self) -> Topic:
        """Return the topic. Raises SinkError where it cannot be had."""
        from confluent_kafka import KafkaException, TopicCollection

        try:
            found = self._admin.list_topics(self._name, timeout=_ASKED)
            topic = found.topics[self._name]
            if topic.error is not None:
                raise KafkaException(topic.error)  # noqa: TRY301
            identity = ""
            # Ids are asked of the controller, which the brokers of a test have none of.
            if found.controller_id in found.brokers:
                names = TopicCollection([self._name])
                try:
                    described = self._admin.describe_topics(names, request_timeout=_ASKED)
                    identity = str(described[self._name].result(_ASKED).topic_id)
                except (KafkaException, TimeoutError) as error:
                    logger.debug("topic %s: no id: %s", self._name, error)
        except KafkaException as error:
            raise self.failure(error) from None
        return Topic(Identity(found.cluster_id or "", identity), sorted(topic.partitions))

    def ends(self, partitions: Iterable[int]) -> dict[int, Ends]:
        """Return where each partition begins and ends. Raises SinkError where that cannot be had."""
        from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
        from confluent_kafka.admin._listoffsets import OffsetSpec

        asked = [TopicPartition(self._name, partition) for partition in partitions]
        if not asked:
            return {}
        try:
            answers = [
                self._admin.list_offsets(
                    dict.fromkeys(asked, which),
                    isolation_level=IsolationLevel.READ_COMMITTED,
                    request_timeout=PATIENCE,
                )
                for which in (OffsetSpec.earliest(), OffsetSpec.latest())  # type: ignore[no-untyped-call]
            ]
            low, high = (
                {item.partition: future.result(PATIENCE).offset for item, future in answer.items()}
                for answer in answers
            )
        except (KafkaException, TimeoutError) as error:
            raise self.failure(error) from None
        return {partition: Ends(low[partition], high[partition]) for partition in low}

    def at(self, partition: int, offset: int | None = None, metadata: str | None = None) -> TopicPartition:
        """Return a place in the topic, as librdkafka wants it."""
        from confluent_kafka import OFFSET_INVALID, TopicPartition

        found = OFFSET_INVALID if offset is None else offset
        if metadata is None:
            return TopicPartition(self._name, partition, found)
        return TopicPartition(self._name, partition, found, metadata)

    def silent(self) -> SinkError:
        """Return the error to raise where no message has come."""
        return self.failure(f"no answer within {LONGEST_SILENCE:.0f} s")

    def failure(self, error: Exception | str) -> SinkError:
        """Return the error to raise, with what librdkafka said last."""
        self._admin.poll(0)
        last, self._error = self._error, ""
        text = error if isinstance(error, str) else reason(error)
        return SinkError(f"topic {self._name}: {text}{f' ({last})' if last else ''}")

    def _note(self, error: Any) -> None:
        from confluent_kafka import KafkaError

        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._error:
            self._error = error.str()
        logger.debug("topic %s: %s", self._name, error.str())


def reason(error: Exception) -> str:
    """Return what an exception of librdkafka says."""
    cause = error.args[0] if error.args else error
    return str(cause.str()) if hasattr(cause, "str") else str(error) or type(error).__name__


class _Quiet:
    """Takes the log of librdkafka: each failed connection is a line of it."""

    def log(self, level: int, message: str, *arguments: object) -> None:  # noqa: ARG002 - all of it
        logger.debug(message, *arguments)


def _connection(settings: KafkaSettings, resolve: Callable[[str], Path]) -> dict[str, Any]:
    """Return the properties of a connection. Raises SinkError where the password cannot be read."""
    found: dict[str, Any] = {
        "socket.timeout.ms": int(PATIENCE * 1000),
        "socket.connection.setup.timeout.ms": int(PATIENCE * 1000),
        **settings.options,
        "bootstrap.servers": settings.servers,
    }
    protocol = "SASL_" if settings.sasl else ""
    found["security.protocol"] = protocol + ("SSL" if settings.tls else "PLAINTEXT")
    if settings.tls is not None:
        found |= tls_files(settings.tls, resolve)
    if settings.sasl is not None:
        found["sasl.mechanism"] = settings.sasl.mechanism
        found["sasl.username"] = settings.sasl.username
        found["sasl.password"] = secret(resolve(settings.sasl.passwordFile))
    return found


def tls_files(tls: Tls, resolve: Callable[[str], Path]) -> dict[str, str]:
    """Return the properties that name the files. Raises SinkError where one cannot be read."""
    files = {
        "ssl.ca.location": tls.caFile,
        "ssl.certificate.location": tls.certFile,
        "ssl.key.location": tls.keyFile,
    }
    found = {name: resolve(path) for name, path in files.items() if path is not None}
    for path in found.values():
        # OpenSSL names none of them.
        secret(path)
    return {name: str(path) for name, path in found.items()}


def secret(path: Path) -> str:
    """Return what a file holds. Raises SinkError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SinkError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
