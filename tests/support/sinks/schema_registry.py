"""A stand-in for a schema registry. It follows the documented REST API; no registry of Confluent's is tried.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class SchemaRegistry:
    """Schemas by id and by subject. ``url``; ``authorization``: what a request must say to be answered, if anything."""

    def __init__(self) -> None:
        self._by_id: dict[int, dict[str, Any]] = {}
        self._by_subject: dict[str, int] = {}
        self.authorization = ""
        self.asked = 0
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked += 1
                status, answer = registry._answer(self.path, self.headers.get("Authorization", ""))
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def avro(self, schema: dict[str, Any]) -> int:
        """Register a schema; returns its id."""
        return self._register(f"avro-{len(self._by_id)}", {"schema": json.dumps(schema)})

    def protobuf(self, subject: str, file: bytes, references: list[dict[str, Any]] | None = None) -> int:
        """Register a file, by its serialised descriptor: the form that is asked for by ``format=serialized``."""
        schema = {"schema": base64.b64encode(file).decode(), "schemaType": "PROTOBUF"}
        return self._register(subject, schema | ({"references": references} if references else {}))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _register(self, subject: str, schema: dict[str, Any]) -> int:
        number = len(self._by_id) + 1
        self._by_id[number] = schema
        self._by_subject[subject] = number
        return number

    def _answer(self, path: str, authorization: str) -> tuple[int, dict[str, Any]]:
        if authorization != self.authorization:
            return 401, {"error_code": 401, "message": "Unauthorized"}
        match urlsplit(path).path.strip("/").split("/"):
            case ["schemas", "ids", number] if int(number) in self._by_id:
                return 200, self._by_id[int(number)]
            case ["subjects", subject, "versions", version] if subject in self._by_subject:
                found = self._by_subject[subject]
                return 200, {**self._by_id[found], "subject": subject, "version": int(version), "id": found}
        return 404, {"error_code": 40403, "message": "Schema not found"}
