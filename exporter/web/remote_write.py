"""Prometheus remote write 1.0 as the target of a batch job.

https://prometheus.io/docs/specs/prw/remote_write_spec/ - three messages of protobuf, of few kinds of fields, in a block
of snappy. Both are written here: literals alone are a valid block, and what a job sends once is not worth a library.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Mapping, Sequence

from exporter.measure.exposition import Sample, Series, Snapshot, samples
from exporter.web.delivery import Sender, shown_url

_SERIES = 2000
_HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_BYTES, _DOUBLE, _VARINT = 2, 1, 0
_LITERAL = 1 << 16


class RemoteWrite:
    """Writes one sample of each series, of now, with the label ``job``."""

    def __init__(self, sender: Sender, url: str, job: str) -> None:
        self._sender = sender
        self.url = shown_url(url)
        self._url = url
        self._job = job

    def deliver(self, snapshot: Snapshot) -> int:
        """Write all series of one model, and return how many. Raises DeliveryError."""
        return self._write(list(samples([snapshot], {})))

    def deliver_own(self, process: Series) -> int:
        """Write the exporter's own series, and return how many. Raises DeliveryError."""
        return self._write(list(samples([], process)))

    def _write(self, found: Sequence[Sample]) -> int:
        # Sent again, it is the same sample.
        now = int(time.time() * 1000)
        for start in range(0, len(found), _SERIES):
            body = write_request(found[start : start + _SERIES], {"job": self._job}, now)
            self._sender.send("POST", self._url, snappy_block(body), _HEADERS)
        return len(found)


def write_request(found: Iterable[Sample], labels: Mapping[str, str], time_ms: int) -> bytes:
    """Return a ``prometheus.WriteRequest`` with a series for each sample."""
    return b"".join(_field(1, _series(sample, labels, time_ms)) for sample in found)


def snappy_block(content: bytes) -> bytes:
    """Return ``content`` as a block of snappy without any compression: its length, then literals."""
    parts = [_varint(len(content))]
    for start in range(0, len(content), _LITERAL):
        literal = content[start : start + _LITERAL]
        # The tag of a literal whose length less one stands in the two bytes that follow.
        parts += [bytes([61 << 2]), (len(literal) - 1).to_bytes(2, "little"), literal]
    return b"".join(parts)


def _series(sample: Sample, labels: Mapping[str, str], time_ms: int) -> bytes:
    named = {**labels, **sample.labels, "__name__": sample.name}
    # An empty label is the same as none.
    pairs = [
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(named.items())
        if value
    ]
    value = _key(1, _DOUBLE) + struct.pack("<d", sample.value) + _key(2, _VARINT) + _varint(time_ms)
    return b"".join(pairs) + _field(2, value)


def _field(number: int, content: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(content)) + content


def _key(number: int, kind: int) -> bytes:
    return bytes([number << 3 | kind])


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
