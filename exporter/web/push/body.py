"""Bodies of requests: decompressed, never beyond a limit."""

from __future__ import annotations

import zlib
from http import HTTPStatus

from exporter.web.push.answers import RefusedError, malformed

MOST_BYTES = 8 << 20
"""A body, before and after decompression."""


def too_large() -> RefusedError:
    """Return the refusal of a body beyond the limit."""
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"a body of more than {MOST_BYTES >> 20} MiB; send fewer events at once",
        "too_large",
    )


def decoded(body: bytes, encoding: str) -> bytes:
    """Return ``body`` without its Content-Encoding. Raises RefusedError."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            window = 31
        case "deflate":
            window = 15
        case other:
            raise RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Encoding '{other[:40]}', expected one of gzip, deflate, identity",
                "unsupported",
            )
    content = b""
    try:
        # A gzip body may be several members, one after another.
        while body:
            stream = zlib.decompressobj(window)
            content += stream.decompress(body, MOST_BYTES + 1 - len(content))
            if len(content) > MOST_BYTES:
                raise too_large()
            if not stream.eof:
                raise malformed(f"a {encoding} body that ends too early")
            body = stream.unused_data
    except zlib.error as error:
        raise malformed(f"a body that is no {encoding}: {error}") from None
    return content
