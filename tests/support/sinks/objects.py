"""A bucket of S3, by moto in a process of its own on loopback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.sinks import SinkServer

BUCKET = "logs"
_LATE = timedelta(hours=5)


class ObjectsServer(SinkServer):
    """A folder of hourly partitions; each append is an object. Late records come into an earlier partition.

    The server takes any credentials until it is told to ask IAM, which knows none.
    """

    name = "objects"
    secret = "sUQBzGdo9vTNgXw1kYp0"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = self._objects = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=Path(__file__).parents[3],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.endpoint = self._answer()
        self._credentials = folder / "credentials"
        self._credentials.write_text(
            f"[default]\naws_access_key_id = exporter\naws_secret_access_key = {self.secret}\n"
        )
        self.store = self._connected()
        self.begin()

    def _connected(self) -> Any:
        from obstore.store import S3Store

        return S3Store(
            BUCKET,
            endpoint=self.endpoint,
            region="eu-central-1",
            access_key_id="writer",
            secret_access_key="writer",
            client_options={"allow_http": True},
        )

    def begin(self) -> None:
        self._number += 1
        self.put(self.key("begun.jsonl"), b"")

    def sink(self) -> dict[str, Any]:
        return {
            "objects": {
                "url": f"s3://{BUCKET}/{self._number}/dt=%Y-%m-%d/hour=%H/",
                "endpoint": self.endpoint,
                "region": "eu-central-1",
                "credentialsFile": str(self._credentials),
            }
        }

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:
        self._objects += 1
        content = b"".join(record + b"\n" for record in records)
        self.put(self.key(f"part-{self._objects:06d}.jsonl", late=late), content)

    def key(self, name: str, *, late: bool = False) -> str:
        """Return the key of an object of this hour, or an earlier one."""
        now = datetime.now(UTC) - (_LATE if late else timedelta())
        return f"{self._number}/{now:dt=%Y-%m-%d/hour=%H}/{name}"

    def put(self, key: str, content: bytes) -> str:
        """Store an object, as any writer does; return its key."""
        import obstore

        obstore.put(self.store, key, content)
        return key

    def refuse(self) -> None:
        self._tell("refuse")

    def accept(self) -> None:
        self._tell("accept")

    def stop(self) -> None:
        self._tell("stop")

    def start(self) -> None:
        self._tell("start")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until standard input ends, and do what its lines say: the content stays in this process."""
    from moto import settings
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer
    from moto.s3.models import s3_backends

    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket(BUCKET, "eu-central-1")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    _say(f"http://{host}:{port}")
    for line in sys.stdin:
        word = line.strip()
        if word == "stop":
            server.stop()
            assert server._server is not None
            server._server.server_close()
        elif word == "start":
            server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
            server.start()
        else:
            settings.INITIAL_NO_AUTH_ACTION_COUNT = 0 if word == "refuse" else float("inf")
        _say(word)


if __name__ == "__main__":
    main()
