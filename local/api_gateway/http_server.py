"""A threaded HTTP server that logs no requests. Its port is known before it serves.

It listens on 127.0.0.1 only, unless the caller names another address.
"""

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


def listen(port: int, host: str = HOST) -> socket.socket:
    """Listen on a port of an address of this machine; 0 means a free port. Raises PortTaken."""
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise PortTaken(
            f"Port {port} of {host} is not available: {os.strerror(error.errno or 0)}"
        ) from error


class _Handler(MotoRequestHandler):  # type: ignore[misc]
    # werkzeug writes headers and body separately. With Nagle's algorithm, the second write waits
    # 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing. The functions log the requests."""


class HttpServer:
    """Reserves its port at once. Requests wait until `serve` is called.

    With another `host` than 127.0.0.1, it listens on that address and on 127.0.0.1, because moto
    calls the AWS port at localhost. `url` has `host`.
    """

    def __init__(self, port: int, host: str = HOST) -> None:
        """Listen on the port; 0 means a free port. Raises PortTaken."""
        self._sockets = {host: listen(port, host)}
        self.port: int = self._sockets[host].getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self._servers: list[BaseWSGIServer] = []
        if host != HOST:
            try:
                self._sockets[HOST] = listen(self.port)
            except PortTaken:
                self._sockets[host].close()
                raise

    def serve(self, application: Application) -> None:
        """Start to serve waiting and new requests, each in its own thread.

        Raises RuntimeError if the server has an application already.
        """
        if self._servers:
            raise RuntimeError(f"{self.url} serves an application already")
        for host, listening in self._sockets.items():
            server = make_server(
                host,
                self.port,
                application,
                threaded=True,
                request_handler=_Handler,
                fd=listening.fileno(),
            )
            self._servers.append(server)
            Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Stop the server and release the port."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for listening in self._sockets.values():
            listening.close()
