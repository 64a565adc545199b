"""Small HTTP servers on this machine, for what Darkroom calls and for who calls Darkroom."""

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
    """One request as it came. The names of its headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What the server answers. `content_length` is a lie when it is given."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_length: int | None = None


@contextmanager
def server(answer: Callable[[Received], Reply]) -> Iterator[str]:
    """Serve on a free port, and give the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = answer(
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

        do_GET = do_HEAD = do_PUT = do_DELETE = do_POST  # noqa: N815 (the names that http.server looks for)

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
    """Answer everything with one reply, and keep what came."""

    def answer(request: Received) -> Reply:
        if received is not None:
            received.append(request)
        return reply

    return answer


@contextmanager
def webhook_endpoint() -> Iterator[str]:
    """Serve receive_prediction as the HTTP API does, and give the public URL."""
    # An invocation answers one request at a time.
    one_at_a_time = threading.Lock()

    def receive(request: Received) -> Reply:
        url = urlsplit(request.path)
        event = http_event(
            request.method, url.path, body=request.body.decode(), user=None, headers=request.headers
        )
        event["queryStringParameters"] = dict(parse_qsl(url.query))
        with one_at_a_time:
            answer = handler_of("receive_prediction")(event, CONTEXT)
        return Reply(answer["statusCode"], answer["body"].encode())

    with server(receive) as url:
        yield url
