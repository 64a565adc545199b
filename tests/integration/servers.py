"""HTTP servers on this machine that receive Darkroom's requests, or pass requests to Darkroom."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import override
from urllib.parse import parse_qsl, urlsplit

from tests.aws import CONTEXT, handler_of
from tests.builders import http_event


@dataclass(frozen=True)
class Received:
    """One received request. Header names are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One response. `content_length` replaces the true length of the body in its header."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_length: int | None = None


@contextmanager
def server(respond: Callable[[Received], Reply]) -> Iterator[str]:
    """Serve on a free port. Yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = respond(
                Received(
                    self.command,
                    self.path,
                    headers,
                    self.rfile.read(int(headers.get("content-length", 0))),
                )
            )
            length = len(reply.body) if reply.content_length is None else reply.content_length
            self.send_response(reply.status)
            for name, value in (reply.headers | {"Content-Length": str(length)}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

        do_GET = do_HEAD = do_PUT = do_DELETE = do_POST  # noqa: N815 (names of http.server)

        @override
        def log_message(self, format: str, *args: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}"
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def answering(
    reply: Reply, *, received: list[Received] | None = None
) -> Callable[[Received], Reply]:
    """Return the same reply to every request, and append each request to `received`."""

    def respond(request: Received) -> Reply:
        if received is not None:
            received.append(request)
        return reply

    return respond


@contextmanager
def webhook_endpoint() -> Iterator[str]:
    """Serve the function receive_prediction as the HTTP API does. Yields the public URL."""
    # One execution environment handles one request at a time.
    lock = threading.Lock()

    def receive(request: Received) -> Reply:
        url = urlsplit(request.path)
        event = http_event(
            request.method, url.path, body=request.body.decode(), user=None, headers=request.headers
        )
        event["queryStringParameters"] = dict(parse_qsl(url.query))
        with lock:
            response = handler_of("receive_prediction")(event, CONTEXT)
        return Reply(response["statusCode"], response["body"].encode())

    with server(receive) as url:
        yield url
