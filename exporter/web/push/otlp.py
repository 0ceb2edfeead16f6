"""OTLP/HTTP logs become records.

https://opentelemetry.io/docs/specs/otlp/#otlphttp, https://opentelemetry.io/docs/specs/otel/logs/data-model/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from exporter.extras import needs
from exporter.inbox import Event, Request
from exporter.web.push.answers import Answer, Call, RefusedError, malformed

if TYPE_CHECKING:
    from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

PROTOBUF, JSON = "application/x-protobuf", "application/json"
_UID = "log.record.uid"
"""The attribute that identifies a record: https://opentelemetry.io/docs/specs/semconv/general/logs/"""
_NONE: dict[str, Any] = {}
_MISSHAPEN = (ValueError, TypeError, AttributeError, KeyError, OverflowError, RecursionError)
_LARGEST = 1 << 63
_decode = msgspec.json.Decoder().decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class Logs(msgspec.Struct):
    """``request``: the records that are taken. ``rejected``: how many are not, and the ``problem`` of the first."""

    request: Request
    rejected: int
    problem: str


def logs_of(call: Call) -> Logs:
    """Return the records of an export request. Raises RefusedError where it is none."""
    if call.media_type == PROTOBUF:
        records = _from_protobuf(_parsed(call.body))
    elif call.media_type == JSON:
        records = _from_json(call.body)
    else:
        given = f"'{call.media_type[:80]}'" if call.media_type else "missing"
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {given}, expected one of {PROTOBUF}, {JSON}",
            "unsupported",
        )
    events, rejected, problem, timed = [], 0, "", False
    for number, record in enumerate(records):
        if isinstance(record, str):
            rejected += 1
            problem = problem or f"record {number}: {record}"
            continue
        uid = record["attributes"].get(_UID)
        key = Event.key_of("otlp", str(uid)) if uid else None
        timed = timed or "timestamp" in record
        events.append(Event(_encode(record), key))
    # A sender repeats a request as it was. Without a time in it, equal requests may be different ones.
    return Logs(Request(events, Event.key_of("otlp", call.body) if timed else None), rejected, problem)


def answer(call: Call, logs: Logs) -> Answer:
    """Return the response to a request that was taken, which says what part of it was not."""
    if call.media_type == JSON:
        partial = {"rejectedLogRecords": str(logs.rejected), "errorMessage": logs.problem}
        return Answer(HTTPStatus.OK, _encode({"partialSuccess": partial} if logs.rejected else {}), JSON)
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

    response = ExportLogsServiceResponse()
    if logs.rejected:
        response.partial_success.rejected_log_records = logs.rejected
        response.partial_success.error_message = logs.problem
    return Answer(HTTPStatus.OK, response.SerializeToString(), PROTOBUF)


def failure(call: Call, refusal: RefusedError) -> Answer:
    """Return a refusal as a Status message, in the request's own encoding."""
    message = str(refusal).encode()
    if call.media_type != PROTOBUF:
        return Answer(refusal.status, _encode({"message": str(refusal)}), JSON, refusal.headers)
    # google.rpc.Status has its message in field 2; its classes are a package of their own.
    size, length = len(message), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return Answer(refusal.status, b"\x12" + bytes(length) + message, PROTOBUF, refusal.headers)


def _parsed(body: bytes) -> LogsData:
    try:
        from google.protobuf.message import DecodeError
        from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
    except ImportError:
        raise RefusedError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"OTLP in protobuf: the exporter {needs('otlp')}; or send {JSON}",
            "unsupported",
        ) from None
    try:
        # An ExportLogsServiceRequest has the same fields.
        logs: LogsData = LogsData.FromString(body)
    except DecodeError as error:
        raise malformed(f"no OTLP logs in protobuf: {str(error)[:200]}") from None
    return logs


def _from_protobuf(data: LogsData) -> Iterator[dict[str, Any] | str]:
    for of_resource in data.resource_logs:
        resource = _pairs(of_resource.resource.attributes)
        for of_scope in of_resource.scope_logs:
            scope = _scope(of_scope.scope.name, of_scope.scope.version, _pairs(of_scope.scope.attributes))
            for record in of_scope.log_records:
                yield _record(
                    time=record.time_unix_nano,
                    observed=record.observed_time_unix_nano,
                    severity=(record.severity_number, record.severity_text),
                    body=_value(record.body),
                    attributes=_pairs(record.attributes),
                    resource=resource,
                    scope=scope,
                    trace=(record.trace_id.hex(), record.span_id.hex()),
                    # Fields that releases of opentelemetry-proto from 1.28 on know.
                    event=getattr(record, "event_name", ""),
                )


def _pairs(attributes: Any) -> dict[str, Any]:
    return {item.key: _value(item.value) for item in attributes}


def _value(value: Any) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(item) for item in value.array_value.values]
        case "kvlist_value":
            return _pairs(value.kvlist_value.values)
        case kind:
            # Bytes become base64.
            return getattr(value, kind)


def _from_json(body: bytes) -> Iterator[dict[str, Any] | str]:
    try:
        data = _decode(body)
    except (ValueError, RecursionError) as error:
        raise malformed(f"no OTLP logs in JSON: {str(error)[:200]}") from None
    if not isinstance(data, dict):
        raise malformed("no OTLP logs in JSON: expected an object with resourceLogs")
    for number, of_resource in enumerate(_items(data, "resourceLogs", "")):
        at = f"resourceLogs[{number}]"
        resource = _shaped(at, _json_pairs, of_resource, "resource")
        for place, of_scope in enumerate(_items(of_resource, "scopeLogs", at)):
            inside = f"{at}.scopeLogs[{place}]"
            scope = _shaped(inside, _json_scope, of_scope, "scope")
            for record in _items(of_scope, "logRecords", inside):
                try:
                    yield _json_record(record, resource, scope)
                except _MISSHAPEN:
                    yield "no LogRecord as OTLP has it in JSON"


def _shaped(at: str, build: Callable[[Any], dict[str, Any]], of: Any, key: str) -> dict[str, Any]:
    try:
        return build(of.get(key) or _NONE)
    except _MISSHAPEN:
        raise malformed(f"no OTLP logs in JSON: {at}: attributes of another shape") from None


def _items(data: Any, key: str, at: str) -> list[Any]:
    items = data.get(key) if isinstance(data, dict) else False
    if items is None:
        return []
    if not isinstance(items, list):
        raise malformed(f"no OTLP logs in JSON: {at}{'.' * bool(at)}{key} is no list")
    return items


def _json_record(record: Any, resource: dict[str, Any], scope: dict[str, Any]) -> dict[str, Any]:
    # Numbers of 64 bits are texts in protobuf's JSON; the examples of OTLP have numbers.
    return _record(
        time=int(record.get("timeUnixNano") or 0),
        observed=int(record.get("observedTimeUnixNano") or 0),
        severity=(int(record.get("severityNumber") or 0), str(record.get("severityText", ""))),
        body=_json_value(record.get("body") or _NONE),
        attributes=_json_pairs(record),
        resource=resource,
        scope=scope,
        trace=(str(record.get("traceId", "")).lower(), str(record.get("spanId", "")).lower()),
        event=str(record.get("eventName", "")),
    )


def _json_scope(scope: Any) -> dict[str, Any]:
    return _scope(str(scope.get("name", "")), str(scope.get("version", "")), _json_pairs(scope))


def _json_pairs(of: Any) -> dict[str, Any]:
    return {str(item["key"]): _json_value(item.get("value") or _NONE) for item in of.get("attributes") or ()}


def _json_value(value: dict[str, Any]) -> Any:
    for kind, content in value.items():
        match kind:
            case "intValue":
                if not -_LARGEST <= int(content) < _LARGEST:
                    raise OverflowError(kind)
                return int(content)
            case "doubleValue":
                return float(content)
            case "boolValue":
                return bool(content)
            case "stringValue" | "bytesValue":
                return str(content)
            case "arrayValue":
                return [_json_value(item) for item in content.get("values") or ()]
            case "kvlistValue":
                return {
                    str(item["key"]): _json_value(item.get("value") or _NONE)
                    for item in content.get("values") or ()
                }
    return None


def _scope(name: str, version: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": version, "attributes": attributes}


def _record(
    *,
    time: int,
    observed: int,
    severity: tuple[int, str],
    body: Any,
    attributes: dict[str, Any],
    resource: dict[str, Any],
    scope: dict[str, Any],
    trace: tuple[str, str],
    event: str,
) -> dict[str, Any]:
    """Return the record that docs/push.md describes; what is not given is left out."""
    record: dict[str, Any] = {}
    if time or observed:
        # The data model: where a source has no time, that of the observation stands for it.
        record["timestamp"] = _time(time or observed)
    if observed:
        record["observedTimestamp"] = _time(observed)
    number, name = severity
    if number:
        record["severityNumber"] = number
    if name:
        record["severityText"] = name
    if event:
        record["eventName"] = event
    record["body"] = _object_in(body) if isinstance(body, str) else body
    record["attributes"] = attributes
    record["resource"] = resource
    record["scope"] = scope
    record |= {key: value for key, value in zip(("traceId", "spanId"), trace, strict=True) if value}
    return record


def _object_in(text: str) -> Any:
    """Return the object of JSON that a text is, as it is written; else the text."""
    if text.lstrip()[:1] == "{":
        try:
            return _object(text)
        except (ValueError, RecursionError):
            pass
    return text


def _time(nanoseconds: int) -> str:
    """Return RFC 3339 with nanoseconds. Raises OverflowError or ValueError past the year 9999."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
