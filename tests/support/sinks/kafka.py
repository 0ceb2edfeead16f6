"""Brokers of Kafka: librdkafka's own mock cluster, in a process of its own. No broker of Kafka itself is tried.

It keeps committed offsets with their metadata, and has generations, sessions and rebalances. It has no markers of
transactions, no retention, no ids of topics and no credentials.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter.sinks.kafka import client
from tests.support.sinks import SinkServer

# The first members of a group wait for others, by default for 3 s: only librdkafka's C interface can shorten it.
_BROKERS = """
import ctypes, sys
from pathlib import Path
import confluent_kafka
from confluent_kafka import Producer
holder = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 3, "log_level": 0})
(library,) = Path(confluent_kafka.__file__).parents[1].glob("confluent_kafka.libs/librdkafka*")
rdkafka = ctypes.CDLL(str(library))
rdkafka.rd_kafka_handle_mock_cluster.restype = ctypes.c_void_p
cluster = rdkafka.rd_kafka_handle_mock_cluster(ctypes.c_void_p.from_address(id(holder) + object.__basicsize__))
rdkafka.rd_kafka_mock_group_initial_rebalance_delay_ms(ctypes.c_void_p(cluster), 100)
brokers = holder.list_topics(timeout=30).brokers.values()
print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
sys.stdin.read()
"""
_FLUSHED = 30.0
_SLICE = 5000
_PARTITIONS = 4


class Brokers:
    """A cluster that is empty at first. ``addresses``: of its brokers."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _BROKERS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.addresses = self._process.stdout.readline().strip()
        assert self.addresses, "the mock cluster did not start"

    def send(self, topic: str, values: Sequence[bytes | None], partition: int = 0, **more: Any) -> None:
        """Append messages to a partition, durably."""
        from confluent_kafka import Producer

        producer = Producer(
            {
                "bootstrap.servers": self.addresses,
                "message.max.bytes": 8 << 20,
                "linger.ms": 1,
                "queue.buffering.max.kbytes": 1 << 18,
                "queue.buffering.max.messages": 0,
                **more,
            }
        )
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(_FLUSHED) == 0, "the brokers did not take all"

    def create(self, topic: str) -> None:
        """Create a topic of four partitions, as the mock cluster does of each that is asked for."""
        from confluent_kafka import Producer

        Producer({"bootstrap.servers": self.addresses}).list_topics(topic, timeout=_FLUSHED)

    def suspend(self) -> None:
        """Have the brokers answer nobody: connections stay, and new ones hang."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def close(self) -> None:
        self.resume()
        self._process.kill()
        self._process.communicate()


class KafkaServer(SinkServer):
    """A topic of the mock cluster, which is read without a group; records are appended to one partition."""

    name = "kafka"
    # Three requests may wait for brokers, one after the other, client.PATIENCE each.
    patience = 60.0
    longest = 4 << 20
    # Of a partition, in the mock cluster.
    most = 5 << 20

    def __init__(self, folder: Path) -> None:  # noqa: ARG002 - all of it is in memory
        self.brokers = Brokers()
        self._asked = client._ASKED
        self._number = 0
        self.begin()

    def begin(self) -> None:
        self._number += 1
        self.brokers.create(self.topic)

    @property
    def topic(self) -> str:
        return f"predictions-{self._number}"

    def sink(self) -> dict[str, Any]:
        return {"kafka": {"brokers": self.brokers.addresses, "topic": self.topic, "partitions": "all"}}

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:  # noqa: ARG002 - behind all others
        self.brokers.send(self.topic, records)

    def fill(self, records: Sequence[bytes]) -> None:
        """Append to all partitions, compressed: the mock cluster then keeps some 25 MiB of each."""
        for start in range(0, len(records), _SLICE):
            partition = start // _SLICE % _PARTITIONS
            self.brokers.send(
                self.topic, records[start : start + _SLICE], partition, **{"compression.type": "zstd"}
            )

    def stop(self) -> None:
        # The exporter in this process waits a second for what does not come, instead of five.
        client._ASKED = 1.0
        self.brokers.suspend()

    def start(self) -> None:
        self.brokers.resume()
        client._ASKED = self._asked

    def close(self) -> None:
        self.brokers.close()
