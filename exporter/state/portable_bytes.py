"""Bytes of a ``Portable``: versioned, compressed and checked; they come from a network, and nothing in them runs."""

from __future__ import annotations

import base64
import binascii
import zlib
from itertools import pairwise
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from exporter.state.portable import BucketKey, Layout, Portable, Span, Waiting
from exporter.state.summaries import Content
from exporter.summary.base import Integers

MAGIC = b"mlslo portable state 1\n"
MOST_BYTES = 512 << 20
"""Of a portable state, when it is no longer compressed."""

_MOST_WIDTH = 10_000_000
_LEFT_OUT = -1  # numbers of a bucket whose content is left out
_LENGTH = 8  # bytes that tell how long the header is

_Int = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Label = tuple[str, str]
_Waits = tuple[
    _Int,
    _Int,
    _Int | None,
    list[tuple[str, str]] | None,
    _Finite | None,
    _Int | None,
    str | None,
    _Finite,
    _Label | None,
    _Int | None,
    _Int | None,
]


class PortableError(ValueError):
    """Bytes that are no portable state, or none that can be read."""


class _Header(BaseModel):
    """All but arrays. ``scopes``: place in ``layouts``, in ``versions`` (-1 for all together), segment, value."""

    model_config = ConfigDict(extra="forbid", strict=True)

    layouts: list[tuple[str, str, int, list[Span], list[Span]]]
    versions: list[tuple[str, _Int, _Int]]
    scopes: list[tuple[int, int, str, str]]
    counters: list[tuple[str, list[str], Annotated[_Finite, Field(ge=0)]]]
    marks: list[tuple[str, _Int]]
    sizes: list[tuple[str, str, _Finite, bool]]
    predictions: list[_Waits] | None
    early: list[tuple[_Int, _Label, _Int, _Int, _Finite, _Int | None]]
    left_out: list[tuple[_Int, _Int]]
    buckets: int = Field(ge=0)
    numbers: int = Field(ge=0)
    dropped: int = Field(ge=0)


def order(key: BucketKey) -> tuple[str | int, ...]:
    """Return what buckets are sorted by, so that equal states have equal bytes."""
    return (*key[:2], key.version or "", key.version is None, *key[3:])


def to_bytes(portable: Portable) -> bytes:
    """Return ``portable`` as bytes; equal ones have equal bytes."""
    layouts = {key: place for place, key in enumerate(sorted(portable.layouts))}
    versions = {name: place for place, name in enumerate(sorted(portable.versions))}
    keys = sorted([*portable.buckets, *portable.unchanged], key=order)
    scopes: dict[tuple[int, int, str, str], int] = {}
    codes = [
        scopes.setdefault(
            (
                layouts[key.kind, key.digest],
                -1 if key.version is None else versions[key.version],
                key.segment,
                key.value,
            ),
            len(scopes),
        )
        for key in keys
    ]
    found = [portable.buckets.get(key) for key in keys]
    contents = [content for content in found if content is not None]
    places = np.concatenate([np.empty(0, dtype=np.uint32), *(places for places, _ in contents)])
    numbers = np.concatenate([np.empty(0), *(numbers for _, numbers in contents)])
    waiting = portable.waiting or Waiting()
    header = _Header.model_construct(
        layouts=[
            (*key, layout.width, list(layout.minima), list(layout.maxima))
            for key, layout in sorted(portable.layouts.items())
        ],
        versions=[(name, *portable.versions[name]) for name in versions],
        scopes=list(scopes),
        counters=[(name, list(labels), total) for (name, labels), total in sorted(portable.counters.items())],
        marks=sorted(portable.marks.items()),
        sizes=[(*value, size, held) for value, (size, held) in sorted(portable.sizes.items())],
        predictions=None
        if portable.waiting is None
        else [
            (
                *(identity, time, version, None if values is None else list(values), score, predicted),
                *(_text(payload), weight, _tagged(label), *rest),
            )
            for identity, (time, version, values, score, predicted, payload, weight, label, *rest) in sorted(
                (identity, (row[0], None if row[1] is None else versions[row[1]], *row[2:]))
                for identity, row in waiting.predictions.items()
            )
        ],
        early=[
            (identity, _tagged(label), *rest) for identity, (label, *rest) in sorted(waiting.early.items())
        ],
        left_out=sorted(waiting.left_out.items()),
        buckets=len(keys),
        numbers=len(numbers),
        dropped=len(portable.dropped),
    )
    text = header.model_dump_json().encode()
    body = [
        len(text).to_bytes(_LENGTH, "little"),
        text,
        _packed(np.array(codes, dtype=np.int64)),
        _packed(np.array([key.start for key in keys], dtype=np.int64)),
        _packed(np.array([_LEFT_OUT if one is None else len(one[1]) for one in found], dtype=np.int64)),
        _packed(places.astype(np.uint32)),
        _shuffled(numbers),
        _packed(np.array(sorted(portable.dropped), dtype=np.int64)),
    ]
    return MAGIC + zlib.compress(b"".join(body), 1)


def from_bytes(content: bytes, most: int = MOST_BYTES) -> Portable:
    """Return what ``to_bytes`` was given. ``most``: bytes that it may have. Raises PortableError where it cannot."""
    if not content.startswith(MAGIC):
        raise PortableError("not a portable state, or one of another version of mlslo")
    expander = zlib.decompressobj()
    try:
        body = expander.decompress(content[len(MAGIC) :], most)
    except zlib.error as error:
        raise PortableError(f"damaged: {error}") from None
    if expander.unconsumed_tail:
        raise PortableError(f"more than {most} bytes")
    if not expander.eof or expander.unused_data:
        raise PortableError("damaged: it does not end where it should")
    try:
        end = _LENGTH + int.from_bytes(body[:_LENGTH], "little")
        header = _Header.model_validate_json(body[_LENGTH:end])
        return _portable(header, memoryview(body)[end:])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise PortableError(f"damaged: {where}: {first['msg']}") from None
    except (IndexError, OverflowError, binascii.Error) as error:
        raise PortableError(f"damaged: {error}") from None


def _portable(header: _Header, body: memoryview) -> Portable:
    sizes = [*[header.buckets] * 3, header.numbers, header.numbers, header.dropped]
    widths = [8, 8, 8, 4, 8, 8]
    ends = [0]
    for size, width in zip(sizes, widths, strict=True):
        ends.append(ends[-1] + size * width)
    if ends[-1] != len(body):
        raise PortableError(f"damaged: {len(body)} bytes where {ends[-1]} are expected")
    arrays = [
        _unshuffled(body[start:end], width)
        for (start, end), width in zip(pairwise(ends), widths, strict=True)
    ]
    codes, starts, counts, dropped = (np.cumsum(arrays[i].view(np.int64)) for i in (0, 1, 2, 5))
    with np.errstate(over="ignore"):
        places = np.cumsum(arrays[3].view(np.uint32), dtype=np.uint32)
    numbers = arrays[4].view(np.float64)
    layouts = [
        ((kind, digest), _layout(width, minima, maxima))
        for kind, digest, width, minima, maxima in header.layouts
    ]
    scopes: list[tuple[str, str, str | None, str, str]] = [
        (*layouts[_place(layout, layouts)][0], _version(version, header), segment, value)
        for layout, version, segment, value in header.scopes
    ]
    of_scope = np.array([layouts[layout][1].width for layout, *_ in header.scopes], dtype=np.int64)
    _check(codes, counts, places, of_scope)
    offsets = np.cumsum(np.maximum(counts, 0)).tolist()
    buckets: dict[BucketKey, Content] = {}
    unchanged: set[BucketKey] = set()
    for code, start, number, end in zip(
        codes.tolist(), starts.tolist(), counts.tolist(), offsets, strict=True
    ):
        key = BucketKey._make((*scopes[code], start))
        if number == _LEFT_OUT:
            unchanged.add(key)
        else:
            buckets[key] = places[end - number : end], numbers[end - number : end]
    if len(buckets.keys() | unchanged) != header.buckets:
        raise PortableError("damaged: a bucket is there twice")
    return Portable(
        dict(layouts),
        buckets,
        {name: (began, seen) for name, began, seen in header.versions},
        {(name, tuple(labels)): total for name, labels, total in header.counters},
        dict(header.marks),
        {(segment, value): (size, held) for segment, value, size, held in header.sizes},
        frozenset(dropped.tolist()),
        None if header.predictions is None else _waiting(header, header.predictions),
        frozenset(unchanged),
    )


def _waiting(header: _Header, rows: list[_Waits]) -> Waiting:
    predictions: dict[int, tuple[Any, ...]] = {
        identity: (
            time,
            None if version is None else _version(version, header),
            None if values is None else tuple(values),
            *(score, predicted),
            None if payload is None else base64.b64decode(payload, validate=True),
            weight,
            _untagged(label),
            *rest,
        )
        for identity, time, version, values, score, predicted, payload, weight, label, *rest in rows
    }
    early: dict[int, tuple[Any, ...]] = {
        identity: (_untagged(label), *rest) for identity, label, *rest in header.early
    }
    return Waiting(predictions, early, dict(header.left_out))


def _check(codes: Integers, counts: Integers, places: np.ndarray, widths: Integers) -> None:
    """Raises PortableError where an array contradicts another."""
    if len(codes) and (codes.min() < 0 or codes.max() >= len(widths)):
        raise PortableError("damaged: buckets of no scope")
    if len(counts) and not _LEFT_OUT <= counts.min() <= counts.max() <= len(places):
        raise PortableError("damaged: buckets of no possible length")
    counts = np.maximum(counts, 0)
    if counts.sum() != len(places):
        raise PortableError("damaged: buckets of another length")
    bucket = np.repeat(np.arange(len(codes)), counts)
    if len(places) and (places >= widths[codes][bucket]).any():
        raise PortableError("damaged: a number beyond its vector")
    if ((np.diff(places.astype(np.int64)) <= 0) & (np.diff(bucket) == 0)).any():
        raise PortableError("damaged: places that do not ascend")


def _layout(width: int, minima: list[Span], maxima: list[Span]) -> Layout:
    edges = [0, *(edge for span in sorted([*minima, *maxima]) for edge in span), width]
    if width > _MOST_WIDTH or any(first > second for first, second in pairwise(edges)):
        raise PortableError("damaged: a vector of no possible layout")
    return Layout(width, tuple(minima), tuple(maxima))


def _place(place: int, of: list[Any]) -> int:
    if not 0 <= place < len(of):
        raise PortableError("damaged: a place beyond its list")
    return place


def _version(place: int, header: _Header) -> str | None:
    return None if place == -1 else header.versions[_place(place, header.versions)][0]


def _packed(values: np.ndarray) -> bytes:
    """Return differences, which are small."""
    return _shuffled(np.diff(values, prepend=values.dtype.type(0)))


def _shuffled(values: np.ndarray) -> bytes:
    """Return the first byte of all, then the second of all, ...: most are alike."""
    width = values.dtype.itemsize
    return values.astype(values.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, width).T.tobytes()


def _unshuffled(content: memoryview, width: int) -> np.ndarray:
    return np.ascontiguousarray(np.frombuffer(content, dtype=np.uint8).reshape(width, -1).T).reshape(-1)


def _text(payload: bytes | None) -> str | None:
    return None if payload is None else base64.b64encode(payload).decode()


def _tagged(label: Any) -> _Label | None:
    """Return a label as text, exactly: a whole number, a float or bytes."""
    match label:
        case None:
            return None
        case int():
            return "int", str(label)
        case float():
            return "float", label.hex()
    return "bytes", base64.b64encode(label).decode()


def _untagged(label: _Label | None) -> int | float | bytes | None:
    if label is None:
        return None
    kind, text = label
    try:
        match kind:
            case "int" if len(text) <= 20:
                number = int(text)
                if -(2**63) <= number < 2**63:
                    return number
            case "float" if (value := float.fromhex(text)) == value:
                return value
            case "bytes":
                return base64.b64decode(text, validate=True)
    except ValueError:
        pass
    raise PortableError("damaged: a label that is none")
