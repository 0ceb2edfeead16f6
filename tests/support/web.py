"""The exporter's pages in this process, over a real daemon that is not run."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.daemon.daemon import Daemon
from exporter.web.protection import Protection
from exporter.web.server import Server
from tests.support.logs import monitor, write_monitor


@contextmanager
def pages(folder: Path, config: Path | None = None) -> Iterator[Server]:
    """Serve the pages of one model on a free port."""
    write_monitor(folder, monitor(labels=None))
    daemon = Daemon([folder / "monitor.yaml"], folder / "state")
    protection = Protection(config) if config is not None else None
    server = Server(("127.0.0.1", 0), daemon, protection=protection)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        # Its files and its state; cycles were never run.
        daemon.stop()
        daemon.run()


def certificate(folder: Path, name: str, *names: str, issuer: str | None = None) -> tuple[Path, Path]:
    """Make a certificate for ``names`` with its key: signed by itself, or by ``issuer``."""
    key, made, request = (folder / f"{name}{suffix}" for suffix in (".key", ".pem", ".csr"))
    alternatives = f"subjectAltName={','.join(names) or 'DNS:localhost,IP:127.0.0.1'}"
    new = [
        "openssl",
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
    ]
    if issuer is None:
        run(*new, "-x509", "-out", made, "-subj", f"/CN={name}", "-days", "2", "-addext", alternatives)
        return made, key
    run(*new, "-out", request, "-subj", f"/CN={name}")
    (folder / f"{name}.ext").write_text(alternatives)
    run(
        "openssl", "x509", "-req", "-in", request, "-CA", folder / f"{issuer}.pem", "-CAkey", folder / f"{issuer}.key",
        "-out", made, "-days", "2", "-extfile", folder / f"{name}.ext",
    )  # fmt: skip
    return made, key


def run(*command: object) -> None:
    """Run a program that must not fail."""
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


def connect(server: Server, context: ssl.SSLContext | None = None) -> socket.socket:
    """Open a connection."""
    raw = socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=60)
    return raw if context is None else context.wrap_socket(raw, server_hostname="localhost")


def ask(connection: socket.socket, request: str) -> tuple[int, dict[str, str], bytes]:
    """Send the lines of a request; returns status, headers in lower case, and body."""
    connection.sendall(request.replace("\n", "\r\n").encode())
    return answered(connection, body=not request.startswith("HEAD"))


def answered(connection: socket.socket, *, body: bool = True) -> tuple[int, dict[str, str], bytes]:
    """Read an answer. Raises ConnectionError where there is none, or not all of it."""
    content = b""
    while b"\r\n\r\n" not in content:
        content += _received(connection)
    head, _, rest = content.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while body and len(rest) < int(headers.get("content-length", len(rest))):
        rest += _received(connection)
    return int(first.split()[1]), headers, rest


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(1 << 20)
    if not part:
        raise ConnectionError("closed")
    return part
