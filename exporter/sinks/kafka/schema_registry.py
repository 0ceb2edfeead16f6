"""Avro and Protobuf values whose schema is in a registry, as JSON.

A value begins with a zero byte and the schema's id:
https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.extras import needs
from exporter.sinks.kafka.client import secret, tls_files
from exporter.sinks.kafka.values import Decode, RejectedError
from exporter.sinks.sink import SinkError
from mlslo.monitor import KafkaSink as KafkaSettings

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

_PATIENCE = 10
_NOT_FOUND = 404
_HEAD = 5
_encode = msgspec.json.Encoder(decimal_format="number").encode


def decoder(settings: KafkaSettings, resolve: Callable[[str], Path]) -> Decode:
    """Return what decodes the values of a topic. It raises SinkError where the registry cannot be asked.

    Raises SinkError where a package or a file is missing.
    """
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.avro import AvroDeserializer
        from confluent_kafka.schema_registry.error import SchemaRegistryError
        from google.protobuf.json_format import MessageToJson
    except ImportError:
        raise SinkError(f"format: {settings.format} {needs('kafka-schemas')}") from None
    try:
        client = SchemaRegistryClient(_configuration(settings, resolve))
    except (OSError, ValueError) as error:
        raise SinkError(f"schema registry: {error}") from None
    if settings.format == "avro":
        record = AvroDeserializer(client)

        def read(value: bytes) -> bytes:
            return _encode(record(value, None))
    else:
        messages = _Messages(client)

        def read(value: bytes) -> bytes:
            text: str = MessageToJson(
                messages.parse(value),
                indent=None,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            return text.encode()

    def decode(value: bytes) -> bytes:
        if len(value) <= _HEAD or value[0]:
            # Not written by a serialiser that knows a registry.
            raise RejectedError("malformed")
        number = int.from_bytes(value[1:_HEAD], "big")
        try:
            # All of it is in the client's cache, but for the first of each id.
            client.get_schema(number, fmt="serialized" if settings.format == "protobuf" else None)
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                raise RejectedError("unknown_schema") from None
            raise SinkError(f"schema registry: schema {number}: {error}") from None
        except Exception as error:
            # Whatever the HTTP client of this version raises.
            raise SinkError(f"schema registry: {error or type(error).__name__}") from None
        try:
            return read(value)
        except SchemaRegistryError as error:
            raise SinkError(f"schema registry: schema {number}: {error}") from None
        except Exception:
            raise RejectedError("malformed") from None

    return decode


class _Messages:
    """Parses messages by the descriptors that the registry has of their schemas."""

    def __init__(self, client: SchemaRegistryClient) -> None:
        self._client = client
        self._class = cache(self._built)

    def parse(self, value: bytes) -> Any:
        """Return the message in a value. Which of the schema's messages it is stands before it."""
        content = BytesIO(value[_HEAD:])
        path = tuple(_varint(content) for _ in range(_varint(content))) or (0,)
        return self._class(int.from_bytes(value[1:_HEAD], "big"), path).FromString(content.read())

    def _built(self, number: int, path: tuple[int, ...]) -> Any:
        from google.protobuf.descriptor_pb2 import FileDescriptorProto
        from google.protobuf.descriptor_pool import DescriptorPool
        from google.protobuf.message_factory import GetMessageClass

        pool, added = DescriptorPool(), set[str]()

        def add(schema: Any, name: str) -> FileDescriptorProto:
            file = FileDescriptorProto.FromString(base64.b64decode(schema.schema_str))
            file.name = name
            for reference in schema.references or ():
                if reference.name not in added and not reference.name.startswith("google/protobuf/"):
                    added.add(reference.name)
                    found = self._client.get_version(reference.subject, reference.version, True, "serialized")
                    add(found.schema, reference.name)
            for imported in file.dependency:
                if imported.startswith("google/protobuf/") and imported not in added:
                    added.add(imported)
                    pool.Add(_well_known(imported))
            pool.Add(file)
            return file

        file = add(self._client.get_schema(number, fmt="serialized"), "schema")
        first, *nested = path
        found = pool.FindFileByName("schema").message_types_by_name[file.message_type[first].name]
        for index in nested:
            found = found.nested_types[index]
        return GetMessageClass(found)


def _well_known(name: str) -> Any:
    from importlib import import_module

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    module = import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    return FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)


def _varint(content: BytesIO) -> int:
    """Return the next number, in zigzag encoding."""
    value = shift = 0
    while True:
        byte = content.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7


def _configuration(settings: KafkaSettings, resolve: Callable[[str], Path]) -> dict[str, Any]:
    registry = settings.schemaRegistry
    assert registry is not None
    found: dict[str, Any] = {"url": registry.url, "timeout": _PATIENCE, "max.retries": 1}
    if registry.tls is not None:
        found |= tls_files(registry.tls, resolve)
    who = registry.credentials
    if who is not None and who.passwordFile is not None:
        found["basic.auth.user.info"] = f"{who.username}:{secret(resolve(who.passwordFile))}"
    elif who is not None and who.tokenFile is not None:
        found |= {
            "bearer.auth.credentials.source": "STATIC_TOKEN",
            "bearer.auth.token": secret(resolve(who.tokenFile)),
            "bearer.auth.logical.cluster": "",
            "bearer.auth.identity.pool.id": "",
        }
    return found
