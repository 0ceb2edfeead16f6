"""Summaries as one exporter sends them to another: pages of what has changed since the receiver asked last."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from exporter.state.portable import BucketKey, Layout, Portable, bucket_keys, of, version_names
from exporter.state.portable_bytes import PortableError, from_bytes, order, to_bytes
from exporter.state.store import Store
from exporter.state.summaries import Content, Scope
from exporter.summary.base import Shape

MOST_NUMBERS = 1 << 20
"""Of the buckets on one page: some 12 MB."""
MOST_BYTES = 128 << 20
"""Of a page, when it is no longer compressed."""

_FORMAT = 1
_LONGEST_ENVELOPE = 64 << 10
_KEY = TypeAdapter(tuple[str, str, str | None, str, str, int])


class Asked(NamedTuple):
    """Request for what changed since the page with the cursor ``since``, and follows ``after``. Empty: for all."""

    since: str = ""
    after: str = ""


class Envelope(BaseModel):
    """What a page is of.

    ``identity``: of the state that counted. ``counted_by``: digest of what the monitor file and references say of that.
    ``at``: when the last cycle ended, Unix seconds. ``cursor``: for ``Asked.since``. ``more``: for ``Asked.after``;
    None on the last page.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format: int = _FORMAT
    model: str
    identity: int = Field(ge=0, lt=2**63)
    counted_by: str = Field(max_length=64)
    at: float = Field(allow_inf_nan=False)
    cursor: str = Field(max_length=64)
    more: str | None


class Sent(NamedTuple):
    """A page. Its ``portable`` names all buckets that there are, and has the content of some."""

    envelope: Envelope
    portable: Portable


@dataclass(frozen=True)
class Counted:
    """What a store's summaries are of, for ``page``."""

    model: str
    counted_by: str
    shapes: tuple[Shape, ...]
    at: float


def page(store: Store, counted: Counted, asked: Asked) -> Sent:
    """Return what ``asked`` lacks, up to some 12 MB of it. In a transaction.

    Raises ValueError where ``asked`` is not what an earlier page said.
    """
    after = order(BucketKey._make(_KEY.validate_json(asked.after))) if asked.after else None
    changes, names = store.summaries.changes, version_names(store)
    epoch, _, revision = asked.since.partition("-")
    since = int(revision) if epoch == str(changes.epoch) and revision.isdecimal() else -1
    keys: dict[BucketKey, tuple[Shape, Scope]] = {}
    for shape in counted.shapes:
        keys |= {key: (shape, scope) for key, scope in bucket_keys(store, shape, names)}
    known = {(key.kind, scope, key.start) for key, (_, scope) in keys.items()}
    cursor = f"{changes.epoch}-{changes.end_revision(known)}"
    contents: dict[BucketKey, Content] = {}
    numbers, more = 0, None
    last: BucketKey | None = None
    for key in sorted(keys, key=order):
        shape, scope = keys[key]
        if changes.of(key.kind, scope, key.start) <= since or (after is not None and order(key) <= after):
            continue
        if last is not None and numbers >= MOST_NUMBERS:
            more = json.dumps(last)
            break
        contents[key] = store.summaries.content(shape, scope, key.start)
        numbers += len(contents[key][1])
        last = key
    layouts = {(shape.kind, shape.digest): Layout.of(shape) for shape in counted.shapes}
    portable = replace(
        of(store, ()),
        layouts=layouts,
        buckets=contents,
        unchanged=frozenset(keys.keys() - contents.keys()),
        # A receiver counts what it is told of dropped values.
        dropped=frozenset(),
    )
    envelope = Envelope(
        model=counted.model,
        identity=store.marks.identity(),
        counted_by=counted.counted_by,
        at=counted.at,
        cursor=cursor,
        more=more,
    )
    return Sent(envelope, portable)


def write(sent: Sent) -> bytes:
    """Return a page as bytes: a line that says what it is of, then a portable state."""
    return sent.envelope.model_dump_json().encode() + b"\n" + to_bytes(sent.portable)


def read(content: bytes) -> Sent:
    """Return the page in ``content``, which came from a network. Raises PortableError where there is none."""
    line, newline, _ = content[:_LONGEST_ENVELOPE].partition(b"\n")
    if not newline:
        raise PortableError("not a page of summaries")
    try:
        envelope = Envelope.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        raise PortableError(f"damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if envelope.format != _FORMAT:
        raise PortableError(f"of format {envelope.format}, expected {_FORMAT}; use one version of mlslo")
    return Sent(envelope, from_bytes(content[len(line) + 1 :], MOST_BYTES))
