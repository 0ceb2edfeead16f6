"""What each format becomes as a record: the examples of CloudEvents, KServe and OTLP as they stand."""

from __future__ import annotations

import base64
import gzip
import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from exporter.inbox import Request
from exporter.web.push import otlp
from exporter.web.push.answers import Call, RefusedError
from exporter.web.push.body import MOST_BYTES, decoded
from exporter.web.push.events import events_of
from tests.support.paths import ROOT

_KSERVE = ROOT / "tests/formats/samples/kserve-v1.jsonl"
_OTLP = Path(__file__).with_name("otlp-logs.json")
"""examples/logs.json of open-telemetry/opentelemetry-proto."""
_MINIMAL = {
    "specversion": "1.0",
    "id": "A234-1234-1234",
    "source": "/mycontext",
    "type": "com.example.someevent",
}


def _call(body: bytes | str, **headers: str) -> Call:
    content = body.encode() if isinstance(body, str) else body
    return Call("POST", "/m", {name.replace("_", "-"): value for name, value in headers.items()}, content)


def _records(request: Request) -> list[Any]:
    assert not any(b"\n" in event.line for event in request.events)
    return [json.loads(event.line) for event in request.events]


def _in_headers(event: Mapping[str, Any]) -> Call:
    """Return an event in binary mode, as CloudEvents' SDK for Go sends it."""
    headers = {
        f"ce-{name}": str(value) for name, value in event.items() if name not in ("data", "datacontenttype")
    }
    return Call(
        "POST", "/m", {**headers, "content-type": "application/json"}, json.dumps(event["data"]).encode()
    )


@pytest.mark.parametrize("line", _KSERVE.read_text().splitlines(), ids=["request", "another", "response"])
def test_kserves_events_in_binary_mode_become_what_its_logs_hold(line: str) -> None:
    event = json.loads(line)
    request = events_of(_in_headers(event))
    assert _records(request) == [event]
    # The same event in the other modes has the same identity.
    structured = events_of(_call(json.dumps(event, indent=2), content_type="application/cloudevents+json"))
    batch = events_of(_call(f"[{line}]", content_type="application/cloudevents-batch+json; charset=utf-8"))
    assert _records(structured) == _records(batch) == [event]
    assert request.events[0].key == structured.events[0].key == batch.events[0].key is not None


def test_headers_of_a_binary_event_beside_a_structured_one_say_nothing() -> None:
    call = _call(json.dumps(_MINIMAL), content_type="application/cloudevents+json", ce_id="of a proxy")
    assert _records(events_of(call)) == [_MINIMAL]


def test_request_and_response_of_one_id_are_two_events() -> None:
    events = [json.loads(line) for line in _KSERVE.read_text().splitlines()]
    keys = {events_of(_in_headers(event)).events[0].key for event in events}
    assert len(keys) == len(events)


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("application/json", b'{"a":\r\n 1e400}', {"data": "as is"}),
        ("application/vnd.example+json", b"[1]", {"data": [1]}),
        ("text/xml", b'<much wow="xml"/>', {"data": '<much wow="xml"/>'}),
        ("text/plain", b"\xff", {"data_base64": "/w=="}),
        (
            "application/avro",
            b"... binary data ...",
            {"data_base64": base64.b64encode(b"... binary data ...").decode()},
        ),
        ("application/json", b"", {}),
    ],
)
def test_data_in_binary_mode_follows_its_type(kind: str, body: bytes, expected: Mapping[str, Any]) -> None:
    headers = {f"ce-{name}": value for name, value in _MINIMAL.items()}
    request = events_of(
        Call("POST", "/m", {**headers, "content-type": kind, "ce-subject": "%C3%A9%25"}, body)
    )
    line = request.events[0].line
    if expected == {"data": "as is"}:
        # A number keeps what was written.
        assert b'{"a":   1e400}' in line
    else:
        assert json.loads(line) == {**_MINIMAL, "subject": "é%", "datacontenttype": kind, **expected}


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (
            "application/cloudevents+json",
            json.dumps({**_MINIMAL, "specversion": "0.3"}),
            "specversion is '0.3'",
        ),
        ("application/cloudevents+json", json.dumps({**_MINIMAL, "id": ""}), "id is empty"),
        ("application/cloudevents+json", '{"id": "1"}', "missing required field `specversion`"),
        ("application/cloudevents-batch+json", f"[{json.dumps(_MINIMAL)}, 5]", "event 1: "),
        ("application/cloudevents-batch+json", json.dumps(_MINIMAL), "expected a list of events"),
        ("application/x-ndjson", '{"a": 1}\n\n{"a"\n', "line 3: "),
        ("application/x-ndjson", '{"a": 1}\n[]', "line 2: "),
        ("application/x-ndjson", "\n", "no line"),
        ("application/json", "[{}]", "expected one JSON object"),
        ("application/json", "{" + '"a":{' * 5000, "expected one JSON object"),
        ("", "{}", "Content-Type is missing"),
        ("text/csv", "a,b", "Content-Type is 'text/csv', expected one of application/cloudevents+json"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(kind: str, body: str, said: str) -> None:
    with pytest.raises(RefusedError) as refused:
        events_of(_call(body, content_type=kind))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ce-id": None}, "missing header ce-id"),
        ({"ce-specversion": None}, "missing header ce-specversion: headers that begin with ce- are"),
        ({"ce-data": "x"}, "the data of an event in binary mode is the body"),
        ({"content-type": "application/json"}, "expected data of JSON"),
    ],
)
def test_bad_events_in_binary_mode(changed: Mapping[str, str | None], said: str) -> None:
    headers = {**{f"ce-{name}": value for name, value in _MINIMAL.items()}, **changed}
    call = Call("POST", "/m", {name: value for name, value in headers.items() if value is not None}, b"{")
    with pytest.raises(RefusedError, match=said):
        events_of(call)


def test_lines_and_objects_are_records_as_they_are() -> None:
    lines = events_of(_call('{"a": 1.10}\r\n\n {"b": 2} ', content_type="application/jsonl"))
    assert [event.line for event in lines.events] == [b'{"a": 1.10}', b'{"b": 2}']
    assert lines.key is None
    assert all(event.key is None for event in lines.events)
    one = events_of(_call('{\n "a": 1.10}', content_type="application/json"))
    assert [event.line for event in one.events] == [b'{  "a": 1.10}']


def test_a_key_of_a_request_is_of_its_body_too() -> None:
    one, again, other = (
        events_of(_call(body, content_type="application/jsonl", idempotency_key="k")).key
        for body in ('{"a": 1}', '{"a": 1}', '{"a": 2}')
    )
    assert one == again != other


_RECORD = {
    "timestamp": "2018-12-13T14:51:00.300000000Z",
    "observedTimestamp": "2018-12-13T14:51:00.300000000Z",
    "severityText": "Information",
    "body": "Example log record",
    "attributes": {
        "string.attribute": "some string",
        "boolean.attribute": True,
        "int.attribute": 10,
        "double.attribute": 637.704,
        "array.attribute": ["many", "values"],
        "map.attribute": {"some.map.key": "some value"},
    },
    "resource": {"service.name": "my.service"},
    "scope": {
        "name": "my.library",
        "version": "1.0.0",
        "attributes": {"my.scope.attribute": "some scope attribute"},
    },
    "traceId": "5b8efff798038103d269b633813fc60c",
    "spanId": "eee19b7ec3c1b174",
}


def _protobuf() -> ExportLogsServiceRequest:
    """Return the example in protobuf."""

    def value(found: Any) -> AnyValue:
        match found:
            case bool():
                return AnyValue(bool_value=found)
            case int():
                return AnyValue(int_value=found)
            case float():
                return AnyValue(double_value=found)
            case str():
                return AnyValue(string_value=found)
            case list():
                return AnyValue(array_value=ArrayValue(values=[value(item) for item in found]))
        return AnyValue(kvlist_value=KeyValueList(values=pairs(found)))

    def pairs(found: Mapping[str, Any]) -> list[KeyValue]:
        return [KeyValue(key=key, value=value(item)) for key, item in found.items()]

    request = ExportLogsServiceRequest()
    of_resource = request.resource_logs.add()
    of_resource.resource.attributes.extend(pairs({"service.name": "my.service"}))
    of_scope = of_resource.scope_logs.add()
    of_scope.scope.name, of_scope.scope.version = "my.library", "1.0.0"
    of_scope.scope.attributes.extend(pairs({"my.scope.attribute": "some scope attribute"}))
    record = of_scope.log_records.add()
    record.time_unix_nano = record.observed_time_unix_nano = 1544712660300000000
    record.severity_text = "Information"
    record.trace_id = bytes.fromhex("5B8EFFF798038103D269B633813FC60C")
    record.span_id = bytes.fromhex("EEE19B7EC3C1B174")
    record.body.string_value = "Example log record"
    attributes = _RECORD["attributes"]
    assert isinstance(attributes, dict)
    record.attributes.extend(pairs(attributes))
    return request


def test_the_example_of_otlp_in_json_and_in_protobuf_is_one_record() -> None:
    in_json = otlp.logs_of(_call(_OTLP.read_bytes(), content_type=otlp.JSON))
    assert _records(in_json.request) == [_RECORD]
    assert in_json.rejected == 0
    in_protobuf = otlp.logs_of(_call(_protobuf().SerializeToString(), content_type=otlp.PROTOBUF))
    assert _records(in_protobuf.request) == [_RECORD]


def test_protobuf_without_the_extra_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.protobuf.message", None)
    with pytest.raises(
        RefusedError, match=r"needs the extra 'otlp' \(see docs/install.md\); or send"
    ) as raised:
        otlp.logs_of(_call(_protobuf().SerializeToString(), content_type=otlp.PROTOBUF))
    assert raised.value.status == 415


def _log(**record: Any) -> bytes:
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).encode()


def test_a_record_of_otlp_may_have_an_id() -> None:
    attributes = [{"key": "log.record.uid", "value": {"stringValue": "01H"}}]
    one = otlp.logs_of(_call(_log(attributes=attributes), content_type=otlp.JSON)).request
    other = otlp.logs_of(_call(_log(attributes=attributes, timeUnixNano="7"), content_type=otlp.JSON)).request
    assert one.events[0].key == other.events[0].key is not None
    # A request with times in it is known as a whole; without, equal ones may be different.
    assert one.key is None
    assert other.key is not None


def test_a_body_of_text_that_is_an_object_is_read() -> None:
    body = {"stringValue": '{"score": 0.50, "id": "a"}'}
    request = otlp.logs_of(_call(_log(body=body, observedTimeUnixNano="1"), content_type=otlp.JSON)).request
    assert b'"body":{"score":0.50,"id":"a"}' in request.events[0].line
    # Where a source has no time, that of the observation stands for it.
    assert _records(request)[0]["timestamp"] == "1970-01-01T00:00:00.000000001Z"
    text = otlp.logs_of(_call(_log(body={"stringValue": "{no json"}), content_type=otlp.JSON)).request
    assert _records(text)[0]["body"] == "{no json"


@pytest.mark.parametrize(
    "record",
    [
        5,
        {"timeUnixNano": "soon"},
        {"timeUnixNano": "9" * 40},
        {"attributes": [{"value": {}}]},
        {"attributes": [{"key": "a", "value": {"intValue": "9" * 40}}]},
        {"body": {"arrayValue": 5}},
    ],
)
def test_single_records_of_otlp_are_rejected_and_said(record: Any) -> None:
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"intValue": 1}}, record]}]}]}
    call = _call(json.dumps(logs), content_type=otlp.JSON)
    found = otlp.logs_of(call)
    assert len(found.request.events) == 1
    partial = json.loads(otlp.answer(call, found).body)["partialSuccess"]
    assert partial == {
        "rejectedLogRecords": "1",
        "errorMessage": "record 1: no LogRecord as OTLP has it in JSON",
    }
    in_protobuf = otlp.answer(call._replace(headers={"content-type": otlp.PROTOBUF}), found)
    response = ExportLogsServiceResponse.FromString(in_protobuf.body)
    assert response.partial_success.rejected_log_records == 1


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (otlp.JSON, "[]", "expected an object with resourceLogs"),
        (otlp.JSON, "{", "no OTLP logs in JSON"),
        (otlp.JSON, '{"resourceLogs": {}}', "resourceLogs is no list"),
        (otlp.JSON, '{"resourceLogs": [5]}', "attributes of another shape"),
        (otlp.JSON, '{"resourceLogs": [{"scopeLogs": 5}]}', "scopeLogs is no list"),
        (otlp.PROTOBUF, "no protobuf", "no OTLP logs in protobuf"),
        ("text/plain", "x", "expected one of application/x-protobuf, application/json"),
    ],
)
def test_what_is_no_export_request(kind: str, body: str, said: str) -> None:
    with pytest.raises(RefusedError) as refused:
        otlp.logs_of(_call(body, content_type=kind))
    assert said in str(refused.value)


def test_a_refusal_in_protobuf_is_a_status() -> None:
    for text in ("no", "long " * 100):
        answer = otlp.failure(_call(b"", content_type=otlp.PROTOBUF), RefusedError(400, text))  # type: ignore[arg-type]
        # google.rpc.Status has the message where an AnyValue has nothing: read as a KeyValue, whose field 2 it is not.
        tag, rest = answer.body[0], answer.body[1:]
        assert tag == 0x12
        length = rest[0] if rest[0] < 0x80 else (rest[0] & 0x7F) | rest[1] << 7
        assert rest[-length:].decode() == text


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"x", ""),
        (gzip.compress(b"x"), "gzip"),
        (gzip.compress(b"") + gzip.compress(b"x"), " GZIP "),
        (zlib.compress(b"x"), "deflate"),
    ],
    ids=["as it is", "gzip", "several members", "deflate"],
)
def test_bodies_are_decompressed(body: bytes, encoding: str) -> None:
    assert decoded(body, encoding) == b"x"


@pytest.mark.parametrize(
    ("body", "encoding", "said"),
    [
        (gzip.compress(bytes(MOST_BYTES + 1)), "gzip", "more than 8 MiB"),
        (gzip.compress(bytes(MOST_BYTES)) + gzip.compress(b"x"), "gzip", "more than 8 MiB"),
        (gzip.compress(b"x" * 1000)[:-4], "gzip", "ends too early"),
        (b"no gzip", "gzip", "no gzip"),
        (b"", "br", "Content-Encoding 'br', expected one of gzip"),
    ],
    ids=["large", "large together", "cut", "no gzip", "unknown"],
)
def test_bodies_that_cannot_be_decompressed(body: bytes, encoding: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        decoded(body, encoding)


def test_a_bomb_is_not_decompressed_beyond_the_limit() -> None:
    assert len(decoded(gzip.compress(bytes(MOST_BYTES)), "gzip")) == MOST_BYTES
