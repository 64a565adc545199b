"""A quiet threaded HTTP server on 127.0.0.1 whose port is known before there is anything to serve."""

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
    """Somebody else listens on the port that was asked for."""


def listen(port: int) -> socket.socket:
    """Listen on a port of this machine, or on a free one when it is 0. Raises PortTaken."""
    try:
        return socket.create_server((HOST, port), backlog=128)
    except OSError as error:
        raise PortTaken(f"Port {port} of {HOST} cannot be had: {os.strerror(error.errno or 0)}") from error


class _Handler(MotoRequestHandler):  # type: ignore[misc]
    # Headers and body are two writes; with Nagle's algorithm the second waits 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the execution environments' logs tell what happened."""


class HttpServer:
    """Holds its port from the start; requests wait until `serve` says who answers them."""

    def __init__(self, port: int) -> None:
        """Listen on the port, or on a free one when it is 0. Raises PortTaken."""
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"
        self._server: BaseWSGIServer | None = None

    def serve(self, application: Application) -> None:
        """Answer what waits and what comes, each request in a thread of its own."""
        self._server = make_server(HOST, self.port, application, threaded=True, request_handler=_Handler, fd=self._socket.fileno())
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Give the port back."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
        self._socket.close()
