"""Buckets, and the objects in them: how they are reached, read by ranges, and what is said where they cannot be."""

from __future__ import annotations

import configparser
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from exporter.extras import needs
from exporter.sinks.compression import Decompressed, Member
from exporter.sinks.content import Block
from exporter.sinks.descriptors import UnreadableError
from exporter.sinks.positions import HEAD, SAMPLE, checksum
from exporter.sinks.sink import SinkError
from mlslo.monitor import Monitor
from mlslo.monitor import ObjectsSink as Settings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

AHEAD = 32 << 20
"""Bytes of an object that are asked for at once."""
_COPIED = 4 << 20
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_RETRY = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=15),
    "backoff": {"max_backoff": timedelta(seconds=3)},
}
_CLIENT = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=40)}


class ObjectGoneError(Exception):
    """An object that was removed, or written over, since it was listed: the next listing shows it."""


class RefusedError(Exception):
    """A request that the store refuses to this exporter; its text says why."""


class Found(NamedTuple):
    """An object as it was listed. ``version``: what changes with its content."""

    key: str
    size: int
    version: str
    modified: datetime
    tag: str | None


class Bucket:
    """The bucket of a url: connects when it is first asked for something, and again after a failure.

    ``spent``: seconds for which listings were waited for so far.
    """

    def __init__(self, monitor: Monitor, settings: Settings) -> None:
        scheme, _, rest = settings.url.partition("://")
        bucket, _, self.path = rest.partition("/")
        self.url = f"{scheme}://{bucket}"
        self._scheme, self._bucket = scheme, bucket
        self._monitor = monitor
        self._settings = settings
        self._store: ObjectStore | None = None
        self.spent = 0.0

    def list(self, folder: str, behind: str | None) -> Iterator[Found]:
        """Yield what is below ``folder``, behind the key ``behind``, as the store orders it. Raises SinkError."""
        with self._explained(f"{self.url}/{folder}"):
            import obstore

            begun = time.monotonic()
            for chunk in obstore.list(self._connected(), folder or None, offset=behind, chunk_size=1000):
                self.spent += time.monotonic() - begun
                for meta in chunk:
                    tag = meta["e_tag"]
                    version = tag.strip('"').replace(" ", "") if tag else ""
                    version = version or f"{meta['size']}-{meta['last_modified']:%s%f}"
                    yield Found(meta["path"], meta["size"], version, meta["last_modified"], tag)
                begun = time.monotonic()

    def range(self, found: Found, start: int, stop: int) -> memoryview:
        """Return bytes of an object. Raises ObjectGoneError, RefusedError, SinkError."""
        with self._explained(f"{self.url}/{found.key}", one=True):
            import obstore

            options: Any = {"range": (start, stop), "if_match": found.tag}
            return memoryview(obstore.get(self._connected(), found.key, options=options).bytes())

    def copy(self, found: Found, file: IO[bytes]) -> None:
        """Write an object into ``file``, a piece at a time. Raises what ``range`` raises, and OSError."""
        with self._explained(f"{self.url}/{found.key}", one=True):
            import obstore

            options: Any = {"if_match": found.tag}
            pieces = obstore.get(self._connected(), found.key, options=options).stream(min_chunk_size=_COPIED)
            for piece in pieces:
                file.write(memoryview(piece))
        file.flush()

    def close(self) -> None:
        """Release the connections."""
        self._store = None

    def _connected(self) -> ObjectStore:
        if self._store is None:
            from obstore.store import from_url

            config = self._config()
            client: dict[str, Any] = dict(_CLIENT)
            if (self._settings.endpoint or "").startswith("http://"):
                client["allow_http"] = True
            if self._settings.caFile is not None:
                client["root_certificate"] = self._read(self._settings.caFile, "caFile").encode()
            if self._scheme == "file":
                self._store = from_url("file:///")
            else:
                options: dict[str, Any] = {"client_options": client, "retry_config": _RETRY, "config": config}
                # az:// has the account in its place; it is known from elsewhere, if only from the environment.
                self._store = from_url(self.url.replace("az://", "azure://"), **options)
        return self._store

    def _config(self) -> dict[str, Any]:
        settings = self._settings
        config: dict[str, Any] = {"endpoint": settings.endpoint, "region": settings.region}
        config["account_name"] = settings.account
        if settings.anonymous:
            config["skip_signature"] = True
        if settings.credentialsFile is not None:
            config |= self._credentials(settings.credentialsFile)
        return {key: value for key, value in config.items() if value is not None}

    def _credentials(self, name: str) -> dict[str, Any]:
        if self._scheme == "gs":
            return {"service_account": str(self._monitor.resolve(name))}
        text = self._read(name, "credentialsFile").strip()
        if self._scheme == "az":
            return {"sas_key" if "sig=" in text else "account_key": text}
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(text)
            section = dict(parser[self._settings.profile])
            names = ("access_key_id", "secret_access_key")
            found = {name: section[f"aws_{name}"] for name in names}
        except (configparser.Error, KeyError):
            raise SinkError(
                f"credentialsFile {name}: expected a section [{self._settings.profile}] with aws_access_key_id and "
                "aws_secret_access_key"
            ) from None
        return found | {"session_token": section.get("aws_session_token")}

    def _read(self, name: str, key: str) -> str:
        try:
            return Path(self._monitor.resolve(name)).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SinkError(f"{key} {name}: {getattr(error, 'strerror', None) or 'no text'}") from None

    @contextmanager
    def _explained(self, url: str, *, one: bool = False) -> Iterator[None]:
        """Raise what obstore raises as an error with words. ``one``: of an object, beside which others may be read."""
        try:
            from obstore import exceptions
        except ModuleNotFoundError:
            raise SinkError(f"{self.url}: {needs('objects')}") from None
        try:
            yield
        except (FileNotFoundError, exceptions.PreconditionError) as error:
            if one:
                raise ObjectGoneError from None
            raise SinkError(f"{url}: {_words(error)}") from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            self._store = None
            right = "read objects" if one else "list the bucket"
            message = f"{url}: refused; may these credentials {right}? {_words(error)}"
            raise (RefusedError if one else SinkError)(message) from None
        except (exceptions.BaseError, ValueError) as error:
            self._store = None
            if any(code in str(error) for code in _NO_BUCKET):
                message = f"{self.url}: there is no such bucket; is its name right, and the endpoint, if there is one?"
                raise SinkError(message) from None
            raise SinkError(f"{url}: {_words(error)}") from None


def _words(error: Exception) -> str:
    """Return the message of the store or of the connection within an error of obstore's."""
    text = str(error).split("\n\nDebug source:")[0]
    return " ".join(text.split())[:300]


class Remote:
    """Stored content of one version of an object, by ranges of ``ahead`` bytes. The last one is kept."""

    def __init__(self, bucket: Bucket, found: Found, ahead: int = AHEAD) -> None:
        self.found = found
        self._bucket = bucket
        self._ahead = ahead
        self._head = b""
        self._start = 0
        self._range = memoryview(b"")

    def at(self, offset: int, size: int) -> memoryview:
        """Return up to ``size`` bytes from ``offset`` on."""
        stop = min(offset + size, self.found.size)
        if offset >= stop:
            return memoryview(b"")
        if stop <= len(self._head):
            return memoryview(self._head)[offset:stop]
        if not self._start <= offset <= stop <= self._start + len(self._range):
            self._range = memoryview(b"")
            self._range = self._bucket.range(
                self.found, offset, min(max(stop, offset + self._ahead), self.found.size)
            )
            self._start = offset
            if not offset:
                self._head = bytes(self._range[:HEAD])
        return self._range[offset - self._start : stop - self._start]

    def checksum(self, length: int) -> int | None:
        """Return the checksum of both ends of the first ``length`` bytes; None where there are fewer."""
        if length > self.found.size:
            return None
        ends = min(SAMPLE, length)
        head = bytes(self.at(0, ends))
        if self._start <= length - ends and length <= self._start + len(self._range):
            return checksum(head, bytes(self.at(length - ends, ends)))
        # What was read ahead stays.
        return checksum(head, bytes(self._bucket.range(self.found, length - ends, length)))

    def copy(self, file: IO[bytes]) -> None:
        """Write all of it into ``file``."""
        if self.found.size <= self._ahead:
            file.write(self.at(0, self.found.size))
            file.flush()
        else:
            self._bucket.copy(self.found, file)


class PlainObject:
    """Content of an object that is not compressed."""

    most = AHEAD

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def at(self, offset: int, size: int) -> Block:
        """Return up to ``size`` bytes from ``offset`` on."""
        buffer = bytearray(self._remote.at(offset, size))
        return Block(buffer, 0, len(buffer))


class CompressedObject(Decompressed):
    """Content of a compressed object, which is decompressed while its ranges come."""

    def __init__(self, member: type[Member], remote: Remote) -> None:
        super().__init__(member, -1)
        self._remote = remote

    def stored_at(self, offset: int, size: int) -> bytes:
        return bytes(self._remote.at(offset, size))

    def raise_damage(self) -> None:
        """Raise UnreadableError where something of it is damaged or missing."""
        super().raise_damage()
        if not self.is_whole():
            raise UnreadableError("damaged: it ends within a compressed member")
