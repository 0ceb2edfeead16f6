"""Topics of Kafka beyond what all sinks promise: partitions, groups, claims, errors."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from exporter.sinks import SinkError
from exporter.sinks.reader import open_sink
from mlslo.monitor import Sink, load
from mlslo.yamlfile import InputError
from tests.support.commands import exporter
from tests.support.logs import monitor, record, write_monitor
from tests.support.sinks.kafka import Brokers
from tests.support.sinks.reading import FailedError, Reading, monitor_of
from tests.support.sinks.replicas import Fleet

Open = Callable[..., Reading]
_SESSION = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 200}
_KILLS = 5
_PATIENCE = 40.0


@pytest.fixture(scope="module")
def brokers() -> Iterator[Brokers]:
    with closing(Brokers()) as found:
        yield found


@pytest.fixture
def topic(brokers: Brokers, request: pytest.FixtureRequest) -> str:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:100]
    brokers.create(name)
    return name


@pytest.fixture
def read(brokers: Brokers, topic: str, tmp_path: Path) -> Iterator[Open]:
    """Return what opens the topic over the state of a replica."""
    with ExitStack() as opened:

        def start(replica: str = "a", **settings: Any) -> Reading:
            sink = {"kafka": {"brokers": brokers.addresses, "topic": topic, **settings}}
            state = tmp_path / replica / "m.sqlite"
            return opened.enter_context(closing(Reading(sink, tmp_path, state)))

        yield start


def _records(first: int, number: int) -> list[bytes]:
    return [json.dumps(record(first + index, at=index)).encode() for index in range(number)]


def _joined(*readings: Reading) -> None:
    """Read until each has partitions, and has read them."""
    until = time.monotonic() + _PATIENCE
    while sum(reading.cycle() > 0 or reading.reader.lag() != 0 for reading in readings):
        assert time.monotonic() < until
        time.sleep(0.05)


def _ids(*readings: Reading) -> Counter[str]:
    return sum((reading.counted() for reading in readings), Counter())


def test_partitions_are_all_or_those_that_are_named(brokers: Brokers, topic: str, read: Open) -> None:
    for partition in range(4):
        brokers.send(topic, _records(10 * partition, 5), partition)
    everything, some = read("all", partitions="all"), read("some", partitions=[0, 3])
    for reading in (everything, some):
        _joined(reading)
    assert everything.counted().total() == 20
    assert set(some.counted()) == {f"r{number}" for number in [*range(5), *range(30, 35)]}
    assert set(some.positions()) == {f"{topic}/0", f"{topic}/3"}
    none = read("none", partitions=[7])
    none.cycle()
    assert not none.reader.up


def test_what_is_no_record_is_counted_with_its_reason(brokers: Brokers, topic: str, read: Open) -> None:
    pretty = json.dumps(record(1, at=1), indent=2).encode()
    brokers.send(topic, [pretty, None, b"", b"no\nrecord", *_records(2, 1)])
    reading = read(partitions=[0])
    _joined(reading)
    assert reading.counted() == {"r1": 1, "r2": 1}
    assert reading.passed_over() == {"no_value": 2, "not_a_record": 1}


@pytest.mark.slow
def test_what_retention_deleted_is_counted(
    brokers: Brokers, topic: str, read: Open, caplog: pytest.LogCaptureFixture
) -> None:
    reading = read(partitions=[0])
    brokers.send(topic, _records(0, 5))
    _joined(reading)
    # The mock cluster keeps 5 MiB of a partition.
    large = [json.dumps(record(number, at=1, text="x" * (1 << 19))).encode() for number in range(5, 45)]
    brokers.send(topic, large)
    brokers.send(topic, _records(45, 1))
    _joined(reading)
    expired = reading.passed_over()["expired"]
    assert 20 < expired < 40
    assert reading.counted().total() == 46 - expired
    assert "were deleted before they were read" in caplog.text


def test_a_topic_that_is_shorter_than_its_position_is_read_from_its_beginning(
    brokers: Brokers, topic: str, read: Open, caplog: pytest.LogCaptureFixture
) -> None:
    brokers.send(topic, _records(0, 5))
    reading = read(partitions=[0])
    _joined(reading)
    position = json.loads(reading.positions()[f"{topic}/0"])
    with reading.store.transaction():
        reading.store.positions.save("predictions", {f"{topic}/0": json.dumps({**position, "offset": 50})})
    reading.reader.reset()
    reading.cycle()
    assert set(reading.counted().values()) == {2}
    assert "truncated or made anew" in caplog.text


@pytest.mark.parametrize("known", ["cluster", "topic"])
def test_a_position_of_another_topic_of_the_name_is_not_gone_on_with(
    brokers: Brokers, topic: str, read: Open, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mock cluster has no ids of topics: one is put into what it says."""
    from exporter.sinks.kafka.client import KafkaClient

    asked = KafkaClient.topic

    def identified(client: KafkaClient) -> Any:
        found = asked(client)
        return found._replace(identity=found.identity._replace(topic="second"))

    monkeypatch.setattr(KafkaClient, "topic", identified)
    brokers.send(topic, _records(0, 5))
    reading = read(partitions=[0])
    _joined(reading)
    position = json.loads(reading.positions()[f"{topic}/0"])
    with reading.store.transaction():
        first = {**position, known: "first", "offset": 3}
        reading.store.positions.save("predictions", {f"{topic}/0": json.dumps(first)})
    reading.reader.reset()
    reading.cycle()
    assert set(reading.counted().values()) == {2}


def test_a_topic_that_never_pauses_does_not_hold_a_cycle(brokers: Brokers, topic: str, read: Open) -> None:
    brokers.send(topic, _records(0, 50))
    ended = threading.Event()

    def write() -> None:
        number = 50
        while not ended.is_set():
            brokers.send(topic, _records(number, 20))
            number += 20

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reading = read(partitions=[0])
        began = time.monotonic()
        for _ in range(3):
            reading.cycle()
        assert time.monotonic() - began < 10
    finally:
        ended.set()
        writer.join()
    _joined(reading)
    assert set(reading.counted().values()) == {1}


@pytest.mark.slow
def test_a_killed_replica_counts_its_claim_when_it_is_back(brokers: Brokers, topic: str, read: Open) -> None:
    """Between claim and count the partition moves to another replica, which goes on behind the claim."""
    brokers.send(topic, _records(0, 10))
    first = read("a", group="g", options=_SESSION)
    _joined(first)
    brokers.send(topic, _records(10, 10))
    with pytest.raises(FailedError):
        first.cycle(fails=lambda: True)
    first.close()
    brokers.send(topic, _records(20, 10))
    second = read("b", group="g", options=_SESSION)
    _joined(second)
    assert set(second.counted()) == {f"r{number}" for number in range(20, 30)}
    # The other one still has all partitions to begin with.
    back = read("a", group="g", options=_SESSION)
    until = time.monotonic() + _PATIENCE
    while back.counted().total() < 20 and time.monotonic() < until:
        back.cycle()
        second.cycle()
    _joined(back, second)
    assert set(back.counted()) == {f"r{number}" for number in range(20)}
    assert _ids(back, second) == {f"r{number}": 1 for number in range(30)}
    assert _committed(brokers, topic, "g") == 30


@pytest.mark.slow
def test_replicas_that_come_and_go_share_a_topic(brokers: Brokers, topic: str, read: Open) -> None:
    replicas = [read("a", group="g", options=_SESSION)]
    _joined(*replicas)
    replicas.append(read("b", group="g", options=_SESSION))
    number = 0
    until = time.monotonic() + _PATIENCE
    while not replicas[1].counted() and time.monotonic() < until:
        for partition in range(4):
            brokers.send(topic, _records(number, 2), partition)
            number += 2
        for reading in replicas:
            reading.cycle()
    assert replicas[1].counted()
    replicas[0].reader.close()
    brokers.send(topic, _records(number, 5), 2)
    until = time.monotonic() + _PATIENCE
    while _ids(*replicas).total() < number + 5 and time.monotonic() < until:
        replicas[1].cycle()
    assert _ids(*replicas) == {f"r{index}": 1 for index in range(number + 5)}


@pytest.mark.slow
def test_whoever_keeps_no_state_takes_nothing_from_the_group(
    brokers: Brokers, topic: str, tmp_path: Path
) -> None:
    brokers.send(topic, _records(0, 10))
    content = monitor(labels=None)
    content["spec"]["predictions"]["sink"] = {
        "kafka": {"brokers": [brokers.addresses], "topic": topic, "group": "g"}
    }
    path = write_monitor(tmp_path, content)
    for _ in range(2):
        assert 'ml_predictions_total{model="m",version="v1"} 10' in exporter("once", path).stdout
    checked = exporter("check", path).stdout
    assert "r0" in checked
    assert f"topic {topic}" in checked
    assert _committed(brokers, topic, "g") < 0


def _committed(brokers: Brokers, topic: str, group: str) -> int:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": brokers.addresses, "group.id": group})
    try:
        return int(consumer.committed([TopicPartition(topic, 0)], timeout=60)[0].offset)
    finally:
        consumer.close()


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a second for what does not come, instead of five."""
    monkeypatch.setattr("exporter.sinks.kafka.client._ASKED", 1.0)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_brokers_that_are_gone_are_said_within_seconds(
    read: Open, nobody: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for settings in ({"partitions": "all"}, {"group": "g"}):
        reading = read(brokers=nobody, **settings)
        began = time.monotonic()
        reading.cycle()
        assert time.monotonic() - began < 10
        assert not reading.reader.up
        assert reading.reader.lag() is None
        reading.close()
    assert "refused" in caplog.text
    assert capfd.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_wrong_credentials_are_said_without_the_password(
    brokers: Brokers, topic: str, read: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The mock cluster knows no users: it refuses whoever says who it is."""
    brokers.send(topic, _records(0, 1))
    (tmp_path / "password").write_text("s3cret\n")
    sasl = {"mechanism": "PLAIN", "username": "u", "passwordFile": "password"}
    reading = read(sasl=sasl)
    reading.cycle()
    assert not reading.reader.up
    assert "SASL" in caplog.text
    assert "s3cret" not in caplog.text
    reading = read("b", sasl={**sasl, "passwordFile": "gone"})
    reading.cycle()
    assert "gone: cannot be read: No such file" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_a_certificate_that_cannot_be_read_and_a_broker_without_tls(
    read: Open, caplog: pytest.LogCaptureFixture
) -> None:
    for number, tls in enumerate(({"caFile": "gone.pem"}, {})):
        reading = read(str(number), tls=tls)
        reading.cycle()
        assert not reading.reader.up
    assert "gone.pem" in caplog.text
    assert "SSL" in caplog.messages[-1]


def test_an_unknown_topic_is_said(read: Open, caplog: pytest.LogCaptureFixture) -> None:
    for settings in ({}, {"group": "g"}):
        reading = read(topic="nosuch", **settings)
        reading.cycle()
        assert not reading.reader.up
        reading.close()
    assert "topic nosuch: Broker: Unknown topic or partition" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_a_sample_of_a_topic_without_records_or_brokers(
    brokers: Brokers, topic: str, nobody: str, tmp_path: Path
) -> None:
    for address, number in ((brokers.addresses, 0), (nobody, 1)):
        sink = {"kafka": {"brokers": address, "topic": topic}}
        monitored = monitor_of(sink, tmp_path)
        with closing(open_sink(monitored, Sink.model_validate(sink), {})) as opened:
            if number:
                with pytest.raises(SinkError, match="refused"):
                    opened.sample(3)
            else:
                assert opened.sample(3).remark == "no records yet"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": "g", "partitions": [0]}, "expected group or partitions, got both"),
        ({"partitions": [1, 1]}, "expected partitions once each"),
        ({"partitions": [-1]}, "partitions are numbered from 0"),
        ({"format": "avro"}, "format avro or protobuf and schemaRegistry come together"),
        ({"options": {"sasl.password": "x"}}, "is set by the exporter, or is a secret"),
        ({"options": {"enable.auto.commit": True}}, "is set by the exporter, or is a secret"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sink.model_validate({"kafka": {"brokers": "b:9092", "topic": "t", **settings}})


@pytest.mark.slow
def test_killed_replicas_lose_and_double_nothing(tmp_path: Path) -> None:
    """``python -m benchmarks.kafka_kills`` does so 200 times."""
    with closing(Fleet(tmp_path)) as fleet:
        fleet.live(_KILLS, 30 * _KILLS)
        predictions, joined = fleet.counted()
        assert predictions.total() == fleet.expected().total()
        assert joined == fleet.expected()


def test_both_logs_of_one_group_and_topic_are_refused(tmp_path: Path) -> None:
    content = monitor()
    sink = {"kafka": {"brokers": "b:9092", "topic": "t", "group": "g"}}
    for log in ("predictions", "labels"):
        content["spec"][log]["sink"] = sink
    with pytest.raises(InputError, match="the topic and the group of 'predictions' already"):
        load(write_monitor(tmp_path, content))
