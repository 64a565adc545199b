"""A threaded HTTP server on 127.0.0.1 that logs no requests. Its port is known before it serves."""

import os
import socket
from collections.abc import Callable, Iterable
from threading import Thread
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import BaseWSGIServer, make_server

HOST = "127.0.0.1"
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class PortTaken(Exception):
    """The requested port is in use. The message names the port."""


def listen(port: int) -> socket.socket:
    """Listen on a port of this machine; 0 means a free port. Raises PortTaken."""
    try:
        return socket.create_server((HOST, port), backlog=128)
    except OSError as error:
        raise PortTaken(
            f"Port {port} of {HOST} is not available: {os.strerror(error.errno or 0)}"
        ) from error


class _Handler(MotoRequestHandler):  # type: ignore[misc]
    # werkzeug writes headers and body separately. With Nagle's algorithm, the second write waits
    # 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing. The functions log the requests."""


class HttpServer:
    """Reserves its port at once. Requests wait until `serve` is called."""

    def __init__(self, port: int) -> None:
        """Listen on the port; 0 means a free port. Raises PortTaken."""
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self._server: BaseWSGIServer | None = None

    def serve(self, application: Application) -> None:
        """Start to serve waiting and new requests, each in its own thread."""
        self._server = make_server(
            HOST,
            self.port,
            application,
            threaded=True,
            request_handler=_Handler,
            fd=self._socket.fileno(),
        )
        Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def stop(self) -> None:
        """Stop the server and release the port."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._socket.close()
