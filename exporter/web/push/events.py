"""CloudEvents and plain JSON become records.

CloudEvents: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec

from exporter.inbox import Event, Request
from exporter.web.push.answers import Call, RefusedError, malformed

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
TYPES = (STRUCTURED, BATCH, *LINES, "application/json")

_PREFIX = "ce-"
_REQUIRED = ("specversion", "id", "source", "type")


class _Attributes(msgspec.Struct):
    """Attributes that every CloudEvent has; JSON is checked whole while they are read."""

    specversion: str
    id: str
    source: str
    type: str


class _Object(msgspec.Struct):
    """Any object of JSON."""


_event = msgspec.json.Decoder(_Attributes)
_object = msgspec.json.Decoder(_Object)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_any = msgspec.json.Decoder(msgspec.Raw)
_encode = msgspec.json.Encoder().encode


def events_of(call: Call) -> Request:
    """Return the records of a request. Raises RefusedError, which says at which index something is wrong."""
    kind = call.media_type
    if _PREFIX + "specversion" in call.headers:
        return Request([_binary(call)])
    if kind == STRUCTURED:
        return Request([_structured(call.body, "")])
    if kind == BATCH:
        found = _decoded(_list, call.body, "", "a list of events")
        return Request([_structured(bytes(item), f"event {number}: ") for number, item in enumerate(found)])
    key = call.headers.get("idempotency-key")
    # The same key with another body is another request: nothing is lost by a key that is always the same.
    request_key = None if key is None else Event.key_of("idempotency-key", key, call.body)
    if kind in LINES:
        return Request(_lines(call.body), request_key)
    if kind == "application/json":
        _decoded(
            _object, call.body, "", f"one JSON object; a list of CloudEvents is {BATCH}, lines are {LINES[0]}"
        )
        return Request([Event(_one_line(call.body))], request_key)
    given = f"'{kind[:80]}'" if kind else "missing"
    raise RefusedError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"Content-Type is {given}, expected one of {', '.join(TYPES)}, or CloudEvents in ce- headers",
        "unsupported",
    )


def _lines(body: bytes) -> list[Event]:
    """Return each line that is not blank; all of them must be objects."""
    found = []
    for number, line in enumerate(body.split(b"\n"), 1):
        line = line.strip()
        if line:
            _decoded(_object, line, f"line {number}: ", "one JSON object a line")
            found.append(Event(line))
    if not found:
        raise malformed("no line with a JSON object")
    return found


def _structured(content: bytes, where: str) -> Event:
    """Return an event of CloudEvents' JSON format as it is."""
    attributes = _decoded(_event, content, where, f"a CloudEvent with {', '.join(_REQUIRED)}")
    _check(attributes, where)
    return Event(_one_line(content), _key(attributes))


def _binary(call: Call) -> Event:
    """Return an event whose attributes are headers in CloudEvents' JSON format."""
    event: dict[str, Any] = {
        name[len(_PREFIX) :]: unquote(value)
        for name, value in call.headers.items()
        if name.startswith(_PREFIX)
    }
    # What the JSON format calls so is no attribute.
    if {"data", "data_base64"} & event.keys():
        raise malformed("a header ce-data or ce-data_base64: the data of an event in binary mode is the body")
    for name in _REQUIRED:
        if name not in event:
            raise malformed(f"missing header ce-{name}")
    attributes = _Attributes(**{name: event[name] for name in _REQUIRED})
    _check(attributes, "")
    kind = call.media_type
    if "content-type" in call.headers:
        event["datacontenttype"] = call.headers["content-type"]
    if call.body:
        if kind in ("", "application/json", "text/json") or kind.endswith("+json"):
            _decoded(_any, call.body, "", "data of JSON, as Content-Type says")
            event["data"] = msgspec.Raw(_one_line(call.body))
        else:
            _add_other(event, call.body, kind)
    return Event(_encode(event), _key(attributes))


def _add_other(event: dict[str, Any], body: bytes, kind: str) -> None:
    """Add data that is no JSON: as text where it is some, else in base64."""
    if kind.startswith("text/") or kind == "application/xml":
        try:
            event["data"] = body.decode()
        except UnicodeDecodeError:
            pass
        else:
            return
    event["data_base64"] = base64.b64encode(body).decode()


def _check(attributes: _Attributes, where: str) -> None:
    if attributes.specversion != "1.0":
        raise malformed(f"{where}specversion is '{attributes.specversion[:20]}', expected 1.0")
    for name in ("id", "source", "type"):
        if not getattr(attributes, name):
            raise malformed(f"{where}{name} is empty")


def _key(attributes: _Attributes) -> int:
    """Return what identifies an event: KServe's request and response have one id and one source."""
    return Event.key_of("event", attributes.source, attributes.type, attributes.id)


def _one_line(content: bytes) -> bytes:
    """Return JSON without line ends, which are white space between its tokens: none can be inside of a string."""
    content = content.strip()
    if b"\n" in content or b"\r" in content:
        content = content.replace(b"\n", b" ").replace(b"\r", b" ")
    return content


def _decoded(decoder: Any, content: bytes, where: str, expected: str) -> Any:
    try:
        return decoder.decode(content)
    except (ValueError, RecursionError) as error:
        # A message of msgspec's quotes nothing of the content but names of keys.
        raise malformed(f"{where}{str(error)[:200]}; expected {expected}") from None
