"""Avro and Protobuf values, by schemas of a registry."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import DESCRIPTOR as TIMESTAMP

from exporter.sinks.kafka.schema_registry import decoder
from exporter.sinks.kafka.values import Decode, lines_of
from exporter.sinks.sink import SinkError
from mlslo.monitor import KafkaSink
from tests.support.sinks.schema_registry import SchemaRegistry

_SCHEMA = {
    "type": "record",
    "name": "Prediction",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "ts", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "score", "type": ["null", "double"]},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
    ],
}
_TS = datetime(2026, 1, 10, tzinfo=UTC)
_RECORD = {"id": "a", "ts": _TS, "score": 0.5, "price": Decimal("12.50")}
_FIELD = FieldDescriptorProto


@pytest.fixture
def registry() -> Iterator[SchemaRegistry]:
    with closing(SchemaRegistry()) as found:
        yield found


@pytest.fixture
def decode(registry: SchemaRegistry, tmp_path: Path) -> Callable[..., Decode]:
    def made(format_: str = "avro", **settings: Any) -> Decode:
        sink = KafkaSink.model_validate(
            {
                "brokers": "b:9092",
                "topic": "t",
                "format": format_,
                "schemaRegistry": {"url": registry.url, **settings},
            }
        )
        return decoder(sink, lambda path: tmp_path / path)

    return made


def _avro(number: int, schema: Any, content: Any) -> bytes:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, schema, content)
    return b"\0" + number.to_bytes(4, "big") + written.getvalue()


def test_avro_of_several_schemas_becomes_json(
    registry: SchemaRegistry, decode: Callable[..., Decode]
) -> None:
    newer = {**_SCHEMA, "fields": [*_SCHEMA["fields"], {"name": "country", "type": "string"}]}
    first, second = registry.avro(_SCHEMA), registry.avro(newer)
    values = [
        _avro(first, _SCHEMA, _RECORD),
        _avro(second, newer, {**_RECORD, "id": "b", "score": None, "country": "DE"}),
        _avro(first, _SCHEMA, {**_RECORD, "id": "c"}),
    ]
    lines, rejected = lines_of(values, decode())
    records = list(map(json.loads, lines.splitlines()))
    assert records[0] == {"id": "a", "ts": "2026-01-10T00:00:00Z", "score": 0.5, "price": 12.5}
    assert records[1] == {**records[0], "id": "b", "score": None, "country": "DE"}
    assert records[2]["id"] == "c"
    assert not +rejected
    assert registry.asked == 2


def test_what_cannot_be_decoded_is_counted(registry: SchemaRegistry, decode: Callable[..., Decode]) -> None:
    whole = _avro(registry.avro(_SCHEMA), _SCHEMA, _RECORD)
    values = [whole, b'{"id": "plain JSON"}', whole[:-4], b"\0\0\0\3\xe7?", None, whole]
    lines, rejected = lines_of(values, decode())
    assert lines.count(b"\n") == 2
    assert +rejected == {"malformed": 2, "unknown_schema": 1, "no_value": 1}


def test_protobuf_becomes_json_by_nested_messages_and_other_files(
    registry: SchemaRegistry, decode: Callable[..., Decode]
) -> None:
    common = FileDescriptorProto(name="common.proto", package="p", syntax="proto3")
    common.message_type.append(_message("Features", _FIELD(name="amount", number=1, type=_FIELD.TYPE_DOUBLE)))
    file = FileDescriptorProto(
        name="prediction.proto",
        package="p",
        syntax="proto3",
        dependency=["common.proto", "google/protobuf/timestamp.proto"],
    )
    outer = _message("Other")
    outer.nested_type.append(
        _message(
            "Prediction",
            _FIELD(name="id", number=1, type=_FIELD.TYPE_STRING),
            _FIELD(
                name="served_at", number=2, type=_FIELD.TYPE_MESSAGE, type_name=".google.protobuf.Timestamp"
            ),
            _FIELD(name="features", number=3, type=_FIELD.TYPE_MESSAGE, type_name=".p.Features"),
            _FIELD(name="prediction", number=4, type=_FIELD.TYPE_INT32),
        )
    )
    file.message_type.extend([_message("First"), outer])
    registry.protobuf("common", common.SerializeToString())
    references = [{"name": "common.proto", "subject": "common", "version": 1}]
    number = registry.protobuf("prediction", file.SerializeToString(), references)
    pool = DescriptorPool()
    for each in (TIMESTAMP.serialized_pb, common.SerializeToString(), file.SerializeToString()):
        pool.AddSerializedFile(each)
    message = GetMessageClass(pool.FindMessageTypeByName("p.Other.Prediction"))()
    message.id = "a"
    message.served_at.FromDatetime(_TS)
    message.features.amount = 1.5
    # Two indexes, the second message and in it the first: numbers in zigzag.
    value = b"\0" + number.to_bytes(4, "big") + b"\4\2\0" + message.SerializeToString()
    lines, rejected = lines_of([value, value[:5] + b"\2\x7f", value], decode("protobuf"))
    records = list(map(json.loads, lines.splitlines()))
    assert records[0] == {
        "id": "a",
        "served_at": "2026-01-10T00:00:00Z",
        "features": {"amount": 1.5},
        "prediction": 0,
    }
    assert len(records) == 2
    assert +rejected == {"malformed": 1}


def test_the_first_message_of_a_schema_needs_no_path(
    registry: SchemaRegistry, decode: Callable[..., Decode]
) -> None:
    file = FileDescriptorProto(name="p.proto", syntax="proto3")
    file.message_type.append(_message("P", _FIELD(name="id", number=1, type=_FIELD.TYPE_STRING)))
    number = registry.protobuf("p", file.SerializeToString())
    lines, _ = lines_of([b"\0" + number.to_bytes(4, "big") + b"\0" + b"\n\1a"], decode("protobuf"))
    assert lines == b'{"id": "a"}\n'


def test_a_registry_that_is_gone_or_refuses_is_an_error_of_the_sink(
    registry: SchemaRegistry, decode: Callable[..., Decode], tmp_path: Path
) -> None:
    value = _avro(registry.avro(_SCHEMA), _SCHEMA, _RECORD)
    registry.authorization = "Basic " + base64.b64encode(b"u:s3cret").decode()
    with pytest.raises(SinkError, match="schema registry: schema 1: Unauthorized"):
        decode()(value)
    (tmp_path / "password").write_text("s3cret\n")
    right = {"credentials": {"username": "u", "passwordFile": "password"}}
    assert decode(**right)(value)
    registry.authorization = "Bearer t0ken"
    (tmp_path / "token").write_text("t0ken\n")
    assert decode(credentials={"tokenFile": "token"})(value)
    opened = decode(**right)
    registry.close()
    with pytest.raises(SinkError, match="schema registry: "):
        opened(value)


def _message(name: str, *fields: FieldDescriptorProto) -> DescriptorProto:
    found = DescriptorProto(name=name)
    for item in fields:
        item.label = _FIELD.LABEL_OPTIONAL
        found.field.append(item)
    return found
