"""The exporter's pages: /metrics, /-/healthy, /-/ready, /-/reload and a status page."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs, unquote, urlsplit

from exporter.daemon.cycle import CycleError
from exporter.daemon.daemon import Daemon
from exporter.state import sent
from exporter.state.sent import Asked
from exporter.web.http_server import Handler, HttpServer, normal_path
from exporter.web.model_pages import ModelPages
from exporter.web.protection import Protection

_BINARY = "application/octet-stream"
_MODELS, _SUMMARIES = "/models/", "/summaries/"


class _Handler(Handler):
    server: Server

    def do_GET(self) -> None:  # noqa: N802 - the name of the base class
        if not self._allowed():
            return
        site = self.server.watched
        if (asked := _below(_SUMMARIES, self.path)) is not None:
            self._summaries(*asked)
            return
        if (asked := _below(_MODELS, self.path)) is not None:
            page = self.server.pages.model(*asked)
            if page is None:
                self._text(HTTPStatus.NOT_FOUND, "No such model, or no good cycle of it yet; see /.")
            else:
                self._html(page)
            return
        match normal_path(self.path):
            case "/metrics":
                compressed = self._takes_gzip()
                body, content_type = site.page.answer(
                    self.headers.get("Accept", ""), compressed=compressed, live=site.running()
                )
                self._send(HTTPStatus.OK, body, content_type, compressed=compressed)
            case "/-/healthy":
                wrong = site.unhealthy()
                self._answer(wrong is None, "Healthy.", wrong or "")
            case "/-/ready":
                self._answer(
                    site.ready(), "Ready.", "Some model has had no good cycle yet; see / and the log."
                )
            case "/":
                self._html(self.server.pages.index())
            case "/-/reload":
                self._text(HTTPStatus.METHOD_NOT_ALLOWED, "Reload with POST or PUT.", {"Allow": "POST, PUT"})
            case _:
                self._text(HTTPStatus.NOT_FOUND, "No such page; see /.")

    do_HEAD = do_GET

    def do_POST(self) -> None:  # noqa: N802
        self.close_connection = True
        if not self._allowed():
            return
        if normal_path(self.path) != "/-/reload":
            self._text(HTTPStatus.NOT_FOUND, "No such page; see /.")
        elif not self.server.lifecycle:
            self._text(
                HTTPStatus.FORBIDDEN, "Lifecycle API is not enabled: start with --web.enable-lifecycle."
            )
        else:
            wrong = self.server.watched.reload()
            self._answer(wrong is None, "Reloaded.", wrong or "", HTTPStatus.INTERNAL_SERVER_ERROR)

    do_PUT = do_POST

    def _summaries(self, name: str, query: str) -> None:
        site, model = self.server.watched, unquote(name)
        if not self.server.summaries:
            self._text(HTTPStatus.FORBIDDEN, "Summaries are not served: start with --web.enable-summaries.")
            return
        tag = site.summaries_tag(model)
        if tag is None:
            self._text(HTTPStatus.NOT_FOUND, "No such model; see /.")
            return
        headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
        if self.headers.get("If-None-Match") == headers["ETag"]:
            self._send(HTTPStatus.NOT_MODIFIED, b"", _BINARY, headers=headers)
            return
        asked = {key: values[-1] for key, values in parse_qs(query).items()}
        try:
            page = site.summaries(model, Asked(asked.get("since", ""), asked.get("after", "")))
        except CycleError as error:
            self._text(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}; ask again.", {"Retry-After": "5"})
        except ValueError:
            self._text(HTTPStatus.BAD_REQUEST, "since and after are not of an earlier page.")
        else:
            self._send(HTTPStatus.OK, sent.write(page), _BINARY, headers=headers)


class Server(HttpServer):
    """Serves the pages of a daemon."""

    handler = _Handler

    def __init__(
        self,
        address: tuple[str, int],
        watched: Daemon,
        *,
        protection: Protection | None = None,
        lifecycle: bool = False,
        summaries: bool = False,
    ) -> None:
        """Raises OSError where the address cannot be bound. ``summaries``: serve what models have counted."""
        self.watched = watched
        self.lifecycle = lifecycle
        self.summaries = summaries
        self.pages = ModelPages(watched)
        super().__init__(address, protection)


def _below(folder: str, target: str) -> tuple[str, str] | None:
    """Return name and query of a request for a model in ``folder``, as they are written: a name may hold slashes."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    return (parts.path.removeprefix(folder), parts.query) if parts.path.startswith(folder) else None
